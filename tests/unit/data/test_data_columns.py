"""Columns are found by the headers of well-known data sets, and refused where two could be meant."""

from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.data.columns import Columns, answer_kind, guess_columns, likely_delimiter

NESTED = ("choices.text", "choices.label")
# As the hub has them, or their authors.
KNOWN = {
    "MMLU": (
        ["question", "subject", "choices", "answer"],
        Columns("question", ("choices",), "answer", subject="subject"),
    ),
    "MMLU-Pro": (
        ["question_id", "question", "options", "answer", "answer_index", "cot_content", "category", "src"],
        None,  # `answer` and `answer_index`
    ),
    "ARC": (
        ["id", "question", *NESTED, "answerKey"],
        Columns("question", ("choices.text",), "answerKey", "choices.label"),
    ),
    "TriviaQA": (
        [
            *("question", "question_id", "question_source", "entity_pages.title", "search_results.title"),
            *("answer.aliases", "answer.normalized_aliases", "answer.matched_wiki_entity_name", "answer.type"),
            *("answer.normalized_value", "answer.value"),
        ],
        Columns("question", (), "answer.aliases"),
    ),
    "OpenBookQA": (
        ["id", "question_stem", *NESTED, "answerKey"],
        Columns("question_stem", ("choices.text",), "answerKey", "choices.label"),
    ),
    "CommonsenseQA": (
        ["id", "question", "question_concept", "choices.label", "choices.text", "answerKey"],
        Columns("question", ("choices.text",), "answerKey", "choices.label"),
    ),
    "GSM8K": (["question", "answer"], Columns("question", (), "answer")),
    "SQuAD": (
        ["id", "title", "context", "question", "answers.text", "answers.answer_start"],
        Columns("{context}\n\n{question}", (), "answers.text"),
    ),
    "HellaSwag": (
        ["ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "source_id", "split", "split_type", "label"],
        Columns("ctx", ("endings",), "label"),
    ),
    "SciQ": (
        ["question", "distractor3", "distractor1", "distractor2", "correct_answer", "support"],
        Columns(
            "question", ("distractor1", "distractor2", "distractor3", "correct_answer"), "correct_answer", shuffled=True
        ),
    ),
    "PIQA": (["goal", "sol1", "sol2", "label"], Columns("goal", ("sol1", "sol2"), "label")),
    "BoolQ": (["question", "passage", "answer"], Columns("{passage}\n\n{question}", (), "answer")),
    "Social IQa": (
        ["context", "question", "answerA", "answerB", "answerC", "label"],
        Columns("{context}\n\n{question}", ("answerA", "answerB", "answerC"), "label"),
    ),
    "a spreadsheet": (
        ["Question", "A", "B", "C", "D", "Correct"],
        Columns("Question", ("A", "B", "C", "D"), "Correct"),
    ),
    "a log": (
        ["prompt", "response", "is_correct"],
        Columns("prompt", (), None, given="response", verdict="is_correct"),
    ),
    "questions alone": (["question"], Columns("question")),
}


@pytest.mark.parametrize("name", [name for name, (_, found) in KNOWN.items() if found is not None])
def test_known_headers_are_understood(name: str) -> None:
    header, found = KNOWN[name]
    assert guess_columns(header) == found
    assert guess_columns(list(reversed(header))) == found


@pytest.mark.parametrize(
    ("header", "candidates", "flag"),
    [
        (KNOWN["MMLU-Pro"][0], "answer and answer_index", "--answer COLUMN"),
        (["question", "prompt", "answer"], "question and prompt", "--question COLUMN"),
        (["question", "choices", "option_a", "option_b", "answer"], "choices and option_a and option_b", "--options"),
        (["question", "A", "B", "choice1", "choice2", "answer"], "A and B and choice1 and choice2", "--options"),
        (["question", "context", "passage", "answer"], "context and passage", "--question '{CONTEXT}"),
        (["question", "response", "prediction"], "response and prediction", "--given COLUMN"),
        (["question", "response", "is_correct", "verdict"], "is_correct and verdict", "--verdict COLUMN"),
    ],
)
def test_what_could_be_two_things_is_refused(header: list[str], candidates: str, flag: str) -> None:
    with pytest.raises(UserError) as caught:
        guess_columns(header)
    assert f"but got {candidates}. Say which: " in str(caught.value)
    assert flag in str(caught.value)


def test_a_lone_label_may_be_two_things() -> None:
    """The right answer, or whether the model was right."""
    with pytest.raises(UserError, match=r"--answer label .* --verdict label"):
        guess_columns(["question", "label"])
    assert guess_columns(["question", "label"], {"verdict": "label"}) == Columns("question", verdict="label")
    assert guess_columns(["question", "label"], {"answer": "label"}) == Columns("question", answer="label")


def test_a_table_without_a_question_is_refused() -> None:
    with pytest.raises(UserError, match=r"none of Frage, Antwort\. Say which: --question COLUMN"):
        guess_columns(["Frage", "Antwort"])


def test_what_is_said_counts() -> None:
    said = {"question": "Frage", "answer": "Antwort", "options": "x,y"}
    assert guess_columns(["Frage", "Antwort", "x", "y"], said) == Columns("Frage", ("x", "y"), "Antwort")
    assert guess_columns(["q", "p"], {"question": "{p}: {q}"}).question == "{p}: {q}"
    with pytest.raises(UserError, match="Expected --answer to be one of question, text, but got `anwser`"):
        guess_columns(["question", "text"], {"question": "question", "answer": "anwser"})


def test_single_letters_are_options_from_a_on_alone() -> None:
    assert guess_columns(["question", "b", "c", "answer"]).options == ()
    assert guess_columns(["question", "1", "2", "answer"]).options == ()
    assert guess_columns(["question", "option_0", "option_1", "option_2", "answer"]).options == (
        "option_0",
        "option_1",
        "option_2",
    )


def test_a_row_of_letters_with_a_gap_is_refused() -> None:
    with pytest.raises(UserError, match="without a gap, but got A, B, C, E"):
        guess_columns(["question", "A", "B", "C", "E", "answer"])


def test_a_row_of_options_with_a_gap_is_refused() -> None:
    with pytest.raises(UserError, match="without a gap, but got option_a, option_b, option_d"):
        guess_columns(["question", "option_a", "option_b", "option_d", "answer"])


FOUR = {"choices": ["red", "green", "blue", "grey"]}
LISTED = Columns("question", ("choices",), "answer")


def rows(*answers: Any, **row: Any) -> list[dict[str, Any]]:
    return [{**FOUR, **row, "answer": answer} for answer in answers]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([0, 2, 3], "index"),
        (["0", "1"], "index"),
        ([1, 4], "one_based_index"),
        (["A", "d"], "letter"),
        (["red", "grey"], "text"),
        ([True, False], "index"),
    ],
)
def test_answers_say_themselves_how_they_are_written(answers: list[Any], kind: str) -> None:
    assert answer_kind(LISTED, rows(*answers)) == kind


