from pathlib import Path

import pytest

from ccps.core.errors import UserError
from ccps.core.places import local_path, place_problem


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "somewhere").symlink_to(tmp_path / "folder")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    return tmp_path


@pytest.mark.parametrize("name", ["folder", "folder/new", "new/and/newer", "somewhere", "somewhere/new", "."])
def test_a_place_that_can_be_had(here: Path, name: str) -> None:
    before = sorted(here.rglob("*"))
    assert place_problem(str(here / name)) is None
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file", "a file in it"),
        ("file/below/it", "a file in it"),
        ("nowhere", "leads nowhere"),
        ("nowhere/below", "leads nowhere"),
        ("round", "leads nowhere"),
        ("x" * 300, "File name too long"),
        ("/".join(["x" * 100] * 50), "too long"),
    ],
)
def test_a_place_that_cannot(here: Path, name: str, why: str) -> None:
    assert why in str(place_problem(f"{here}/{name}"))


def test_a_relative_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    assert place_problem("new/one") is None
    assert "a file in it" in str(place_problem("file/one"))


def test_a_path_of_the_users(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert local_path("~/folder") == here / "folder"
    assert local_path(here / "gone") == here / "gone"
    with pytest.raises(UserError, match="File name too long"):
        local_path("x" * 300)
    with pytest.raises(UserError, match="to be a usable path"):
        local_path("~nobody-of-that-name/x")
