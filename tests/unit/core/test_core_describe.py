"""What a schema says of itself."""

from dataclasses import dataclass

from ccps.core.describe import Described, described
from ccps.core.fields import MISSING, setting


@dataclass
class Part:
    """One of several. Further words are left out."""

    size: int | None = setting(None, "how large", at_least=1, at_most=9)


@dataclass
class Whole:
    name: str = setting(MISSING, "of the whole")
    ways: list[str] = setting(["a"], "to go", one_of=("a", "b"), different=True)
    share: float = setting(0.5, "of all", above=0, below=1)
    free: dict[str, str] = setting({}, "anything by name")
    part: Part = setting(Part)
    parts: dict[str, Part] = setting({}, "several by name")
    others: dict[str, Part] = setting({}, "more of them")
    listed: list[Part] = setting([], "several in an order")


def test_every_setting_is_told_with_value_meaning_and_range() -> None:
    settings = {
        "share": 0.1,
        "part": {"size": 3},
        "parts": {"one": {"size": 4}, "two": {}},
        "listed": [{}, {"size": 2}],
    }
    assert list(described(Whole, settings)) == [
        Described("name", MISSING, "of the whole", "a text"),
        Described("ways", ["a"], "to go", "a list of different ones of a, b"),
        Described("share", 0.1, "of all", "a number between 0 and 1"),
        Described("free", {}, "anything by name", "a group of settings"),
        Described("part", None, "one of several. Further words are left out", ""),
        Described("part.size", 3, "how large", "a whole number from 1 to 9 or null"),
        Described("parts", ["one", "two"], "several by name", ""),
        Described("parts.NAME.size", None, "how large", "a whole number from 1 to 9 or null"),
        Described("others", [], "more of them; settings as under `parts`", ""),
        Described("listed", ["0", "1"], "several in an order", ""),
        Described("listed.N.size", None, "how large", "a whole number from 1 to 9 or null"),
    ]
