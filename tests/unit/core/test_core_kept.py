"""What is kept is found again as it was, and made anew whenever that is not sure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ccps.core.kept import kept


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> dict[str, int]:
        self.asked += 1
        return {"a": 1, "ü\ud800": self.asked}


def found(path: Path, key: str, make: Callable[[], dict[str, int]]) -> dict[str, int]:
    return kept(path, key, make, write=lambda made: [*made.items()], read=dict)


def test_the_second_time_nothing_is_made(tmp_path: Path) -> None:
    make, path = Maker(), tmp_path / "new" / "file.json"
    assert found(path, "k", make) == found(path, "k", make) == {"a": 1, "ü\ud800": 1}
    assert make.asked == 1
    assert [one.name for one in path.parent.iterdir()] == ["file.json"]


def test_another_key_takes_the_place_of_the_first(tmp_path: Path) -> None:
    make, path = Maker(), tmp_path / "file.json"
    for key, number in (("k", 1), ("l", 2), ("l", 2), ("k", 3)):
        assert found(path, key, make)["ü\ud800"] == number


@pytest.mark.parametrize("place", [0, 20, 60, -1])
@pytest.mark.parametrize("cut", [False, True])
def test_what_is_damaged_is_made_anew(tmp_path: Path, place: int, cut: bool) -> None:
    make, path = Maker(), tmp_path / "file.json"
    found(path, "k", make)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content[:place] if cut else content)
    assert found(path, "k", make)["ü\ud800"] == found(path, "k", make)["ü\ud800"] == 2


def test_a_place_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    make = Maker()
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    for path in (tmp_path / "file" / "kept.json", tmp_path / "folder.json"):
        assert found(path, "k", make)["a"] == 1
    assert make.asked == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.json"]
