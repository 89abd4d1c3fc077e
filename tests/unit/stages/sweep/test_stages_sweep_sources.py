"""Sources on which a model is at chance are left out by name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.core.artifacts import ROWS, Artifact
from ccps.data.records import Question
from ccps.needs.base import AnsweredQuestions
from ccps.stages.main.runs import ModelAnswers
from ccps.stages.sweep.sources import chance_counts, nothing_above_chance, sources_of, without_chance

RIGHT = {"known": 30, "guessed": 11}


def side(root: Path, label: str, shares: dict[str, int], form: str = "mc") -> AnsweredQuestions:
    """Forty questions of each source, of four options, the right letters in turn; so many are answered rightly."""
    questions, rows = [], []
    for source, right in shares.items():
        for index in range(40):
            name = f"{label}/{source}/{index}"
            options = ("w", "x", "y", "z") if form == "mc" else ()
            accepted = ("abcd"[index % 4] if form == "mc" else str(index),)
            questions.append(Question(name, source, name, options, accepted, "test", source))
            rows.append((name, index < right))
    artifact = Artifact.at(root, "grade", {"label": label, "shares": shares})
    with artifact.writing():
        with artifact.shard(0) as folder:
            ids, correct = zip(*rows, strict=True)
            pq.write_table(pa.table({"question_id": ids, "correct": pa.array(correct, pa.bool_())}), folder / ROWS)
        artifact.finish(1, {})
    return AnsweredQuestions(label, questions, artifact, {"g": artifact})


def answers(root: Path) -> ModelAnswers:
    trains = {"mc": side(root, "train_mc", RIGHT), "oe": side(root, "train_oe", {"sums": 0}, "oe")}
    tests = {
        "known": side(root, "known", {"known": 9}),
        "guessed": side(root, "guessed", {"guessed": 39}),
        "elsewhere": side(root, "elsewhere", {"elsewhere": 25}),
        "sums": side(root, "sums", {"sums": 20}, "oe"),
    }
    head = Artifact.at(root, "head", {})
    return ModelAnswers("m", head, trains, tests, needs={}, learnt={})


def test_training_answers_decide_for_training_and_test_and_the_test_where_there_are_none(tmp_path: Path) -> None:
    found = {(row.side, row.source): row for row in sources_of(answers(tmp_path), 0.01)}
    assert {key for key, row in found.items() if row.used} == {
        ("training", "known"), ("test", "known"), ("test", "elsewhere"),
    }  # fmt: skip
    assert found["training", "guessed"][4:7] == (40, 11, 0.25)
    assert found["training", "sums"].guessing == 1 / 40  # always the same one of forty answers


def test_what_is_left_is_swept_and_the_rest_is_counted_by_name(tmp_path: Path) -> None:
    everything = answers(tmp_path)
    rows = sources_of(everything, 0.01)
    left = without_chance(everything, rows)
    assert list(left.trains) == ["mc"]
    assert {question.source for question in left.trains["mc"].questions} == {"known"}
    assert list(left.tests) == ["known", "elsewhere"]
    said = [f"{count.what}: {count.number} ({count.reason})" for count in chance_counts(rows)]
    assert said[0].startswith("answers of m to guessed (training, mc) left out: 40 (at chance: 11 right, 25.0% without")
    assert len(said) == 4
    kept = sources_of(everything, None)
    assert all(row.used for row in kept)
    assert without_chance(everything, kept) == everything


def test_with_nothing_above_chance_the_way_out_is_said(tmp_path: Path) -> None:
    error = nothing_above_chance(sources_of(answers(tmp_path), 1e-30))
    assert "m on guessed" in str(error)
    assert "sweep.at_chance=keep" in str(error)


@pytest.mark.parametrize("label", ["known", "guessed"])
def test_a_source_keeps_all_its_questions(tmp_path: Path, label: str) -> None:
    everything = answers(tmp_path)
    left = without_chance(everything, sources_of(everything, None))
    assert left.tests[label].questions == everything.tests[label].questions
