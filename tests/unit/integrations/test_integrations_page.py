"""The examples of docs/integrations.md are run as they stand, with a scorer that answers from a list."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.data.benchmarks import load_questions
from ccps.scorer import Confidence, ConfidenceScorer
from ccps.settings.benchmark import BenchmarkSpec

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden" / "integrations"
EXAMPLES = dict(re.findall(r"^## ([^\n]+)\n(?:(?!\n## ).)*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


class Scorer:
    """Says of each answer what it was told to say."""

    def __init__(self) -> None:
        self.fitted: tuple[Any, ...] = ()

    def fit(self, questions: Any, answers: Any, correct: Any) -> None:
        self.fitted = (questions, answers, correct)

    def score(self, questions: Any, answers: Any) -> list[Confidence]:
        return [
            Confidence(question.id, answer, 0.9 - place / 10)
            for place, (question, answer) in enumerate(zip(questions, answers, strict=True))
        ]


class OpenEnded(Scorer):
    """The same for open-ended questions."""

    settings = SimpleNamespace(format="oe")

    def predict_proba(self, questions: Any, answers: Any) -> list[float]:
        return [0.9 - place / 10 for place in range(len(answers))]

    def score(self, questions: Any, answers: Any) -> list[Confidence]:
        return [Confidence(str(place), answer, 0.9) for place, answer in enumerate(answers)]


def experiment(folder: Path) -> None:
    """What a finished experiment leaves, as small as it gets."""
    tables = folder / "outputs" / "my_experiment" / "tables"
    tables.mkdir(parents=True)
    for name in ("results", "per_subject"):
        (tables / f"{name}.csv").write_text("metric,value\nece,0.5\n")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the first example under a heading, in a folder with the files that it names."""
    for name, golden in {"samples_choices.jsonl": "lm_eval_choices.jsonl"}.items():
        shutil.copy(GOLDEN / golden, tmp_path / name)
    shutil.copy(GOLDEN / "inspect_choices.eval", tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(heading: str, **names: Any) -> dict[str, Any]:
        exec(compile(EXAMPLES[heading], heading, "exec"), names)
        return names

    return run


def test_samples_of_lm_evaluation_harness(run: Any) -> None:
    scorer = Scorer()
    run("lm-evaluation-harness", scorer=scorer)
    questions, answers, correct = scorer.fitted
    assert questions[1].text == "Which river runs through Cologne?"
    assert (answers, correct) == (["b", "b", "a", "b", "a"], [True, True, False, True, True])


def test_samples_as_a_benchmark_of_an_experiment() -> None:
    (written,) = re.findall(r"```yaml\n(# conf/benchmark/my_samples.yaml\n.*?)```", PAGE, re.DOTALL)
    fields: Any = OmegaConf.to_container(OmegaConf.create(written)["my_samples"])
    assert fields["where"] == {"filter": "strict-match"}
    own: dict[str, Any] = {"location": str(GOLDEN / "lm_eval_open.jsonl"), "where": {"filter": "number"}}
    questions = load_questions(BenchmarkSpec(**(fields | own))).questions
    assert [one.text for one in questions][:1] == ["What is 2 + 3?"]
    assert [(one.given_answer, one.given_label) for one in questions] == [("5", True), ("1", False), ("7", True)]


def test_logs_of_inspect(run: Any, tmp_path: Path) -> None:
    scorer = Scorer()
    run("Inspect", scorer=scorer)
    assert scorer.fitted[1:] == (["b", "a", "c"], [True, False, True])
    lines = (tmp_path / "confidences.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == '{"id": "river", "epoch": 1, "value": 0.8, "answer": "a", "explanation": "P(correct) by CCPS"}'


def test_lm_polygraph(run: Any, bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ConfidenceScorer,
        "load",
        classmethod(lambda cls, path, **given: OpenEnded() if path == "scorers/my_model" else None),
    )
    names = run("lm-polygraph")
    assert names["uncertainty"] == pytest.approx([0.1, 0.2])
    assert names["bridge"] is bridge


def test_arrow_pandas_and_datasets(run: Any, tmp_path: Path) -> None:
    experiment(tmp_path)
    names = run("Arrow, pandas, datasets", scorer=OpenEnded(), questions=[{"text": "a"}], answers=["b"])
    assert names["names"] == ["per_subject", "results"]
    assert names["results"]["value"].tolist() == [0.5]
    assert names["subjects"].column_names == ["metric", "value"]
    assert names["said"][0]["p_correct"] == 0.9


def test_weights_and_biases(run: Any, tmp_path: Path) -> None:
    experiment(tmp_path)
    (tmp_path / "scorers" / "my_model").mkdir(parents=True)
    (tmp_path / "scorers" / "my_model" / "scorer.json").write_text(json.dumps({"method": "ccps"}))
    logged: dict[str, Any] = {}
    kept = SimpleNamespace(log=logged.update, log_artifact=lambda artifact: logged.update({artifact.name: artifact}))
    run("Weights and Biases", run=kept, p_correct=[0.2, 0.9], correct=[0, 1])
    assert set(logged) == {
        "tables/results",
        "tables/per_subject",
        "my method/reliability",
        "my method/reliability_points",
        "my method/ece",
        "my-scorer",
    }
