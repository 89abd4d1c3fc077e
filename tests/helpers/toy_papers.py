"""The papers' experiments in the small: toys of their models, small files of the hub's schema for their benchmarks."""

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
from composing import composed
from omegaconf import OmegaConf

from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.methods import METHODS
from experiments.configs import CONF

DATA = Path(__file__).parents[1] / "data_files"
# Which column of a record is made another by a number before it; the first that is there.
WORDS = (
    "passage",
    "context",
    "premise",
    "paragraph",
    "sentence",
    "question_stem",
    "goal",
    "Problem",
    "text",
    "question",
)
FOLDERS = {
    "arc_challenge": "arc", "arc_easy": "arc", "anli_r1": "anli", "anli_r2": "anli", "anli_r3": "anli",
    "rte": "super_glue", "cb": "super_glue", "multirc": "super_glue", "copa": "super_glue",
}  # fmt: skip
MODELS = ("llama31_8b_random", "qwen25_14b_random", "mistral_small_24b_random", "qwen25_32b_random")
SHORT = [
    *(
        f"{recipe}.{form}.{part}.{key}"
        for recipe in ("probe", "paper_probe")
        for form in ("mc", "oe")
        for part in ("contrastive", "classifier")
        for key in ("steps=4", "eval_every=2")
    ),
    "state_probe.max_epochs=2", "tuning.steps=2", "tuning.warmup_steps=0", "tuning.batch_size=4", "litcab.epochs=1",
    "audit.repeats=2", "audit.explained=3", "audit.background=3", "audit.permutations=1",
    "samples.k=3", "samples.temperature=0.3",
    "answering.max_new_tokens=6", "answering.max_batch_tokens=8192", "answering.shard_questions=64",
    "evaluation.resamples=20", "trainer=cpu", "logger=none",
]  # fmt: skip


def write_benchmarks(folder: Path, copies: int) -> None:
    """So many numbered copies of the invented records, in the folders and columns of the hub's data."""
    shutil.copytree(DATA / "benchmarks", folder)
    for path in folder.rglob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        more = [_numbered(row, index) for index in range(copies) for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in more), encoding="utf-8")


def _numbered(row: dict[str, Any], index: int) -> dict[str, Any]:
    column = next((name for name in WORDS if name in row), None)
    return row if column is None else {**row, column: f"Case {index}: {row[column]}"}


def give_answers(folder: Path) -> None:
    """A column of answers to open-ended training questions, every other one right: a toy's own never are."""
    for key, spec in described("ct_oe", folder).items():
        # With a cache of its own: `datasets` would go on to serve what it has read before.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder.with_name("cache"))
            accepted = {int(one.id.rsplit("/", 1)[1]): one.accepted[0] for one in load_questions(spec).questions}
        (path,) = _files(folder, key.removeprefix("ct_oe_"))
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        said = [accepted.get(index, "amber") if index % 2 else "amber" for index in range(len(rows))]
        text = "".join(json.dumps({**row, "said": one}) + "\n" for row, one in zip(rows, said, strict=True))
        path.write_text(text, encoding="utf-8")


def _files(folder: Path, name: str) -> list[Path]:
    part = {"arc_challenge": "challenge", "arc_easy": "easy"}.get(name, name.replace("anli_", ""))
    found = sorted((folder / "ct" / FOLDERS.get(name, name)).rglob("*.jsonl"))
    return [path for path in found if len(found) == 1 or part in path.relative_to(folder).as_posix()]


def described(file: str, folder: Path) -> dict[str, BenchmarkSpec]:
    """The shipped descriptions of a mixture, each read from its folder."""
    found = {}
    for key, spec in OmegaConf.load(CONF / "benchmark" / f"{file}.yaml").items():
        whole: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(BenchmarkSpec), spec))
        whole.location, whole.revision = location(folder, str(key)), None
        found[str(key)] = whole
    return found


def location(folder: Path, key: str) -> str:
    """Where the data of a benchmark of the mixtures lie."""
    name = key.removeprefix("ct_oe_").removeprefix("ct_")
    return str(folder / "ct" / FOLDERS.get(name, name))


def paper_settings(folder: Path, config_name: str, check: Any, *more: str) -> dict[str, Any]:
    """`experiment=paper` on toys of its models, its benchmarks as small files.

    Args:
        folder: where `write_benchmarks` wrote.
        config_name: primary file in `conf/`.
        check: of the command line.
        more: overrides.
    """
    # A toy's most probable token is no letter.
    given = ["experiment=paper", f"model=[{','.join(MODELS)}]", "answering.method=letters", *SHORT, *more]
    settings = composed(given, config_name, check)
    for model in settings["model"].values():
        model["toy"] = True
    for key, spec in settings["train"].items():
        spec |= {"location": location(folder, key), "revision": None}
        spec |= {"given_answer": "said"} if spec.get("format") == "oe" else {}
    for key, spec in settings["test"].items():
        spec["location"] = str(folder / {"mmlu_oe": "mmlu"}.get(key, key))
    return settings


def method_overrides() -> list[str]:
    """All registered methods, by their files where they have one."""
    with_file = [name for name in METHODS if (CONF / "method" / f"{name}.yaml").exists()]
    others = [f"+method.{name}={{name:{name}}}" for name in METHODS if name not in with_file]
    return [f"method=[{','.join(with_file)}]", *others]