@pytest.mark.parametrize(
    ("found", "got"),
    [
        (rows(1, 2, 3), "index or one_based_index"),
        (rows(0, 4), "none of these throughout"),
        (rows("purple"), "none of these throughout"),
        (rows("a", choices=["a", "b"]), "letter or text"),
        (rows("red", "b"), "none of these throughout"),
    ],
)
def test_answers_that_may_be_meant_in_two_ways_are_refused(found: list[dict[str, Any]], got: str) -> None:
    with pytest.raises(UserError) as caught:
        answer_kind(LISTED, found)
    assert f"but got {got}" in str(caught.value)
    assert "--answer-kind" in str(caught.value)


def test_options_in_columns_of_their_own_may_end_early() -> None:
    table = Columns("question", ("a", "b", "c"), "right")
    found: list[dict[str, Any]] = [
        {"a": "x", "b": "y", "c": None, "right": "2"},
        {"a": "x", "b": "y", "c": "z", "right": "3"},
    ]
    assert answer_kind(table, found) == "one_based_index"


def test_labels_name_options_and_open_answers_are_texts() -> None:
    assert answer_kind(Columns("q", ("choices.text",), "answerKey", "choices.label"), rows("A")) == "label"
    assert answer_kind(Columns("q", (), "answer"), rows("A")) == "text"
    assert answer_kind(Columns("q"), []) is None


@pytest.mark.parametrize(
    ("first", "sign"),
    [
        ("Question;A;B;Right", ";"),
        ("question,answer", ","),
        ("my question, or yours;answer", ";"),
        ("id\tquestion\tanswer", "\t"),
        ("Frage|Antwort", "|"),
        ("question", ","),
    ],
)
def test_the_delimiter_is_that_of_the_known_names(first: str, sign: str) -> None:
    assert likely_delimiter(f"{first}\n1,2;3\n") == sign


def test_people_are_shown_what_is_read_as_what() -> None:
    assert list(KNOWN["ARC"][1].lines("label")) == [  # type: ignore[union-attr]
        "question  question",
        "options   choices.text",
        "right     answerKey (one of choices.label)",
    ]
    assert list(KNOWN["a log"][1].lines(None)) == [  # type: ignore[union-attr]
        "question  prompt",
        "options   none: open-ended questions",
        "right     not said",
        "given     response",
        "verdict   is_correct",
    ]


def test_a_description_of_a_benchmark_says_the_same() -> None:
    spec = guess_columns(KNOWN["ARC"][0]).spec("mine", "questions.jsonl", "label")
    assert (spec.question, spec.options, spec.answer, spec.answer_kind) == (
        "question",
        ["choices.text"],
        "answerKey",
        "label",
    )
    assert (spec.labels, spec.format, spec.source, spec.loader) == ("choices.label", "mc", "file", "table")
    assert list(spec.cross_faults()) == []
