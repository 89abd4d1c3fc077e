"""A tiny experiment: random weights, invented questions; every stage in seconds."""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from composing import composed

from ccps.pipeline.stage import Run
from ccps.stages.main.checks import to_config
from ccps.stages.main.pipeline import run_experiment

SUBJECTS = ("botany", "cookery", "sailing")
METHODS = (
    *("ccps", "ccps_logistic", "p_ik", "saplma_m", "p_true", "lts", "answer_probability", "option_probability"),
    *("option_radius", "entropy", "self_consistency", "ccps_random", "ccps_shuffled"),
)


def write_questions(path: Path, n: int, seed: int, subjects: Sequence[str] = SUBJECTS) -> Path:
    """Invented questions of one to three sentences with three options, as JSON lines."""
    rng = random.Random(seed)
    words = ["amber", "brisk", "copper", "dune", "ember", "fjord", "grove", "islet", "juniper", "kelp", "linden"]
    rows = []
    for index in range(n):
        text = " ".join(rng.choice(words) for _ in range(rng.randint(3, 25)))
        options = rng.sample(words, 3)
        rows.append(
            {
                "question": f"Which word belongs to {path.stem} {index}: {text}?",
                **dict(zip("abc", options, strict=True)),
                "answer": rng.randrange(3),
                "subject": subjects[index % len(subjects)],
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def benchmark(path: Path, **changes: Any) -> str:
    """A benchmark on the command line, as a Hydra dictionary."""
    spec = {
        "name": path.stem,
        "source": "file",
        "loader": "table",
        "location": str(path),
        "question": "question",
        "options": ["a", "b", "c"],
        "answer": "answer",
        "subject": "subject",
        **changes,
    }
    return "{" + ",".join(f"{key}:{json.dumps(value)}" for key, value in spec.items()) + "}"


class Tiny:
    """The tiny experiment with its folders."""

    def __init__(self, folder: Path, questions: Path) -> None:
        self.artifacts = folder / "artifacts"
        self.output = folder / "output"
        self.wandb = folder / "wandb"
        self.questions = questions

    def overrides(self, *more: str) -> list[str]:
        return [
            "experiment=smoke",
            "model=[tiny_random]",
            "benchmark@train=[]",
            "benchmark@test=[]",
            f"train.trees={benchmark(self.questions / 'trees.jsonl')}",
            f"test.boats={benchmark(self.questions / 'boats.jsonl')}",
            "sampling.train_total=null",
            "sampling.test_per_subject=null",
            "evaluation.resamples=20",
            "probe.mc.contrastive.steps=4",
            "probe.mc.contrastive.eval_every=2",
            "probe.mc.classifier.steps=4",
            "probe.mc.classifier.eval_every=2",
            "state_probe.max_epochs=2",
            f"method=[{','.join(METHODS)}]",
            "trainer=cpu",
            "logger=none",
            f"paths.artifacts={self.artifacts}",
            f"paths.output={self.output}",
            f"paths.wandb={self.wandb}",
            *more,
        ]

    def settings(self, *more: str) -> dict[str, Any]:
        """The settings as the command line composes them; a later override of a key replaces an earlier one."""
        by_key = {text.split("=", 1)[0]: text for text in self.overrides(*more)}
        return composed(list(by_key.values()), "config", to_config)

    def run(self, *more: str) -> Path | None:
        """Run it in this process, without W&B."""
        settings = self.settings(*more)
        config = to_config(settings)
        return run_experiment(config, settings, Run(Path(config.paths.artifacts), "cpu"))

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "experiments.reproduce", *self.overrides(*more)]
