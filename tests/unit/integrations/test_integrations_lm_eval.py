"""Samples as lm-evaluation-harness 0.4.13 wrote them (SmolLM2-135M, five choices and three generated answers)."""

import json
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.integrations.lm_eval import read_samples

GOLDEN = Path(__file__).parents[2] / "golden" / "integrations"
CHOICES, OPEN = GOLDEN / "lm_eval_choices.jsonl", GOLDEN / "lm_eval_open.jsonl"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def changed(path: Path, folder: Path, line: int, **fields: Any) -> Path:
    """The file with other values in one line."""
    rows = records(path)
    rows[line - 1] |= fields
    written = folder / "samples_changed.jsonl"
    written.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return written


def test_choices_are_the_likeliest_options_and_labels_those_of_the_metric() -> None:
    found = read_samples(CHOICES, "acc", question="doc.question")
    rows = records(CHOICES)
    for question, answer, correct, row in zip(found.questions, found.answers, found.correct, rows, strict=True):
        assert question.text == row["doc"]["question"]
        assert list(question.options) == row["doc"]["options"]
        assert question.accepted == ("abcd"[row["doc"]["right"]],)
        likelihoods = [float(value) for value, _ in row["filtered_resps"]]
        assert answer == "abcd"[likelihoods.index(max(likelihoods))]
        assert correct == bool(row["acc"])
    assert sum(found.correct) == 4
    assert not found.left_out


def test_a_metric_by_length_has_a_choice_of_its_own() -> None:
    by_sum, by_length = read_samples(CHOICES, "acc"), read_samples(CHOICES, "acc_norm")
    # "six" is likelier than "eight" as a whole (−7.7 against −9.4), not per character (−2.6 against −1.9).
    assert (by_sum.answers[2], by_length.answers[2]) == ("a", "c")
    assert (by_sum.correct[2], by_length.correct[2]) == (False, True)


def test_generated_answers_are_those_of_the_filter_that_is_named() -> None:
    plain = read_samples(OPEN, "exact_match", filter="plain")
    number = read_samples(OPEN, "exact_match", filter="number")
    assert (plain.answers, plain.correct) == ([" 5", " 1", " 7"], [False, False, False])
    assert (number.answers, number.correct) == (["5", "1", "7"], [True, False, True])
    assert number.questions[0].text == "Question: What is 2 + 3?\nAnswer:"
    assert number.questions[0].accepted == ("5",)
    assert number.left_out == {"`filter` is not `number`": 3}
    assert read_samples(OPEN, "exact_match", filter="number", whole_response=True).answers == [" 5", " 1", " 7"]


def test_several_filters_must_be_told_apart() -> None:
    with pytest.raises(UserError, match=r"Expected the filter to be named, .* `where: \{filter: number\}` or plain"):
        read_samples(OPEN, "exact_match")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"acc": 0.0}, "line 2 of .* `acc` 0.0 where option 1 is likeliest and 1 is right"),
        ({"target": "9"}, "line 2 of .* a target '9' that is none of the 4 options"),
        ({"filtered_resps": [["-1", "False"]]}, "line 2 of .* 1 likelihoods of 4 options"),
        ({"arguments": {"gen_args_0": {"arg_0": "a text", "arg_1": " b"}}}, "a likelihood of something else"),
        ({"arguments": [["a", "b"]]}, "line 2 of .* to be a sample of lm-evaluation-harness 0.4"),
        ({"doc_id": 0}, "got doc_id 0 twice, the second time at line 2"),
    ],
)
def test_what_is_no_sample_is_refused_with_its_line(tmp_path: Path, fields: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_samples(changed(CHOICES, tmp_path, 2, **fields), "acc")


def test_a_metric_that_is_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 2: the label 0.4 of the given answer is none of 0, 1"):
        read_samples(changed(CHOICES, tmp_path, 2, acc_norm=0.4), "acc_norm")
    with pytest.raises(UserError, match=r"to have the columns its configuration names, but no record has .*`bleu`"):
        read_samples(CHOICES, "bleu")


def test_answers_that_a_filter_did_not_find_are_counted_where_that_is_allowed(tmp_path: Path) -> None:
    path = changed(OPEN, tmp_path, 5, filtered_resps=["[invalid]"], exact_match=0.0)
    with pytest.raises(UserError, match=r"1 faulty of 6 records:\n.*line 5: no column `answers.exact_match`"):
        read_samples(path, "exact_match", filter="number")
    found = read_samples(path, "exact_match", filter="number", max_faulty=0.2)
    assert found.answers == ["5", "7"]
    assert found.left_out["the record is faulty"] == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="to be a file that can be read"):
        read_samples(tmp_path / "none.jsonl", "acc")
