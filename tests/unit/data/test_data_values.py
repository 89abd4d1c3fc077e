"""What stands in a field is taken for what it is, or refused: in every field, by every loader."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.values import as_list, as_number, as_text, written_texts

NO_TEXT = [None, float("nan"), ["x"], [], {"text": "x"}, {}, b"x", ("x",), date(2020, 1, 1), np.array(["x"]), {"x"}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("x", "x"),
        (7, "7"),
        (7.5, "7.5"),
        (True, "True"),
        (Decimal("1.10"), "1.10"),
        (np.int64(7), "7"),
        (np.bool_(0), "False"),
    ],
)
def test_texts_numbers_and_truth_values_have_a_text(value: object, text: str) -> None:
    assert as_text(value, "`q`") == text


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
def test_anything_else_has_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"^`q` is .*, where a text is wanted"):
        as_text(value, "`q`")


@pytest.mark.parametrize("text", ["\ud83d", "x\udc00", "a \ud800 b"])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="half a surrogate pair"):
        as_text(text, "`q`")


def test_the_way_into_a_value_is_named() -> None:
    with pytest.raises(ValueError, match=r"such as `resps.0`$"):
        as_text(["x"], "`resps`")
    with pytest.raises(ValueError, match=r"such as `choices.0.label`$"):
        as_text([{"label": "A"}], "`choices`")
    with pytest.raises(ValueError, match=r"such as `question.stem`$"):
        as_text({"stem": "x"}, "`question`")


@pytest.mark.parametrize(
    ("value", "number"),
    [(2, 2), ("2", 2), ("+2", 2), (2.0, 2), ("2.00", 2), (True, 1), ("True", 1), ("false", 0)],
)
def test_whole_numbers(value: object, number: int) -> None:
    assert as_number(value, "the answer") == number


@pytest.mark.parametrize("value", ["", "x", "2.5", 2.5, None, [2], "1e3", "٣", "9" * 5000, float("inf")], ids=repr)
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match="where a whole number is wanted"):
        as_number(value, "the answer")


@given(st.lists(st.text(), min_size=1))
def test_a_list_that_a_table_has_written_out_is_that_list(texts: list[str]) -> None:
    for written in (json.dumps(texts), repr(texts)):
        assert as_list(written, "`options`") == texts
        assert written_texts(written, "`answer`") == texts


@pytest.mark.parametrize("text", ["[1, 2]", "[x", "[0, 1)", "see [1]", "[a, b]", "(1, 2)", "{1, 2}", "{}"])
def test_an_answer_that_only_looks_like_a_list_stays_a_text(text: str) -> None:
    assert written_texts(text, "`answer`") == text


def test_items_of_a_printed_array_would_run_together() -> None:
    with pytest.raises(ValueError, match="printed array"):
        as_list(str(np.array(["a", "b"])), "`options`")


ROW: dict[str, Any] = {"question": "Who?", "A": "x", "B": "y", "answer": "b", "said": "x", "label": 1, "topic": "t"}
FIELDS = ["question", "A", "answer", "said", "label", "topic"]


def load(path: Path, **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "name": "t",
        "source": "file",
        "loader": "table",
        "location": str(path),
        "question": "question",
        "options": ["A", "B"],
        "answer": "answer",
        "answer_kind": "letter",
        "given_answer": "said",
        "given_label": "label",
        "subject": "topic",
    }
    return load_questions(BenchmarkSpec(**(settings | changes))).questions


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [["x", "y"], {"text": "x"}, [["x"], ["y"]]], ids=repr)
def test_no_field_takes_a_list_or_a_mapping_for_a_text(tmp_path: Path, field: str, value: object) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {field: value}))
    with pytest.raises(UserError, match=r"t\.jsonl, line 1: .*(a list of 2|a mapping \(text\)), where a"):
        load(tmp_path / "t.jsonl")


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_takes_bytes_for_a_text(tmp_path: Path, field: str) -> None:
    pq.write_table(pa.Table.from_pylist([ROW | {field: b"b"}]), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet, row 0: .* is bytes, where a"):
        load(tmp_path / "t.parquet")


@pytest.mark.parametrize("field", ["question", "A", "said", "topic"])
def test_no_field_takes_half_a_character(tmp_path: Path, field: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {field: "x \ud83d"}))
    with pytest.raises(UserError, match=r"t\.jsonl, line 1: .*half a surrogate pair"):
        load(tmp_path / "t.jsonl")


def test_paths_lead_into_lists_and_lists_of_records(tmp_path: Path) -> None:
    row = ROW | {
        "turns": [{"content": "How many?"}],
        "choices": [{"id": 1, "say": "six"}, {"id": 2, "say": "ten"}],
        "said": [["ten", "six"]],
    }
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    [question] = load(
        tmp_path / "t.jsonl", question="turns.0.content", options=["choices.say"], given_answer="said.0.0"
    )
    assert (question.text, question.options, question.given_answer) == ("How many?", ("six", "ten"), "b")


def test_one_reply_of_one_turn_is_that_reply_and_several_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"said": [["x"]]}))
    assert load(tmp_path / "t.jsonl")[0].given_answer == "a"
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"said": [["x", "y"]]}))
    with pytest.raises(UserError, match="a list of 2, where a text is wanted"):
        load(tmp_path / "t.jsonl")


def labelled(path: Path, labels: str) -> None:
    listed = [{"label": label, "text": text} for label, text in zip(labels, ("six", "ten"), strict=True)]
    path.write_text(json.dumps(ROW | {"choices": listed, "answer": "B"}))


@pytest.mark.parametrize("labels", ["AB", "ab", "12"])
def test_labelled_options_are_their_texts(tmp_path: Path, labels: str) -> None:
    labelled(tmp_path / "t.jsonl", labels)
    [question] = load(tmp_path / "t.jsonl", options=["choices"])
    assert (question.options, question.accepted) == (("six", "ten"), ("b",))


def test_labels_out_of_order_must_be_named(tmp_path: Path) -> None:
    labelled(tmp_path / "t.jsonl", "BA")
    with pytest.raises(UserError, match=r"labelled b, a, not in order: set `answer_kind: label` and `labels"):
        load(tmp_path / "t.jsonl", options=["choices"])
    [question] = load(tmp_path / "t.jsonl", options=["choices"], answer_kind="label", labels="choices.label")
    assert (question.options, question.accepted) == (("six", "ten"), ("a",))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "['a', 1]",
        "('a', 'b')",
        "{'a', 'b'}",
        "{'value': 'a'}",
        '{"value": "a"}',
        "b'a'",
        "array([1, 2])",
        "[['a'], ['b']]",
        "['a', nan]",
        "['a' 'b' ... 'z']",
        "[array(['a'], dtype=object)]",
    ],
)
def test_what_is_printed_and_no_text_is_refused(tmp_path: Path, text: str) -> None:
    for field in ("question", "said", "topic"):
        (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {field: text}))
        with pytest.raises(UserError, match="written as text"):
            load(tmp_path / "t.jsonl")
    with pytest.raises(ValueError, match="written as text"):
        written_texts(text, "`answer`")


def test_what_is_printed_inside_a_template_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"context": "['a', 'b']", "turns": "[{'role': 'user'}]"}))
    with pytest.raises(UserError, match="`context` is a list of 2 written as text"):
        load(tmp_path / "t.jsonl", question="{context} {question}")
    with pytest.raises(UserError, match="`turns` is a list of 1 written as text"):
        load(tmp_path / "t.jsonl", asked="turns")


def test_what_is_printed_is_kept_where_the_settings_say_so_and_a_pattern_takes_texts_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"question": "['a']", "A": "['x']", "B": "['y']"}))
    [question] = load(tmp_path / "t.jsonl", printed="keep")
    assert (question.text, question.options) == ("['a']", ("['x']", "['y']"))
    [question] = load(tmp_path / "t.jsonl", question_pattern="'(.*)'", option_texts=["x", "y"], options=[])
    assert question.text == "a"


@pytest.mark.parametrize("options", [("{'text': 'x'}", "{'text': 'y'}"), ("b'x'", "b'y'"), ("['x']", "['y']")])
def test_options_that_all_print_what_is_no_text_are_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | dict(zip("AB", options, strict=True))))
    with pytest.raises(UserError, match=r"`A` is .* written as text"):
        load(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"A": options[0]}))
    assert load(tmp_path / "t.jsonl")[0].options[0] == options[0]


@pytest.mark.parametrize("field", ["question", "A"])
@pytest.mark.parametrize("nothing", [" \n", "\u200b", "\ufeff", "\u2060 \u200d"], ids=ascii)
def test_what_shows_nothing_is_empty(tmp_path: Path, field: str, nothing: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {field: nothing}))
    with pytest.raises(UserError, match="is empty"):
        load(tmp_path / "t.jsonl")


@pytest.mark.parametrize(
    "twin", ["caf\u00e9 au lait", "cafe\u0301 au lait", "caf\u00e9\u200b au\u00a0lait "], ids=ascii
)
def test_options_that_nobody_can_tell_apart_are_one(tmp_path: Path, twin: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"A": "caf\u00e9 au lait", "B": twin}))
    assert load(tmp_path / "t.jsonl")[0].accepted == ("a", "b")


def test_narrow_floats_are_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    narrow = pa.array([0.1], pa.float32())
    listed = pa.array([[0.7, 0.25]], pa.list_(pa.float32()))
    columns = {**{name: [value] for name, value in ROW.items()}, "A": narrow, "list": listed}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet")[0].options == ("0.1", "y")
    assert load(tmp_path / "t.parquet", options=["list"])[0].options == ("0.7", "0.25")
    assert as_text(np.float32(0.1), "`x`") == "0.1"


def test_a_path_leads_into_a_list_that_is_written_out_and_through_what_is_missing(tmp_path: Path) -> None:
    rows = [ROW | {"said": "[['x', 'y']]"}, ROW | {"question": "Another?", "said": None}]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert [one.given_answer for one in load(tmp_path / "t.jsonl", given_answer="said.0.1")] == ["b", None]


@pytest.mark.parametrize(
    ("value", "text"), [(Decimal("1.50"), "1.50"), (Decimal("0E-8"), "0.00000000"), (Decimal("1E+3"), "1000")]
)
def test_a_decimal_is_written_in_digits(value: Decimal, text: str) -> None:
    assert as_text(value, "`x`") == text


@pytest.mark.parametrize("value", [float("inf"), Decimal("Infinity"), Decimal("NaN")])
def test_what_is_no_finite_number_has_no_text(value: object) -> None:
    with pytest.raises(ValueError, match="number"):
        as_text(value, "`x`")


def test_labels_beside_a_path_are_looked_at_too(tmp_path: Path) -> None:
    labelled(tmp_path / "t.jsonl", "BA")
    with pytest.raises(UserError, match="labelled b, a, not in order"):
        load(tmp_path / "t.jsonl", options=["choices.text"])


def test_options_that_are_mappings_of_other_names_are_refused_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"choices": [{"key": "A", "value": "six"}]}))
    with pytest.raises(UserError, match=r"lists mappings \(key, value\).*`choices.value`"):
        load(tmp_path / "t.jsonl", options=["choices"])


OPEN_ENDED: dict[str, Any] = {"options": [], "answer_kind": "text", "format": "oe"}


def written(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "t.jsonl"
    path.write_text(json.dumps(row))
    return path


BUILT = [
    "dict_values(['x'])", "frozenset({'x'})", "set()", "deque(['x'])", "np.str_('x')", "Index(['x'], dtype='object')",
    "tensor([1, 2])", "array(['x'], dtype=object)", "ListConfig(['x'])", "OrderedDict([('a', 'x')])",
    "datetime.date(2020, 1, 2)", "Timestamp('2020-01-02 00:00:00')", "Decimal('1.5')", "PosixPath('/x')",
    "<__main__.Answer object at 0x7f2a>", "<NA>", "NaT", "#N/A", "#REF!", "#DIV/0!", "#NAME?",
]  # fmt: skip


@pytest.mark.parametrize("text", BUILT)
def test_objects_and_failed_cells_written_as_text_are_refused(tmp_path: Path, text: str) -> None:
    for field in ("question", "answer", "said"):
        path = written(tmp_path, ROW | {field: text})
        with pytest.raises(UserError, match=r"written as text \("):
            load(path, **OPEN_ENDED)
        assert load(path, **OPEN_ENDED, printed="keep")


@pytest.mark.parametrize("text", ["f(x)", "set(A) ∪ set(B)", "print('x')", "#hashtag", "<b>", "Index", "P(A)", "C#"])
def test_formulas_and_programs_are_texts(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, ROW | {"question": text, "answer": text}), **OPEN_ENDED)[0].accepted == (text,)


@pytest.mark.parametrize("text", ["None", "nan", "NaN", "null", "NULL", " NA ", "N/A"])
def test_nothing_written_as_text_is_no_question_but_may_be_an_answer(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="as programs write nothing"):
        load(written(tmp_path, ROW | {"question": text}), **OPEN_ENDED)
    assert load(written(tmp_path, ROW | {"answer": text}), **OPEN_ENDED)[0].accepted == (text,)


@pytest.mark.parametrize(
    ("options", "said", "answer"),
    [
        ("Elbe|Rhine", "Rhine", "b"),
        ("Elbe|Rhine", " Rhine ", "b"),
        ("Elbe|Rhine", "B. Rhine", "b"),
        ("Elbe|Rhine", "(b) Rhine", "b"),
        ("Elbe|Rhine", "b", "b"),
        ("Elbe|Rhine", "(B)", "(B)"),
        ("Elbe|Rhine", "rhine", "b"),
        ("x|X|y", "X", "b"),
        ("Elbe|Rhine", "A. Rhine", "A. Rhine"),
        ("Elbe|Rhine", "the Rhine", "the Rhine"),
        ("Elbe|Rhine", "d", "d"),
        ("A|B", "B", "B"),
        ("B|A", "(a)", "(a)"),
        ("7|8", "8", "b"),
    ],
)
def test_a_given_answer_in_the_words_of_an_option_is_its_letter(
    tmp_path: Path, options: str, said: str, answer: str
) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"list": options.split("|"), "said": said, "answer": "a"}))
    assert load(tmp_path / "t.jsonl", options=["list"])[0].given_answer == answer
    # What a prompt of the data's own asked for may have been a text.
    assert load(tmp_path / "t.jsonl", options=["list"], asked="Q: {question}")[0].given_answer == said


@pytest.mark.parametrize(
    ("options", "said", "why"),
    [
        (["B", "A"], "A", r"letter of one option and the text of another: write \(b\) or \(a\)"),
        (["Ab", "aB", "y"], "ab", r"but for case is the text of several options: write \(a\) or \(b\)"),
    ],
)
def test_a_given_answer_that_may_be_two_options_is_refused(
    tmp_path: Path, options: list[str], said: str, why: str
) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | {"list": options, "said": said, "answer": "a"}))
    with pytest.raises(UserError, match=why):
        load(tmp_path / "t.jsonl", options=["list"])
