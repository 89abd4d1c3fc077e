"""The faithful system on a tiny model: questions, traces that were made elsewhere, and a run in a folder of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from composing import composed
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ccps.llm import ModelConfig, ModelFiles, find_model, load_model
from ccps.pipeline.stage import Run
from ccps.reasoning.offsets import token_offsets
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import run_faithful
from experiments.configs import CONF

TEXTS = [
    "<think>\nThe sum is 5.\n\nMaybe it is 6?\n\nI think it is 5.\n</think>\n\nThe answer is \\boxed{5}.",
    "<think>\nPerhaps it is 7.\n\nNo, 9 is clearly right.\n</think>\n\n\\boxed{9}",
    "One step only, and \\boxed{3}.",
    "<think>\nIt might be 4.\n\nIt is probably 4, though unlikely",
]
GOLD = ["5", "8", "3", "4"]


def write_sums(path: Path) -> Path:
    """Three questions."""
    rows = [{"question": f"What is {n} and {n + 1}?", "answer": str(2 * n + 1)} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def task(questions: Path) -> str:
    source = {
        "name": "sums",
        "source": "file",
        "loader": "table",
        "location": str(questions),
        "format": "oe",
        "question": "question",
        "answer": "answer",
        "answer_kind": "text",
    }
    spec = {"name": "sums", "prompt": "{question}", "answer": "integer", "source": {"sums": source}}
    return hydra_text(spec)


def hydra_text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(hydra_text, value))}]"
    return json.dumps(value)


class TinyFaithful:
    """A run of the faithful system in a folder of its own."""

    def __init__(self, folder: Path, questions: Path) -> None:
        self.folder = folder
        self.questions = questions

    def overrides(self, *more: str) -> list[str]:
        common = [
            "experiment=faithful_smoke",
            "model=[tiny_random]",
            "faithful/dataset=[]",
            "faithful/prompt=[baseline]",
            f"faithful.dataset.sums={task(self.questions)}",
            "faithful.traces.max_new_tokens=12",
            "faithful.sampling.max_new_tokens=5",
            "faithful.scoring.resamples=20",
            "trainer=cpu",
            "logger=none",
            f"paths.artifacts={self.folder / 'artifacts'}",
            f"paths.output={self.folder / 'output'}",
        ]
        by_key = {text.split("=", 1)[0]: text for text in [*common, *more]}
        return list(by_key.values())

    def settings(self, *more: str) -> dict[str, Any]:
        return composed(self.overrides(*more), "faithful", to_faithful)

    def run(self, *more: str) -> Path:
        settings = self.settings(*more)
        config = to_faithful(settings)
        output = run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu"))
        assert output is not None
        return output

    def keys(self, stage: str) -> set[str]:
        return {path.name for path in (self.folder / "artifacts" / stage).iterdir()}


def tiny_model() -> tuple[ModelConfig, ModelFiles]:
    """The configuration of the tiny model, and where it lies."""
    with initialize_config_dir(str(CONF), version_base=None):
        spec = OmegaConf.to_container(compose("model/tiny_random")["model"]["tiny_random"])
    assert isinstance(spec, dict)
    config = ModelConfig(**{str(key): value for key, value in spec.items()})
    return config, find_model("tiny_random", config)


def write_traces(path: Path) -> Path:
    """Traces with ids of the tiny model, several steps each; one of them without ids, one with ids that do not fit."""
    lm = load_model(tiny_model()[1], "cpu")
    prompt = lm.tokenizer("What is it?")["input_ids"]
    rows = []
    for index, (text, gold) in enumerate(zip(TEXTS, GOLD, strict=True)):
        ids = lm.tokenizer(text, add_special_tokens=False)["input_ids"]
        written, offsets = token_offsets(lm.tokenizer, ids)
        assert written == text
        rows.append(
            {
                "id": f"t{index}",
                "question_id": f"q{index}",
                "text": text,
                "gold": gold,
                "prompt_ids": prompt,
                "token_ids": ids,
                "offsets": np.asarray(offsets).tolist(),
                "ended": index < 3,
            }
        )
    rows.append({"id": "plain", "text": "It is certainly 2.\n\nOr is it?\n\n\\boxed{2}", "gold": "2"})
    rows.append({**rows[0], "id": "wrong", "question_id": "q9", "token_ids": rows[0]["token_ids"][:-3]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
