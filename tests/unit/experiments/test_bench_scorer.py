"""What is measured of a scorer, on a tiny random model; lm-polygraph's process is a script that answers as it does."""

import sys
from pathlib import Path

import pytest
import torch
from chance_questions import questions
from measured import found

from ccps.core.errors import UserError
from ccps.llm import LanguageModel
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


def test_every_figure_of_a_scorer(lm: LanguageModel, few: None, worker: None) -> None:
    way = scorer.Way(2, torch.get_num_threads(), sys.executable)
    figures = scorer.measure_scorer(lm, questions(4, 80), way)
    assert {figure.what for figure in figures if figure.target} == {
        "`predict_proba` adds",
        "`predict_proba` over lm-polygraph's time",
    }
    with pytest.raises(UserError, match="36 with 4 options, but got 35"):
        scorer.measure_scorer(lm, questions(4, 35), way)


def test_fitting_is_timed_beside_the_model_in_either_format(lm: LanguageModel, few: None) -> None:
    figures = scorer.measure_fitting(lm, [questions(4, 40), questions(0, 40)])
    assert [figure.subject for figure in figures if figure.target] == [
        "tiny, 30 questions (mc)",
        "tiny, 30 questions (oe)",
    ]
    assert all(figure.value > 0 for figure in figures if figure.value is not None)


def test_without_the_other_library_the_rest_is_measured(lm: LanguageModel, few: None) -> None:
    for python, reason in (("", "no `polygraph=` was given."), ("/nowhere/python", "cannot be started")):
        figures = scorer.measure_scorer(lm, questions(4, 40), scorer.Way(1, 1, python))
        assert found(figures, "`predict_proba`") > 0
        [missing] = [figure for figure in figures if figure.value is None]
        assert reason in missing.reason
