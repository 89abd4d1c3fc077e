"""What the library `datasets` reads, and what its errors become."""

import json
from pathlib import Path
from typing import Any

import datasets
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
