"""The examples of docs/integrations.md are run as they stand, with a scorer that answers from a list."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ccps.scorer import Confidence

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


def test_logs_of_inspect(run: Any, tmp_path: Path) -> None:
    scorer = Scorer()
    run("Inspect", scorer=scorer)
    assert scorer.fitted[1:] == (["b", "a", "c"], [True, False, True])
    lines = (tmp_path / "confidences.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == '{"id": "river", "epoch": 1, "value": 0.8, "answer": "a", "explanation": "P(correct) by CCPS"}'
