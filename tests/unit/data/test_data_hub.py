"""What the library `datasets` reads, and what its errors become."""

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, load_questions

ROWS = {"q": ["Who?", "What?"], "kind": ["b", "a"], "list": [["x", "y"], ["z", "w"]]}
FEATURES = datasets.Features(
    {
        "q": datasets.Value("string"),
        "kind": datasets.ClassLabel(names=["a", "b"]),
        "list": datasets.List(datasets.Value("string")),
    }
)


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "quiz"
    folder.mkdir()
    for name, text in (("one", "Who?"), ("two", "Where?")):
        (folder / f"{name}.jsonl").write_text(json.dumps({"q": text, "list": ["x", "y"], "kind": 1}))
    subset = "- config_name: {0}\n  data_files:\n  - split: test\n    path: {0}.jsonl\n"
    (folder / "README.md").write_text(f"---\nconfigs:\n{subset.format('one')}{subset.format('two')}---\n")
    return folder


def spec_for(location: Any, **settings: Any) -> BenchmarkSpec:
    base = {"name": "quiz", "source": "datasets", "location": str(location), "question": "q"}
    return BenchmarkSpec(**base | {"options": ["list"], "answer": "kind"} | settings)


def test_class_labels_of_a_saved_split_are_numbers(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS, features=FEATURES).save_to_disk(tmp_path / "saved")
    questions = load_questions(spec_for(tmp_path / "saved")).questions
    assert [(question.text, question.accepted) for question in questions] == [("Who?", ("b",)), ("What?", ("a",))]


def test_a_saved_data_set_has_splits(tmp_path: Path) -> None:
    split = datasets.Dataset.from_dict(ROWS, features=FEATURES)
    datasets.DatasetDict({"train": split, "test": split.select([1])}).save_to_disk(tmp_path / "saved")
    assert [question.text for question in load_questions(spec_for(tmp_path / "saved")).questions] == ["What?"]
    with pytest.raises(UserError, match=r"split `dev`.*Should be one of \['train', 'test'\]\. Correct"):
        load_questions(spec_for(tmp_path / "saved", split="dev"))


def test_a_subset_is_chosen_and_those_that_exist_are_listed(folder: Path) -> None:
    assert [question.text for question in load_questions(spec_for(folder, subset="two")).questions] == ["Where?"]
    with pytest.raises(UserError, match=r"subset `three`.*(?s:.*)one.*two"):
        load_questions(spec_for(folder, subset="three"))
    with pytest.raises(UserError, match=r"(?s)one.*two.*Correct `location`, `subset`"):
        load_questions(spec_for(folder))


def test_splits_that_exist_are_listed(folder: Path) -> None:
    with pytest.raises(UserError, match=r"split `train`, but got.*test"):
        load_questions(spec_for(folder, subset="one", split="train"))


def test_files_are_chosen_by_pattern_and_are_the_split(folder: Path) -> None:
    questions = load_questions(spec_for(folder, data_files="t*.jsonl", split="train")).questions
    assert [(question.text, question.split) for question in questions] == [("Where?", "train")]
    with pytest.raises(UserError, match=r"data_files `none\*`"):
        load_questions(spec_for(folder, data_files="none*"))


HEAD = "question,A,B,answer\n"
LINE = {"question": "Who?", "A": "x", "B": "y", "answer": "A"}


def _lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(LINE | row) + "\n" for row in rows).encode()


def _table(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in LINE.items()} | columns), file)
    return file.getvalue()


