"""Records of any kind become questions, are left out, or are faulty."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError
from ccps.data.benchmarks import BenchmarkSpec, load_questions, read_questions


def spec_for(path: Path | str, **settings: Any) -> BenchmarkSpec:
    columns = {"question": "q", "options": ["A", "B", "C"], "answer": "answer", "answer_kind": "letter"}
    base = {"name": "quiz", "source": "file", "location": str(path), "loader": "table", **columns}
    return BenchmarkSpec(**base | settings)


def test_csv_keeps_text_as_it_is_and_trailing_empty_cells_are_fewer_options(tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    path.write_text('q,A,B,C,answer,topic\n"Which, if any?",None,NA,007,c,zoo\nTwo?,x,y,,B,zoo\nWho?,x,y,z,a,\n')
    questions = load_questions(spec_for(path, subject="topic")).questions
    assert [question.options for question in questions] == [
        ("None", "NA", "007"),
        ("x", "y"),
        ("x", "y", "z"),
    ]
    assert [question.id for question in questions] == ["quiz/zoo/0", "quiz/zoo/1", "quiz/0"]
    assert [question.subject for question in questions] == ["zoo", "zoo", "quiz"]
    assert [question.accepted for question in questions] == [("c",), ("b",), ("a",)]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_folder_with_a_subject_per_file(tmp_path: Path, ending: str) -> None:
    for subject in ("tea", "air"):
        rows = [{"q": f"{subject}?", "all": {"of": ["x", "y"]}, "answer": 2}]
        path = tmp_path / "deep" / f"{subject}.{ending}"
        path.parent.mkdir(exist_ok=True)
        if ending == "jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
    settings = {"options": ["all.of"], "answer_kind": "one_based_index", "member": f"**/{{subject}}.{ending}"}
    questions = load_questions(spec_for(tmp_path, source="folder", **settings)).questions
    assert [(question.id, question.accepted) for question in questions] == [
        ("quiz/air/0", ("b",)),
        ("quiz/tea/0", ("b",)),
    ]


def test_json_lines_may_hold_unicode_line_separators(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps({"q": "one\u2028two", "A": "x", "B": "y", "C": "z", "answer": "A"}, ensure_ascii=False))
    assert load_questions(spec_for(path)).questions[0].text == "one\u2028two"


def test_open_ended_questions_take_every_accepted_text_or_the_right_option(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text('{"q": "Who?", "A": "he", "B": "she", "C": "we", "answer": "B", "names": ["Ada", "Ada L."]}')
    open_ended = load_questions(
        spec_for(path, options=[], answer="names", answer_kind="text", format="oe"),
    ).questions
    assert (open_ended[0].options, open_ended[0].accepted) == ((), ("Ada", "Ada L."))
    stripped = load_questions(spec_for(path, format="oe")).questions
    assert (stripped[0].options, stripped[0].accepted) == ((), ("she",))


GOOD = {
    "q": "Who?", "A": "x", "B": "y", "C": "z", "answer": "b", "list": ["x", "y"], "names": ["1", "2"],
    "label": 1, "text": "a) x b) y",
}  # fmt: skip
NAN = float("nan")
LABELLED = {"answer_kind": "label", "labels": "names", "options": ["list"]}
OPEN = {"options": [], "answer": "names", "answer_kind": "text", "format": "oe"}


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"q": " "}, {}, "the question is empty"),
        ({"q": None}, {}, "the question is empty"),
        ({"list": []}, {"options": ["list"]}, "no options"),
        ({"list": ["x"]}, {"options": ["list"]}, "only one option"),
        ({"list": "x"}, {"options": ["list"]}, "`list` is the text 'x', where a list is wanted"),
        ({"list": list("abcdefghijklmnopqrstuvwxyz!")}, {"options": ["list"]}, "27 options, more than"),
        ({"B": ""}, {}, "option b is empty"),
        ({"answer": "d"}, {}, r"the answer 'd' \(letter\) is none of the 3 options"),
        ({"answer": None}, {}, "the answer None"),
        ({"answer": 3}, {"answer_kind": "index"}, "the answer 3"),
        ({"answer": -1}, {"answer_kind": "index"}, "the answer -1"),
        ({"answer": 0}, {"answer_kind": "one_based_index"}, "the answer 0"),
        ({"answer": 1.5}, {"answer_kind": "index"}, "`answer` is '1.5', where a whole number is wanted"),
        ({"answer": "w"}, {"answer_kind": "text"}, "the answer 'w'"),
        ({"names": ["1", "1"], "answer": "1"}, LABELLED, "more than one of the options"),
        ({"answer": "3"}, {"answer_kind": "label", "labels": "names", "options": ["list"]}, "the answer '3'"),
        ({}, {"question_pattern": "^Q: (.*)"}, "does not match `question_pattern`: 'Who"),
        ({"names": []}, OPEN, "the list of accepted answers is empty"),
        ({"names": ["1", " "]}, OPEN, "accepted answer 2 of 2 is empty"),
        ({"names": None}, OPEN, "accepted answer 1 of 1 is empty"),
        ({"q": NAN}, {}, "the question is empty"),
        ({"q": NAN}, {"question": "{q}"}, "the question is empty"),
        ({"B": NAN}, {}, "option b is empty"),
        ({"list": ["x", NAN]}, {"options": ["list"]}, "option b is empty"),
        ({"answer": NAN}, {}, "the answer None"),
        ({"answer": NAN}, {"answer_kind": "index"}, "`answer` is missing, where a whole number is wanted"),
        ({"answer": NAN, "A": "None"}, {"answer_kind": "text"}, "the answer None"),
        ({"answer": None, "A": "None"}, {"answer_kind": "text"}, "the answer None"),
        ({"answer": NAN, "names": ["1", NAN]}, LABELLED, "the answer None"),
        ({"answer": "None", "names": ["1", NAN]}, LABELLED, "the answer 'None'"),
        ({"names": NAN}, OPEN, "accepted answer 1 of 1 is empty"),
        ({"names": ["1", NAN]}, OPEN, "accepted answer 2 of 2 is empty"),
        ({"label": 2}, {"given_answer": "A", "given_label": "label"}, "the label 2 of the given answer"),
        ({"text": "a) x"}, {"options": ["text"], "option_pattern": r"[a-z]\) (\w)"}, "only one option"),
        ({"text": "none"}, {"options": ["{text}"], "option_pattern": r"[a-z]\) (\w)"}, "no options"),
    ],
)
def test_a_faulty_record_is_told_with_its_place(
    tmp_path: Path, change: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change) + "\n")
    with pytest.raises(UserError, match=rf"quiz\.jsonl, line 2: .*{reason}"):
        load_questions(spec_for(path, **settings))


def test_all_faults_come_in_one_message_and_do_not_rename_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"answer": answer}) + "\n" for answer in "azzzbzzzzc"))
    with pytest.raises(UserError, match=r"7 faulty of 10 records") as caught:
        load_questions(spec_for(path))
    assert str(caught.value).count(" is none of the 3 options") == 5
    assert "and 2 more" in str(caught.value)
    questions, faults, _ = read_questions(spec_for(path))
    assert [question.id for question in questions] == ["quiz/0", "quiz/4", "quiz/9"]
    assert [fault.record for fault in faults] == [f"line {n}" for n in (2, 3, 4, 6, 7, 8, 9)]


def test_a_column_that_one_record_lacks_is_the_fault_of_that_record(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps({key: GOOD[key] for key in "qAB"} | {"C": "z"}) + "\n" + json.dumps(GOOD) + "\n")
    with pytest.raises(UserError, match=r"line 1: no column `answer` \(there are: q, A, B, C\)"):
        load_questions(spec_for(path))


def test_columns_that_no_record_has_are_told_once_and_together(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text((json.dumps({"q": "Who?", "nested": {"A": "x"}}) + "\n") * 3)
    settings = {"question": "{q} {story}", "options": ["nested.A", "nested.B"], "subject": "topic", "asked": "{q}{end}"}
    with pytest.raises(UserError) as caught:
        load_questions(spec_for(path, **settings, given_answer="said", given_label="right"))
    assert str(caught.value) == (
        "Expected the data of benchmark `quiz` to have the columns its configuration names, but no record has "
        "`story`, `topic`, `end`, `answer`, `said`, `right`, `nested.B`. There are: `q`, `nested.A`. "
        "Correct the columns in its configuration."
    )


def test_records_are_left_out_by_pattern_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    rows = [
        ("Who is it?", ["Ada", "the poet"]),
        ("It is", ["Ada"]),
        ("Who\nwas it?", ["a long answer"]),
        ("No?", ["-1"]),
    ]
    path.write_text("".join(json.dumps({"q": text, "names": names}) + "\n" for text, names in rows))
    patterns = {"keep_pattern": r"^Who.*\?$", "keep_answer_pattern": r"^\w+$"}
    questions, left_out, _ = load_questions(spec_for(path, **OPEN, **patterns))
    assert [(question.id, question.accepted) for question in questions] == [("quiz/0", ("Ada", "the poet"))]
    assert left_out == {
        "the question does not match `keep_pattern`": 2,
        "no accepted answer matches `keep_answer_pattern`": 1,
    }


def test_halves_share_no_question_and_hold_all_whatever_their_order(tmp_path: Path) -> None:
    rows = [f"Why {number}?,x,y,z,a\n" for number in range(400)]
    path = tmp_path / "quiz.csv"
    path.write_text("q,A,B,C,answer\n" + "".join(rows))
    first, second = (load_questions(spec_for(path, half=half)) for half in ("first", "second"))
    assert len(first.questions) + len(second.questions) == 400
    assert not {one.id for one in first.questions} & {one.id for one in second.questions}
    assert abs(len(first.questions) - 200) < 40  # four standard deviations of 400 throws of a coin
    assert first.left_out == {"in the other half, `half`": len(second.questions)}
    path.write_text("q,A,B,C,answer\n" + "".join(row.replace("Why", "WHY") for row in rows[::-1]))
    again = load_questions(spec_for(path, half="first")).questions
    assert {one.text.lower() for one in again} == {one.text.lower() for one in first.questions}


def test_a_record_without_a_right_answer_is_left_out_and_the_rest_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"answer": answer}) + "\n" for answer in (" ", None, "b")))
    questions, left_out, _ = load_questions(spec_for(path, unanswered=""))
    assert [question.id for question in questions] == ["quiz/2"]
    assert left_out == {"no right answer is known": 2}


def test_a_share_of_faulty_records_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"q": f"{answer}?", "answer": answer}) + "\n" for answer in "abcz"))
    questions, left_out, _ = load_questions(spec_for(path, max_faulty=0.25))
    assert (len(questions), left_out) == (3, {"the record is faulty": 1})
    with pytest.raises(UserError, match="1 faulty of 4 records"):
        load_questions(spec_for(path, max_faulty=0.24))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_nan_is_a_missing_value(tmp_path: Path, ending: str) -> None:
    rows = [
        {"q": "Who?", "A": "x", "B": "y", "C": NAN, "answer": "b", "topic": NAN, "shots": NAN, "said": NAN},
        {"q": "Why?", "A": "nan", "B": "y", "C": NAN, "answer": "a", "topic": NAN, "shots": NAN, "said": NAN},
    ]
    path = tmp_path / f"quiz.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    settings = {"subject": "topic", "asked": "{shots}{q}", "given_answer": "said"}
    who, why = load_questions(spec_for(path, **settings)).questions
    assert (who.id, who.subject, who.asked) == ("quiz/0", "quiz", "Who?")
    assert (who.options, who.given_answer) == (("x", "y"), None)
    assert why.options == ("nan", "y")  # as a text it is one


def test_nan_is_what_marks_a_missing_answer(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"answer": NAN}) + "\n")
    assert load_questions(spec_for(path, unanswered="")).left_out == {"no right answer is known": 1}


def test_options_are_found_in_a_text(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(GOOD))
    settings = {"options": ["{text} c) {C}"], "option_pattern": r"[a-z]\) (\w)"}
    assert load_questions(spec_for(path, **settings)).questions[0].options == ("x", "y", "z")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *((label, True) for label in (1, "1", 1.0, True, "True")),
        *((label, False) for label in (0, "0", False, "false")),
        *((label, None) for label in (-1, None, "", NAN)),
    ],
)
def test_data_may_hold_the_turn_the_answer_and_its_label(tmp_path: Path, label: Any, expected: Any) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(GOOD | {"label": label, "said": "", "shots": None}))
    columns = {"asked": "{shots}Q: {q}\nA:", "given_answer": "said", "given_label": "label"}
    question = load_questions(spec_for(path, **columns)).questions[0]
    assert (question.asked, question.given_answer, question.given_label) == ("Q: Who?\nA:", "", expected)


@pytest.mark.parametrize(
    ("name", "data", "settings", "message"),
    [
        ("quiz.jsonl", b'{"q": 1}\n{"q"', {}, r"line 2 of .*quiz\.jsonl to be JSON"),
        ("quiz.jsonl", b"[1]", {}, "JSON object"),
        ("quiz.jsonl", b"\xff\xfa", {}, "to be text in utf-8, but got other bytes"),
        ("quiz.csv", b"q,A\nx,y,z\n", {}, "line 2 has more cells than the header"),
        ("quiz.parquet", b"nothing", {}, "readable by the loader `table`"),
        ("quiz.txt", b"", {}, r"to end in \.csv, \.tsv, \.jsonl, \.json or \.parquet, but got '\.txt'"),
        ("quiz.arrow", b"nothing", {"loader": "arrow"}, "readable by the loader `arrow`"),
        ("quiz.jsonl.gz", b"nothing", {"loader": "requests"}, "readable by the loader `requests`"),
        ("r.gz", gzip.compress(b'{"doc": {}}', mtime=0), {"loader": "requests"}, "line 1 without 'doc_id'"),
        (
            "r.gz",
            gzip.compress(b'{"doc": {"a": 1}, "doc_id": 3}\n{"doc": {"a": 2}, "doc_id": 1000003}', mtime=0),
            {"loader": "requests"},
            "another text for doc_id 3 at line 2",
        ),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    tmp_path: Path, name: str, data: Any, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        load_questions(spec_for(tmp_path / name, **settings))


def test_missing_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"an existing file, but got nothing there"):
        load_questions(spec_for(tmp_path / "none.csv"))
    with pytest.raises(UserError, match=r"an existing folder, but got nothing there"):
        load_questions(spec_for(tmp_path / "none", source="folder", member="*.csv"))
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(UserError, match=r"none of its 1 files, which have names such as other\.txt"):
        load_questions(spec_for(tmp_path, source="folder", member="*.csv"))


def test_all_faults_of_a_description_come_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_questions(
            BenchmarkSpec(
                name="quiz",
                location="here",
                question="q",
                answer="a",
                source="hub",
                loader="pickle",
                max_faulty=1.0,
                keep_pattern="(",
                keep_answer_pattern=".",
                option_pattern="no group",
                given_label="g",
                labels="l",
                subject="s",
                question_pattern="no group",
                option_texts=["x", "y"],
                options=["o"],
            )
        )
    for part in (
        "`quiz.source`",
        "'pickle'",
        "`quiz.options` to be left out where `option_texts` are given, but got both",
        "`quiz.labels`",
        "`quiz.question_pattern` to be a regular expression with a group",
        "`quiz.max_faulty`",
        "`quiz.keep_pattern` to be a regular expression, but",
        "`quiz.keep_answer_pattern` to be for open-ended",
        "`quiz.option_pattern` to be a regular expression with a group",
        "got only the label",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": []}, "got neither"),
        ({"options": [], "format": "oe"}, "answer_kind` to be text"),
        ({"answer_kind": "label"}, "labels` to be given"),
        ({"subject": "s", "member": "{subject}.csv"}, "subject` to be left out where `member` says it"),
        ({"question_pattern": "("}, "regular expression"),
        ({"source": "folder"}, "member` to be the files"),
        ({"option_pattern": "(.)"}, "one template with `option_pattern`"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_questions(spec_for("x.csv", **settings))


def test_only_wanted_records_are_read_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    rows: list[dict[str, object]] = [
        {"q": "One?", "level": "hard", "image": None, "answer": "a"},
        {"q": "Two?", "level": " hard ", "image": "", "answer": "b"},
        {"q": "Three?", "level": "hard", "image": "data:", "answer": "c"},
        # Nothing else is asked of a record that nobody wants.
        {"q": "", "level": "easy", "image": "", "answer": "z"},
    ]
    options: dict[str, object] = {"A": "x", "B": "y", "C": "z"}
    path.write_text("".join(json.dumps(row | options) + "\n" for row in rows))
    loaded = load_questions(spec_for(path, where={"level": "hard", "image": ""}))
    assert [question.id for question in loaded.questions] == ["quiz/0", "quiz/1"]
    assert loaded.left_out == {"`image` is not empty": 1, "`level` is not `hard`": 1}
    with pytest.raises(UserError, match="no record has `kind`"):
        load_questions(spec_for(path, where={"kind": "hard"}))


def test_a_column_may_hold_the_text_of_a_list(tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    path.write_text('q,all,answer\nWho?,"[\'Ann\', ""Bo\'s dog"", 3]",b\nWhat?,"[\'x\', y]",a\n')
    result = read_questions(spec_for(path, options=["all"]))
    assert [(question.options, question.accepted) for question in result.questions] == [
        (("Ann", "Bo's dog", "3"), ("b",))
    ]
    assert [fault.reason for fault in result.faults] == ["`all` is the text \"['x', y]\", where a list is wanted"]
