"""Logs as Inspect 0.3.285 wrote them (its mock model), and scores as its `precomputed_scores` reads them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.integrations.inspect import Sample, read_log, write_scores
from ccps.scorer import Confidence

GOLDEN = Path(__file__).parents[2] / "golden" / "integrations"
CHOICES, EPOCHS = GOLDEN / "inspect_choices.eval", GOLDEN / "inspect_epochs.json"


def changed(folder: Path, place: int, **fields: Any) -> Path:
    """The JSON log with other values in one sample."""
    log = json.loads(EPOCHS.read_text(encoding="utf-8"))
    log["samples"][place] |= fields
    path = folder / "changed.json"
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def test_choices_of_an_archive_are_read_in_the_order_of_its_data_set() -> None:
    found, samples = read_log(CHOICES, "choice")
    assert samples == [Sample("sum", 1), Sample("river", 1), Sample("legs", 1)]
    assert found.answers == ["b", "a", "c"]
    assert found.correct == [True, False, True]
    assert [one.accepted for one in found.questions] == [("b",), ("b",), ("c",)]
    assert found.questions[1].text == "Which river runs through Cologne?"
    assert found.questions[1].options == ("Elbe", "Rhine", "Main", "Oder")


def test_an_archive_without_zstandard_is_read_alike(tmp_path: Path) -> None:
    from ccps.data.inspect_log import _content

    path = tmp_path / "plain.eval"
    with zipfile.ZipFile(CHOICES) as packed, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as plain:
        for entry in packed.infolist():
            plain.writestr(entry.filename, _content(packed, CHOICES.read_bytes(), entry))
    assert {entry.compress_type for entry in packed.infolist()} == {93}
    assert read_log(path, "choice").answered.answers == ["b", "a", "c"]


def test_every_epoch_is_an_answer() -> None:
    found, samples = read_log(EPOCHS, "includes")
    assert samples == [Sample(1, 1), Sample(1, 2), Sample(2, 1), Sample(2, 2)]
    assert found.answers == ["Elbe", "eight", "Elbe", "eight"]
    assert found.correct == [False, False, False, True]
    assert found.questions[0].accepted == ("Rhine", "the Rhine")


def test_messages_and_attachments_are_resolved(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "attachment://long"}]
    path = changed(tmp_path, 0, input=turns, attachments={"long": "A long question?"})
    assert read_log(path, "includes").answered.questions[0].text == "A long question?"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "got: 2 turns"),
        ({"input": [{"role": "user", "content": [{"type": "image", "image": "x"}]}]}, "not text alone"),
        ({"scores": {"includes": {"value": "P"}}}, r"sample 1 \(epoch 1\): the label 'P' of the given answer"),
        ({"error": {"message": "broke off"}}, r"sample 1 \(epoch 1\): no column `answers.includes`"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_sample(tmp_path: Path, fields: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_log(changed(tmp_path, 0, **fields), "includes")


def test_a_scorer_that_is_not_there_and_a_log_without_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no record has `answers.match`"):
        read_log(EPOCHS, "match")
    path = tmp_path / "empty.json"
    path.write_text(json.dumps({"version": 2, "status": "started"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"a log without any \(status: started\)"):
        read_log(path, "includes")
    broken = tmp_path / "broken.eval"
    broken.write_bytes(b"PK")
    with pytest.raises(UserError, match="to be a log of Inspect"):
        read_log(broken, "includes")


def test_a_sample_that_was_not_scored_is_counted(tmp_path: Path) -> None:
    found, samples = read_log(changed(tmp_path, 0, scores={"includes": {"value": float("nan")}}), "includes")
    assert found.left_out == {"it has no answer or no label": 1}
    first = json.loads(EPOCHS.read_text(encoding="utf-8"))["samples"][0]
    assert len(samples) == 3
    assert Sample(first["id"], first["epoch"]) not in samples


def test_scores_are_lines_by_sample_and_epoch(tmp_path: Path) -> None:
    confidences = [Confidence("0", "Elbe", 0.25), Confidence("1", "eight", float("nan")), Confidence("2", "Rhine", 0.5)]
    path = write_scores(tmp_path / "scores.jsonl", [Sample(1, 1), Sample(1, 2), Sample("b", 1)], confidences)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"id": 1, "epoch": 1, "value": 0.25, "answer": "Elbe", "explanation": "P(correct) by CCPS"},
        {"id": "b", "epoch": 1, "value": 0.5, "answer": "Rhine", "explanation": "P(correct) by CCPS"},
    ]


def test_scores_that_inspect_could_not_read_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.jsonl"):
        write_scores(tmp_path / "scores.csv", [], [])
    with pytest.raises(UserError, match="one for each of 1 samples"):
        write_scores(tmp_path / "scores.jsonl", [Sample(1, 1)], [])


def test_inspect_itself_takes_the_scores(tmp_path: Path) -> None:
    scorer = pytest.importorskip("inspect_ai.scorer")
    log = pytest.importorskip("inspect_ai.log").read_eval_log(str(CHOICES))
    _, samples = read_log(CHOICES, "choice")
    confidences = [Confidence(str(place), "a", p) for place, p in enumerate((0.9, 0.2, 0.7))]
    path = write_scores(tmp_path / "scores.jsonl", samples, confidences)
    scored = pytest.importorskip("inspect_ai").score(
        log, scorer.precomputed_scores(str(path), metrics=[scorer.mean()]), action="append", display="none"
    )
    found = {one.id: one.scores["precomputed_scores"].value for one in scored.samples}
    assert found == {"sum": 0.9, "river": 0.2, "legs": 0.7}
