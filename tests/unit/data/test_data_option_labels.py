"""A right answer is the option that the data mean, however they name it; where that is open, they are refused."""

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, Loaded, load_questions
from ccps.data.class_labels import ClassLabel, with_names

ROW = {"question": "Which is red?", "A": "rose", "B": "grass", "answer": "B"}


def load(path: Path, **changes: Any) -> Loaded:
    spec = {
        "name": "t",
        "source": "file",
        "loader": "table",
        "question": "question",
        "options": ["A", "B"],
        "answer": "answer",
        "answer_kind": "letter",
        "location": str(path),
    }
    return load_questions(BenchmarkSpec(**spec | changes))


def lines(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("written", ["B", "b", " B ", "(B)", "B)", "B.", "B:", "B\u200b", "\ufeffB"])
def test_a_letter_may_stand_in_brackets(tmp_path: Path, written: str) -> None:
    [question] = load(lines(tmp_path, ROW | {"answer": written})).questions
    assert question.accepted == ("b",)


@pytest.mark.parametrize("written", ["AB", "A,B", "A or B", "B. grass", "Option B", "1", 1, "\u0412", ["B"], None])
def test_what_is_no_letter_is_refused(tmp_path: Path, written: Any) -> None:
    with pytest.raises(UserError, match=r"line 1: (the answer|`answer`)"):
        load(lines(tmp_path, ROW | {"answer": written}))


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("id", "B", "A"),
        ("key", "b", "a"),
        ("letter", "2", "1"),
        ("label", "C", "A"),
        ("index", 1, 0),
        ("option", "B", "A"),
    ],
)
def test_labels_out_of_order_are_seen_under_any_name(tmp_path: Path, key: str, first: Any, second: Any) -> None:
    row = {
        "question": "Which?",
        "answer": "B",
        "options": [{key: first, "content": "x"}, {key: second, "content": "y"}],
    }
    with pytest.raises(UserError, match=rf"not in order: set `answer_kind: label` and `labels: options\.{key}`"):
        load(lines(tmp_path, row), options=["options.content"])
    labelled = row | {"answer": first}
    [question] = load(
        lines(tmp_path, labelled), options=["options.content"], answer_kind="label", labels=f"options.{key}"
    ).questions
    assert question.accepted == ("a",)


def test_ids_of_something_else_are_no_labels(tmp_path: Path) -> None:
    options = [{"id": "q7-2", "content": "x"}, {"id": "q7-1", "content": "y"}]
    row = {"question": "Which?", "answer": "B", "options": options}
    assert load(lines(tmp_path, row), options=["options.content"]).questions[0].options == ("x", "y")


@pytest.mark.parametrize("form", ["{}. {}", "({}) {}", "{}) {}", "{}: {}"])
def test_letters_that_options_bring_must_be_in_order(tmp_path: Path, form: str) -> None:
    row = ROW | {"A": form.format("A", "rose"), "B": form.format("B", "grass")}
    assert load(lines(tmp_path, row)).questions[0].accepted == ("b",)
    with pytest.raises(UserError, match="letters of their own, b, a, and not in order"):
        load(lines(tmp_path, row | {"A": row["B"], "B": row["A"]}))


def test_two_initials_are_no_letters_of_options(tmp_path: Path) -> None:
    row = ROW | {"A": "J. Austen", "B": "A. Christie"}
    assert load(lines(tmp_path, row)).questions[0].options == ("J. Austen", "A. Christie")


def test_true_is_not_the_first_of_options_counted_from_one(tmp_path: Path) -> None:
    row = {"question": "Is it?", "answer": True}
    settings: dict[str, Any] = {"options": [], "option_texts": ["no", "yes"]}
    assert load(lines(tmp_path, row), **settings, answer_kind="index").questions[0].accepted == ("b",)
    for answer in (True, "true", "False"):
        with pytest.raises(UserError, match="false and true count from 0"):
            load(lines(tmp_path, row | {"answer": answer}), **settings, answer_kind="one_based_index")