# What the library by itself would take for something else: nothing, numbers, dates, numbers of another kind.
SAME: list[tuple[str, bytes]] = [
    ("test.csv", f"{HEAD}Who?,None,NA,A\n007,2020-01-01,1.50,B\nIs it?,True,False,A\n".encode()),
    ("test.csv", f"{HEAD}Who?,x,y,A\n".replace(",", ";").encode()),
    ("test.csv", f"{HEAD}Olé?,x,y,A\n".encode("utf-16")),
    ("test.csv", b"question,A,A,answer\nq,x,y,A\n"),
    ("test.csv", f"{HEAD}q,x,y,A,z\n".encode()),
    ("test.tsv", f"{HEAD}Who?,x,y,A\n".replace(",", "\t").encode()),
    ("test.jsonl", _lines({"A": "2020-01-01", "B": "2020-01-02"}, {"question": "When?", "A": 1, "B": 1.5})),
    ("test.jsonl", _lines({"A": 7}, {"question": "Which?", "A": "007"})),
    ("test.jsonl", _lines({"A": 10**30})),
    ("test.jsonl", b'{"question": "q", "question": "r", "A": "x", "B": "y", "answer": "A"}'),
    ("test.json", json.dumps([LINE, LINE | {"question": "What?"}], indent=1).encode()),
    ("test.parquet", _table(A=pa.array([0.1], pa.float32()))),
    ("test.parquet", _table(question=[b"Who?"])),
    ("test.parquet", b"PAR1"),
]


@pytest.mark.parametrize(("name", "content"), SAME, ids=range(len(SAME)))
def test_the_same_file_by_two_loaders_gives_the_same_questions(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = []
    places: list[dict[str, Any]] = [
        {"source": "file", "loader": "table", "location": str(tmp_path / name)},
        {"source": "datasets", "location": str(tmp_path), "data_files": name},
    ]
    for where in places:
        try:
            spec = BenchmarkSpec(
                "own", question="question", answer="answer", options=["A", "B"], answer_kind="letter", **where
            )
            found.append([(one.text, one.options, one.accepted) for one in load_questions(spec).questions])
        except UserError:
            found.append([])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["test.jsonl", "test.jsonl.gz"])
def test_a_file_is_read_as_it_is_now(tmp_path: Path, name: str) -> None:
    for text in ("Who?", "How?"):
        content = json.dumps({"q": text, "list": ["x", "y"], "kind": 1}).encode()
        (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)
        os.utime(tmp_path / name, (1e9, 1e9))
        assert [question.text for question in load_questions(spec_for(tmp_path, data_files=name)).questions] == [text]


def test_types_that_a_folder_declares_are_kept(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({"q": "Who?", "list": ["x", "y"], "kind": "b"}))
    kind = "  - name: kind\n    dtype:\n      class_label:\n        names:\n          '0': a\n          '1': b\n"
    texts = "  - name: q\n    dtype: string\n  - name: list\n    list: string\n"
    (tmp_path / "README.md").write_text(f"---\ndataset_info:\n  features:\n{texts}{kind}---\n")
    assert [question.accepted for question in load_questions(spec_for(tmp_path)).questions] == [("b",)]


def test_out_of_reach_says_how_to_go_on() -> None:
    with pytest.raises(UserError, match=r"(?s)`nobody/nothing`.*Go online, or download the data"):
        load_questions(spec_for("nobody/nothing"))


def test_a_loading_script_is_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match=r"refs/convert/parquet|Correct `location`"):
        load_questions(spec_for(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"member": "*.jsonl"}, "`quiz.member` to be empty for source datasets.*use `data_files`"),
        ({"source": "file", "subset": "one"}, "subset` to be left out but for source datasets"),
        ({"source": "file", "revision": "main"}, "revision` to be left out but for source datasets"),
        ({"source": "file", "data_files": "x"}, "data_files` to be left out but for source datasets"),
    ],
)
def test_settings_of_other_sources_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_questions(spec_for("here", **settings))


def test_columns_that_nobody_asks_for_are_not_decoded(tmp_path: Path) -> None:
    features = datasets.Features({**FEATURES, "picture": datasets.Image(), "rank": {"of": datasets.Value("int64")}})
    rows = ROWS | {"picture": [{"path": None, "bytes": b"broken"}] * 2, "rank": [{"of": 1}, {"of": 2}]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    with pytest.raises(OSError, match="image"):
        datasets.load_from_disk(str(tmp_path / "saved"))[0]
    loaded = load_questions(spec_for(tmp_path / "saved", where={"rank.of": "2"}))
    assert [question.text for question in loaded.questions] == ["What?"]
