"""What is measured of a scorer, on a tiny random model; lm-polygraph's process is a script that answers as it does."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from measured import found

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from experiments.benchmarks import polygraph, scorer
from experiments.benchmarks.polygraph import Polygraph

WORKER = """
import json, re, sys
first = json.loads(sys.stdin.readline())
assert set(first) == {"model", "dtype", "prompts"}
if first["prompts"][0] == "end":
    sys.exit("no such model")
def count(prompt):
    return len(re.sub("<.[a-z_]+.>", "x", prompt)) + (prompt == "other")
print(json.dumps({"tokens": [count(prompt) for prompt in first["prompts"]]}), flush=True)
for line in sys.stdin:
    print(json.dumps({"values": [json.loads(line)["batch"]] * len(first["prompts"])}), flush=True)
"""


@pytest.fixture(scope="module")
def lm(tiny_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A model that lies in a folder; its tokens are bytes."""
    made = load_model(find_model("tiny", tiny_config("llama", max_position_embeddings=1024)))
    made.model.save_pretrained(folder := tmp_path_factory.mktemp("tiny"))
    made.tokenizer.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCPS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_model(find_model("tiny", ModelConfig(source="folder", location=str(folder), dtype="float32")))


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(polygraph, "_WORKER", tmp_path / "worker.py")


def test_the_other_process_is_asked_and_ended(lm: LanguageModel, worker: None) -> None:
    with Polygraph(sys.executable, lm, ["one", "two", "three"], 1) as other:
        assert other.singly() == [1, 1, 1]
        assert other.batched() == [8, 8, 8]
        process = other._process
        assert process.poll() is None
    assert process.poll() is not None


def test_other_tokens_a_process_that_ends_and_none_at_all_are_refused(lm: LanguageModel, worker: None) -> None:
    with pytest.raises(UserError, match=r"lm-polygraph reads 6 tokens in prompts of 5"):
        Polygraph(sys.executable, lm, ["other"], 1)
    with pytest.raises(UserError, match=r"process ended: no such model"):
        Polygraph(sys.executable, lm, ["end"], 1)
    with pytest.raises(UserError, match="cannot be started"):
        Polygraph("/nowhere/python", lm, ["one"], 1)


def questions(options: int, n: int) -> list[Question]:
    """Sums, of which a random model gets some right by chance."""
    rng = random.Random(0)
    return [
        Question(
            f"q{place}",
            "sums",
            f"What is {place} plus {place}?",
            tuple(str(2 * place + other) for other in range(options)),
            (rng.choice("abcd"[:options]) if options else "e",),
            "test",
            "s",
        )
        for place in range(n)
    ]


def test_every_figure_of_a_scorer(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch, worker: None) -> None:
    for name, number in (("ASKED", 6), ("LEARNT", 30), ("FITTED", 30)):
        monkeypatch.setattr(scorer, name, number)
    monkeypatch.setattr("ccps.scorer.fitting.SEEDS", (23,))
    monkeypatch.setattr("ccps.scorer.learning.grade", lambda _, texts: np.arange(len(texts)) % 2.0)
    started = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        started.append(command)
        assert (Path(command[3]) / "scorer.json").is_file()
        assert len(json.loads(command[4])[0]["options"]) == 4
        return subprocess.CompletedProcess(command, 0, stdout="[0.25, 0.5]\n", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    way = scorer.Way(2, torch.get_num_threads(), sys.executable)
    figures = scorer.measure_scorer(lm, questions(4, 80), way)
    assert found(figures, "Of it `import ccps`") == 0.25
    assert found(figures, "Of it ours: the scorer's files and the question") == 0.5
    assert len(started) == 3  # one of them untimed
    assert {figure.what for figure in figures if figure.target} == {
        "`predict_proba` adds",
        "`predict_proba` over lm-polygraph's time",
        "The first number of a saved scorer",
        "Of it ours: the scorer's files and the question",
        "Of it `import ccps`",
    }
    with pytest.raises(UserError, match="36 with 4 options, but got 35"):
        scorer.measure_scorer(lm, questions(4, 35), way)


def test_fitting_is_timed_beside_the_model_in_either_format(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "FITTED", 30)
    monkeypatch.setattr("ccps.scorer.fitting.SEEDS", (23,))
    monkeypatch.setattr("ccps.scorer.learning.grade", lambda _, texts: np.arange(len(texts)) % 2.0)
    figures = scorer.measure_fitting(lm, [questions(4, 40), questions(0, 40)])
    assert [figure.subject for figure in figures if figure.target] == [
        "tiny, 30 questions (mc)",
        "tiny, 30 questions (oe)",
    ]
    assert all(figure.value > 0 for figure in figures if figure.value is not None)


def test_without_the_other_library_the_rest_is_measured(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "ASKED", 4)
    monkeypatch.setattr(scorer, "LEARNT", 30)
    monkeypatch.setattr(scorer, "_first_number", lambda *_: [])
    monkeypatch.setattr("ccps.scorer.fitting.SEEDS", (23,))
    monkeypatch.setattr("ccps.scorer.learning.grade", lambda _, texts: np.arange(len(texts)) % 2.0)
    for python, reason in (("", "no `polygraph=` was given."), ("/nowhere/python", "cannot be started")):
        figures = scorer.measure_scorer(lm, questions(4, 40), scorer.Way(1, 1, python))
        assert found(figures, "`predict_proba`") > 0
        [missing] = [figure for figure in figures if figure.value is None]
        assert reason in missing.reason
