import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccps.core.errors import UserError
from ccps.core.registry import Registry


def test_things_are_found_by_name_in_the_order_of_their_places() -> None:
    numbers = Registry[int]("number", place=abs)
    for name, number in {"three": 3, "minus one": -1, "one": 1, "zero": 0}.items():
        assert numbers.register(name, number) == number
    assert dict(numbers) == {"zero": 0, "minus one": -1, "one": 1, "three": 3}
    assert list(numbers) == ["zero", "minus one", "one", "three"]
    assert numbers.find("one") == 1
    assert ("one" in numbers, "two" in numbers, len(numbers)) == (True, False, 4)


def test_two_of_one_name_are_refused_unless_the_first_is_taken_out() -> None:
    numbers = Registry[int]("number")
    numbers.register("one", 1)
    with pytest.raises(ValueError, match="each number to have a name of its own, but got two called `one`"):
        numbers.register("one", 11)
    numbers.remove("one")
    assert numbers.register("one", 11) == 11


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    numbers = Registry[int]("number")
    numbers.register("one", 1)
    numbers.register("three", 3)
    with pytest.raises(UserError, match=r"`number` to be one of one, three, but got 'thre'. Choose three\."):
        numbers.find("thre")
    with pytest.raises(UserError, match=r"`most` to be one of one, three, but got 'zzz'. Choose one of these\."):
        numbers.find("zzz", setting="most")
    with pytest.raises(KeyError):
        numbers["thre"]


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package whose modules register what they define; one of them looks what there is."""
    package = tmp_path / "some_rooms"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(
        "from ccps.core.registry import Registry\nROOMS = Registry[int]('room', 'some_rooms')\n"
    )
    (package / "hall.py").write_text("from some_rooms.base import ROOMS\nROOMS.register('hall', 1)\nlist(ROOMS)\n")
    (package / "attic.py").write_text("from some_rooms.base import ROOMS\nROOMS.register('attic', 2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "some_rooms"
    for name in [name for name in sys.modules if name.startswith("some_rooms")]:
        del sys.modules[name]


def test_what_the_package_has_registered_is_found_without_the_rest_of_it(rooms: str, tmp_path: Path) -> None:
    (tmp_path / rooms / "porch.py").write_text(
        "from some_rooms.base import ROOMS\nclass Porch: pass\nROOMS.register('porch', Porch)\n"
    )
    from some_rooms.base import ROOMS  # type: ignore[import-not-found]
    from some_rooms.porch import Porch  # type: ignore[import-not-found]

    assert "porch" in ROOMS
    assert ROOMS["porch"] is ROOMS.find("porch") is Porch
    assert f"{rooms}.hall" not in sys.modules
    assert "cellar" not in ROOMS  # which only who has looked everywhere can say
    assert ROOMS["hall"] == 1


def test_a_name_of_the_package_that_somebody_else_has_taken_is_refused_where_it_is_looked_for(rooms: str) -> None:
    from some_rooms.base import ROOMS

    ROOMS.register("hall", type("Hall", (), {}))
    with pytest.raises(ValueError, match="two called `hall`"):
        ROOMS["hall"]


def test_the_modules_of_the_package_are_imported_when_somebody_looks(rooms: str) -> None:
    from some_rooms.base import ROOMS

    assert f"{rooms}.hall" not in sys.modules
    ROOMS.register("cellar", 3)
    assert list(ROOMS) == ["attic", "cellar", "hall"]
    assert f"{rooms}.hall" in sys.modules