def test_a_text_that_stands_at_two_letters_names_both(tmp_path: Path) -> None:
    path = lines(tmp_path, ROW | {"A": "grass", "answer": "grass"})
    loaded = load(path, answer_kind="text")
    assert loaded.questions[0].accepted == ("a", "b")
    assert loaded.noted.total() == 1
    assert load(path, answer_kind="text", twice_right="leave_out").questions == []


def classes(folder: Path, names: list[str], number: int, **columns: Any) -> tuple[Path, Path]:
    """One question whose answer is a class: as a saved data set, and as the Parquet file of it."""
    row = {"question": "Is it?", **columns, "answer": number}
    features = {name: datasets.Value("string") for name in row} | {"answer": datasets.ClassLabel(names=names)}
    data = datasets.Dataset.from_list([row], features=datasets.Features(features))
    data.save_to_disk(folder / "saved")
    pq.write_table(data.data.table, folder / "own.parquet")
    return folder / "saved", folder / "own.parquet"


YES_NO: dict[str, Any] = {"options": [], "option_texts": ["no", "yes"]}


@pytest.mark.parametrize(
    ("names", "number", "settings", "accepted"),
    [
        (["yes", "no"], 0, {"options": [], "format": "oe", "answer_kind": "text"}, ("yes",)),
        (["yes", "no"], 0, YES_NO | {"answer_kind": "text"}, ("b",)),
        (["no", "yes"], 1, YES_NO | {"answer_kind": "index"}, ("b",)),
        (["False", "True"], 1, YES_NO | {"answer_kind": "index"}, ("b",)),
        (["A", "B", "C"], 1, YES_NO | {"answer_kind": "index"}, ("b",)),
        (["A", "B", "C"], 1, YES_NO | {"answer_kind": "letter"}, ("b",)),
        (["1", "2"], 1, YES_NO | {"answer_kind": "index"}, ("b",)),
        (["yes", "no"], 0, YES_NO | {"answer_kind": "index"}, None),
        (["B", "A"], 0, YES_NO | {"answer_kind": "index"}, None),
        (["Yes", "No"], 1, YES_NO | {"answer_kind": "one_based_index"}, None),
    ],
)
def test_a_class_is_its_name_and_counts_only_in_the_order_of_the_options(
    tmp_path: Path, names: list[str], number: int, settings: dict[str, Any], accepted: tuple[str, ...] | None
) -> None:
    saved, table = classes(tmp_path, names, number)
    for path, source in ((saved, "datasets"), (table, "file")):
        if accepted is None:
            with pytest.raises(UserError, match="not in the order of the options: set `answer_kind` to text"):
                load(path, source=source, **settings)
        else:
            assert load(path, source=source, **settings).questions[0].accepted == accepted


def test_classes_inside_lists_and_records_have_names_too() -> None:
    feature = {"_type": "ClassLabel", "names": ["x", "y"]}
    first, second = with_names([1, None], {"feature": feature, "_type": "Sequence"})
    assert isinstance(first, ClassLabel)
    assert (first.name, first, second) == ("y", 1, None)
    assert with_names({"a": 0}, {"a": feature})["a"].name == "x"
    assert with_names([1], [feature])[0].name == "y"
    assert with_names(-1, feature) == -1
    assert not isinstance(with_names(-1, feature), ClassLabel)
    assert with_names(7, {"_type": "Value", "dtype": "int64"}) == 7


def test_what_another_program_has_noted_in_a_table_is_not_believed(tmp_path: Path) -> None:
    for noted in (b"{", b"[]", b'{"info": 7}', b'{"info": {"features": []}}', b'{"info": {"features": {"answer": 3}}}'):
        table = pa.Table.from_pylist([ROW]).replace_schema_metadata({b"huggingface": noted})
        pq.write_table(table, tmp_path / "own.parquet")
        assert load(tmp_path / "own.parquet").questions[0].accepted == ("b",)
