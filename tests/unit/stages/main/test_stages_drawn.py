"""Questions that come out of assets are drawn once; whatever decides which they are has them drawn again."""

from pathlib import Path
from typing import Any

import pytest

from ccps.assets import catalogue
from ccps.data.records import Question, questions_hash
from ccps.settings.benchmark import BenchmarkSpec
from ccps.settings.experiment import Config
from ccps.stages.main import drawn
from ccps.stages.main.drawn import AllQuestions, Drawn, Overlap, drawn_before
from ccps.stages.main.runs import Count

CHOICE = Question("a/b/1", "b", "Which?", ("x", "y"), ("b",), "test", "a")
OPEN = Question("c/1", "c", "What?\u2028", (), ("1", "one"), "train", "c", "asked so", "two", False)
FOUND = Drawn(
    AllQuestions({"oe": [OPEN]}, {"z": [CHOICE], "a": []}, [Overlap("a", 3, 2, 1)], [Count("n", 2, "why")]), "1 of 2", 4
)


def spec(name: str, **changes: Any) -> BenchmarkSpec:
    values = {"name": name, "location": "questions", "question": "q", "answer": "a", "source": "asset"}
    return BenchmarkSpec(**{**values, "loader": "arrow", **changes})


class Drawing:
    """An experiment whose questions are drawn in a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "drawn" / "x.json"
        self.config = Config(experiment="x", train={"t": spec("t"), "u": spec("u")}, test={"v": spec("v")})
        self.times = 0

    def draw(self) -> Drawn:
        self.times += 1
        return FOUND

    def find(self) -> Drawn:
        return drawn_before(self.config, self.draw)


@pytest.fixture
def drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drawing:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path))
    return Drawing(tmp_path)


def test_what_was_drawn_before_is_the_same_to_the_last_type(drawing: Drawing) -> None:
    first, again = drawing.find(), drawing.find()
    assert drawing.times == 1
    assert first is FOUND
    assert again == FOUND
    for side in ("trains", "tests"):
        groups, wanted = getattr(again.questions, side), getattr(FOUND.questions, side)
        assert list(groups) == list(wanted)  # in their order
        for label, group in groups.items():
            assert questions_hash(group) == questions_hash(wanted[label])
            assert all(type(one.options) is type(one.accepted) is tuple for one in group)
    assert {type(one) for one in [*again.questions.overlaps, *again.questions.left_out]} == {Overlap, Count}


def changes(config: Config, which: str) -> None:
    match which:
        case "sampling":
            config.sampling.train_total = 7
        case "specification":
            config.test["v"].half = "first"
        case "order":
            config.train = {name: config.train[name] for name in reversed(config.train)}


@pytest.mark.parametrize("which", ["sampling", "specification", "order"])
def test_another_setting_draws_anew(drawing: Drawing, which: str) -> None:
    drawing.find()
    changes(drawing.config, which)
    drawing.find()
    assert drawing.times == 2


def test_other_code_or_another_asset_draws_anew(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing.find()
    code = [*drawn._code()]
    assert {"convert.py", "benchmarks.py", "sampling.py", "questions.py", "benchmark.py"} <= {one.name for one in code}
    other = drawing.file.parent / "convert.py"
    other.write_text("# another")
    monkeypatch.setattr(drawn, "_code", lambda: [other if one.name == "convert.py" else one for one in code])
    drawing.find()
    assert drawing.times == 2
    found = catalogue.find("questions")
    monkeypatch.setitem(catalogue.ASSETS, "questions", type(found)(**{**vars(found), "sha256": "0"}))
    drawing.find()
    assert drawing.times == 3


@pytest.mark.parametrize(
    "own", [{"source": "file"}, {"source": "folder"}, {"source": "datasets"}, {"loader": "table"}], ids=str
)
def test_what_may_change_where_it_lies_is_read_each_time(drawing: Drawing, own: dict[str, str]) -> None:
    drawing.config.train["u"] = spec("u", **own)
    drawing.find()
    drawing.find()
    assert drawing.times == 2
    assert not drawing.file.exists()
