"""The same table, however it is written down, gives the same questions; what cannot be told apart is refused."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, Loaded, load_questions
from ccps.data.tables import decode, read_csv
from ccps.settings.benchmark import DELIMITERS

SETTINGS: dict[str, Any] = {
    "name": "t",
    "source": "file",
    "loader": "table",
    "question": "question",
    "options": ["A", "B", "C"],
    "answer": "answer",
    "answer_kind": "letter",
}
HEAD = ("question", "A", "B", "C", "answer")
ROWS = [("Was heißt Käse?", "None", "NA", "007", "C"), ("Wie, bitte?", "1.0", "null", "True", "A")]


def load(path: Path, **changes: Any) -> Loaded:
    return load_questions(BenchmarkSpec(**(SETTINGS | {"location": str(path)} | changes)))


def as_csv(sign: str, rows: list[tuple[str, ...]]) -> str:
    return "".join(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize("sign", DELIMITERS.values())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_one_table_in_every_dress(tmp_path: Path, sign: str, encoding: str, line_end: str) -> None:
    path = tmp_path / ("t.tsv" if sign == "\t" else "t.csv")
    path.write_bytes(as_csv(sign, [HEAD, *ROWS]).replace("\n", line_end).encode(encoding))
    questions = load(path).questions
    assert [(one.text, one.options, one.accepted) for one in questions] == [
        ("Was heißt Käse?", ("None", "NA", "007"), ("c",)),
        ("Wie, bitte?", ("1.0", "null", "True"), ("a",)),
    ]


def test_all_loaders_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, *ROWS]))
    records = [dict(zip(HEAD, row, strict=True)) for row in ROWS]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "t.parquet")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "test.csv").write_text(as_csv(",", [HEAD, *ROWS]))
    expected = load(tmp_path / "t.csv").questions
    assert load(tmp_path / "t.parquet").questions == expected
    assert load(tmp_path / "hub", source="datasets", loader="arrow", data_files="test.csv").questions == expected


def test_an_encoding_that_is_named_is_kept_to(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(as_csv(",", [HEAD, ("何?", "一", "二", "三", "B")]).encode("shift_jis"))
    assert load(tmp_path / "t.csv", encoding="shift_jis").questions[0].text == "何?"
    with pytest.raises(UserError, match=r"to be text in utf-8, but got other bytes .* Set `encoding`"):
        load(tmp_path / "t.csv", encoding="utf-8")
    with pytest.raises(UserError, match="encoding` to be auto or a codec"):
        load(tmp_path / "t.csv", encoding="nonsense")


def test_windows_1252_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode("Käse".encode("cp1252"), "auto", "t.csv") == "Käse"
    assert "read as Windows-1252 · it is no UTF-8 at byte 1" in capsys.readouterr().out


def test_a_delimiter_that_is_named_is_kept_to(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv("~", [HEAD, *ROWS]))
    assert len(load(tmp_path / "t.csv", delimiter="~").questions) == 2
    with pytest.raises(UserError, match="line 3 has more cells than the header"):
        load(tmp_path / "t.csv", delimiter="comma")
    with pytest.raises(UserError, match="delimiter` to be auto, comma"):
        load(tmp_path / "t.csv", delimiter="both")


def test_without_a_header_columns_are_called_by_place(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("How many moons has Mars?,1,2,3,B\nHow many moons has Venus?,0,1,2,A\n")
    by_place = {"question": "0", "options": ["1", "2", "3"], "answer": "4"}
    questions = load(tmp_path / "t.csv", **by_place).questions
    assert [one.accepted for one in questions] == [("b",), ("a",)]
    assert load(tmp_path / "t.csv", header=False, **by_place).questions == questions
    with pytest.raises(UserError, match="no record has `0`, `4`"):
        load(tmp_path / "t.csv", header=True, **by_place)


def test_a_header_of_numbers_is_one_where_it_holds_all_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0,1,2,3\nWho?,x,y,B\n")
    [question] = load(tmp_path / "t.csv", question="0", options=["1", "2"], answer="3").questions
    assert question.text == "Who?"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", "question,A,A,B,C,answer\nWho?,1,9,2,3,B\n"),
        ("t.jsonl", '{"question": "Who?", "A": "1", "A": "9", "B": "2", "C": "3", "answer": "B"}'),
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str, data: str) -> None:
    (tmp_path / name).write_text(data)
    with pytest.raises(UserError, match=r"two (columns|values) called `A`"):
        load(tmp_path / name)


def test_two_columns_of_one_name_are_refused_in_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table([["Who?"], ["1"], ["9"]], names=["question", "A", "A"]), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="two columns called `A`"):
        load(tmp_path / "t.parquet")


def test_two_columns_that_nobody_asks_for_may_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("question,A,B,C,answer,note,note\nWho?,1,2,3,B,x,y\n")
    assert len(load(tmp_path / "t.csv").questions) == 1


def test_cells_may_be_long(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, ("x" * 300_000, "1", "2", "3", "B")]))
    assert len(load(tmp_path / "t.csv").questions[0].text) == 300_000


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1))
def test_what_a_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["a", "b", "c"], *rows])
    found = [tuple(row.values()) for _, row in read_csv(file.getvalue(), ["a", "b", "c"], "auto", None)]
    assert found == [tuple(row) for row in rows]


@pytest.mark.parametrize("line", ['{"a": ' * 100_000, '{"question": ' + "9" * 5000 + "}", "{", "nul"])
def test_lines_that_no_reader_takes_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=r"line 1 of .*t\.jsonl to be JSON"):
        load(tmp_path / "t.jsonl")


@given(st.data())
def test_a_damaged_table_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    pq.write_table(pa.Table.from_pylist([dict(zip(HEAD, row, strict=True)) for row in ROWS]), folder / "t.parquet")
    content = bytearray((folder / "t.parquet").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "t.parquet").write_bytes(content)
    try:
        n = len(load(folder / "t.parquet").questions)
    except UserError:
        n = 0
    assert n <= 2


def test_a_question_that_stands_twice_is_asked_once_and_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, *ROWS, ROWS[0], ROWS[0]]))
    loaded = load(tmp_path / "t.csv")
    assert [one.id for one in loaded.questions] == ["t/0", "t/1"]
    assert loaded.left_out == {"the same question stands before it; `repeated: keep` asks it again (t/2, t/3)": 2}
    kept = load(tmp_path / "t.csv", repeated="keep")
    assert (len(kept.questions), kept.left_out) == (4, {})
    assert kept.noted == {"stand in the data before (t/2, t/3)": 2}


def test_a_question_that_stands_twice_with_another_right_answer_is_named_apart(tmp_path: Path) -> None:
    other = (*ROWS[0][:4], "A")
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, *ROWS, other, ROWS[0]]))
    loaded = load(tmp_path / "t.csv")
    assert [one.accepted for one in loaded.questions] == [("c",), ("a",)]
    assert loaded.left_out == {
        "the same question stands before it; `repeated: keep` asks it again (t/3)": 1,
        "the same question stands before it, with another right answer: correct the data (t/2)": 1,
    }


@pytest.mark.parametrize("sign", [";", ",", "\t", "|", "^"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_excel_says_the_delimiter_in_a_line_of_its_own(tmp_path: Path, sign: str, line_end: str) -> None:
    content = f"sep={sign}\n" + as_csv(sign, [HEAD, ROWS[0]])
    (tmp_path / "t.csv").write_bytes(content.replace("\n", line_end).encode())
    assert load(tmp_path / "t.csv").questions[0].options == ROWS[0][1:4]


def test_questions_of_the_same_words_and_other_options_are_different(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, ROWS[0], (*ROWS[0][:3], "8", "C")]))
    assert len(load(tmp_path / "t.csv").questions) == 2


@pytest.mark.parametrize(
    ("setting", "accepted", "noted"),
    [("either", ("a", "b"), "either"), ("keyed", ("b",), "only the one that the data name")],
)
def test_a_right_option_at_two_letters_is_said(
    tmp_path: Path, setting: str, accepted: tuple[str, ...], noted: str
) -> None:
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, ("Mars?", "2", " 2", "3", "B"), ("Venus?", "2", "2", "3", "C")]))
    loaded = load(tmp_path / "t.csv", twice_right=setting)
    assert [one.accepted for one in loaded.questions] == [accepted, ("c",)]
    assert loaded.noted == {f"have the right option at two letters, of which {noted} is accepted (t/0)": 1}


def test_a_right_option_at_two_letters_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv(",", [HEAD, ("Mars?", "2", "2", "3", "B"), ROWS[0]]))
    loaded = load(tmp_path / "t.csv", twice_right="leave_out")
    assert [one.id for one in loaded.questions] == ["t/1"]
    assert loaded.left_out == {"the right option stands at two letters (t/0)": 1}


HEADER = "question,a,b,answer\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((HEADER + "日本の首都はどこですか?,x,y,a\n").encode("shift_jis"), "Set `encoding`"),
        ((HEADER + "Кто это?,x,y,a\n").encode("koi8-r"), "Set `encoding`"),
        ((HEADER + "他是谁?,x,y,a\n").encode("gb18030"), "Set `encoding`"),
        ((HEADER + "Who?,x,y,a\n").encode("utf-16-le"), "as text in UTF-16 has it"),
        ((HEADER + "Who?,x,y,a\n").encode("utf-16-be"), "as text in UTF-16 has it"),
        ((HEADER + "W\0o?,x,y,a\n").encode(), "NUL at character"),
        ((HEADER + "Très?,x,y,a\n").encode("utf-16-le"), "as text in UTF-16 has it"),
        ((HEADER + "Très?,x,y,a\n").encode("utf-16-be"), "as text in UTF-16 has it"),
        ((HEADER + "Was heißt grün?,x,y,a\n").encode("mac_roman"), "Set `encoding`"),
        ((HEADER + "Was heißt grün?,x,y,a\n").encode("cp850"), "Set `encoding`"),
        ((HEADER + "Was kosten 5 €?,x,y,a\n").encode("iso8859-15"), "Set `encoding`"),
        ((HEADER + "誰?,私,君,a\n").encode("shift_jis"), "Set `encoding`"),
        (HEADER.encode() + b"Who\xff?,x,y,a\n", "Set `encoding`"),
    ],
)
def test_other_encodings_must_be_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(UserError, match=message):
        load(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("b,", "b,b,") + "Who?,x,y,z,a\n", "two columns called `b`"),
        (HEADER + "Who?,x,y,a,more\n", "loss of data"),
        (HEADER + "Who?,x,y,a\nWhat?,x,y,a,more\n", "Expected 4 fields in line 3, saw 5"),
    ],
)
def test_pandas_loses_nothing_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(UserError, match=message):
        load(tmp_path / "data", source="datasets", split="train")


def test_pandas_takes_cells_for_the_texts_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv.gz").write_bytes(gzip.compress(b"question,A,B,C,answer\n007,None,1.50,NA,A\n"))
    [question] = load(tmp_path / "data", source="datasets", split="train").questions
    assert (question.text, question.options) == ("007", ("None", "1.50", "NA"))


def test_questions_that_differ_in_case_or_white_space_are_repeats(tmp_path: Path) -> None:
    rows = "Who  is it?,x,y,a\nwho is it?,x,y,a\nWho is it?,X,y,a\nWho is it?,x,y,b\n"
    (tmp_path / "t.csv").write_text(HEADER + rows)
    loaded = load(tmp_path / "t.csv", options=["a", "b"])
    assert [one.accepted for one in loaded.questions] == [("a",), ("b",)]
    assert loaded.left_out.total() == 2
