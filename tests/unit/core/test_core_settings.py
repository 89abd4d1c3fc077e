"""The checker of settings, on a small schema that has one of each rule."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.core.fields import MISSING, setting
from ccps.core.settings import Fault, SettingsError, check, fault, faults_of, typed


class Colour(StrEnum):
    red = "red"
    green = "green"


@dataclass
class Inner:
    k: int = setting(5, "how many", at_least=1, at_most=10)
    share: float = setting(0.5, "of all", above=0, at_most=1)
    level: float = setting(0.95, "of intervals", above=0, below=1)
    warm: int = setting(0, "before", at_least=0, at_most=100)

    def cross_faults(self) -> Iterator[Fault]:
        if self.warm > self.k:
            yield fault("warm", f"at most `k` ({self.k})", self.warm)


@dataclass
class Outer:
    name: str = setting(MISSING, "what it is called")
    order: str = setting("up", "which way", one_of=("up", "down"))
    colour: Colour = setting(Colour.red, "of it")
    flag: bool = setting(False, "whether")
    limit: int | None = setting(None, "the most", at_least=1, at_most=9)
    seeds: list[int] = setting([1], "of it", at_least=0, at_most=99, different=True, not_empty=True)
    widths: list[int] = setting([], "of kernels", at_least=1, at_most=99, odd=True)
    ratios: list[float] = setting([], "of sides", above=0, at_most=10)
    where: dict[str, str] = setting({}, "what holds")
    numbers: dict[str, int | None] = setting({}, "of each", at_least=1, at_most=9)
    inner: Inner = setting(Inner, "a group")
    maybe: Inner | None = setting(None, "a group or none")
    several: dict[str, Inner] = setting({}, "groups by name", not_empty=True)
    listed: list[Inner] = setting([], "groups in an order")
    anything: dict[str, Any] = setting({}, "as it is")


GOOD: Mapping[str, Any] = {"name": "x", "several": {"a": {}}}


def faults(**values: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        typed({**GOOD, **values}, Outer)
    return caught.value.faults


def test_defaults_stand_in_for_what_is_left_out_and_are_not_shared() -> None:
    one, other = typed(GOOD, Outer), typed(GOOD, Outer)
    assert one == Outer("x", several={"a": Inner()})
    assert one.inner is not other.inner
    assert one.seeds is not other.seeds


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": "y"}, "unknown setting `nam`: did you mean `name`?"),
        ({"inner": {"x1": 1}}, "unknown setting `inner.x1`: known here: k, level, share, warm"),
        ({"name": MISSING}, "expected `name` to be set, but it is not"),
        ({"name": None}, "expected `name` to be a text, but got null"),
        ({"order": "sideways"}, "expected `order` to be one of up, down, but got 'sideways'"),
        ({"colour": "blue"}, "expected `colour` to be one of red, green, but got 'blue'"),
        ({"flag": "maybe"}, "expected `flag` to be true or false, but got 'maybe'"),
        ({"limit": 10}, "expected `limit` to be from 1 to 9 or null, but got 10"),
        ({"limit": "many"}, "expected `limit` to be a whole number or null, but got 'many'"),
        ({"seeds": []}, "expected `seeds` to hold at least one entry, but it is empty"),
        ({"seeds": [1, 1]}, "expected `seeds` to be different numbers from 0 to 99, but got [1, 1]"),
        ({"seeds": [1, 100]}, "expected `seeds` to be different numbers from 0 to 99, but got [1, 100]"),
        ({"seeds": [1, None]}, "expected `seeds` to be a list of whole numbers, such as [1,2], but got [1, None]"),
        ({"seeds": 1}, "expected `seeds` to be a list of whole numbers, such as [1,2], but got 1"),
        ({"widths": [3, 4]}, "expected `widths` to be odd numbers from 1 to 99, but got [3, 4]"),
        ({"ratios": [0.5, math.nan]}, "expected `ratios` to be numbers above 0 and at most 10, but got [0.5, nan]"),
        ({"where": ["a"]}, "expected `where` to be a group of settings, but got ['a']"),
        ({"numbers": {"a": 2, "b": 0}}, "expected `numbers` to be numbers from 1 to 9, but got {'a': 2, 'b': 0}"),
        ({"inner": None}, "expected `inner` to be a group of settings, but got null"),
        ({"inner": 3}, "expected `inner` to be a group of settings, but got 3"),
        ({"inner": {"k": 0}}, "expected `inner.k` to be from 1 to 10, but got 0"),
        ({"inner": {"k": 1.5}}, "expected `inner.k` to be a whole number, but got 1.5"),
        ({"inner": {"k": True}}, "expected `inner.k` to be a whole number, but got True"),
        ({"inner": {"share": 0}}, "expected `inner.share` to be above 0 and at most 1, but got 0"),
        ({"inner": {"level": 1}}, "expected `inner.level` to be between 0 and 1, but got 1"),
        ({"inner": {"level": "inf"}}, "expected `inner.level` to be between 0 and 1, but got 'inf'"),
        ({"inner": {"warm": 6}}, "expected `inner.warm` to be at most `k` (5), but got 6"),
        ({"maybe": {"k": 11}}, "expected `maybe.k` to be from 1 to 10, but got 11"),
        (
            {"anything": {"a": [{"b": "\ud800"}]}},
            "expected `anything` to be a group of settings, its texts whole and without NUL, "
            "but got {'a': [{'b': '\\ud800'}]}",
        ),
        ({"several": None}, "expected `several` to map names to settings, but got null"),
        ({"several": {}}, "expected `several` to hold at least one entry, but it is empty"),
        ({"several": {"a": None}}, "expected `several.a` to be a group of settings, but got null"),
        ({"several": {"a": {"warm": 101}}}, "expected `several.a.warm` to be from 0 to 100, but got 101"),
        ({"listed": {"a": {}}}, "expected `listed` to be a list of groups of settings, but got {'a': {}}"),
        ({"listed": [{}, 3]}, "expected `listed.1` to be a group of settings, but got 3"),
        ({"listed": [{}, {"k": 2, "warm": 6}]}, "expected `listed.1.warm` to be at most `k` (2), but got 6"),
    ],
)
def test_each_fault_is_one_line_with_its_full_path(values: dict[str, Any], message: str) -> None:
    assert faults(**values) == [message]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"seeds": ["1", "2"]}, {"seeds": [1, 2]}),
        ({"limit": "3"}, {"limit": 3}),
        ({"limit": None}, {"limit": None}),
        ({"ratios": ["0.5", 2]}, {"ratios": [0.5, 2.0]}),
        ({"name": 5}, {"name": "5"}),
        ({"flag": "yes"}, {"flag": True}),
        ({"flag": 0}, {"flag": False}),
        ({"colour": "green"}, {"colour": Colour.green}),
        ({"where": {1: "b"}}, {"where": {"1": "b"}}),
        ({"inner": {"share": "1e-3"}}, {"inner": Inner(share=0.001)}),
        ({"maybe": {}}, {"maybe": Inner()}),
        ({"listed": ({"k": "3"}, {})}, {"listed": [Inner(k=3), Inner()]}),
    ],
)
def test_values_are_brought_to_their_type(given: dict[str, Any], made: dict[str, Any]) -> None:
    config = typed({**GOOD, **given}, Outer)
    for name, value in made.items():
        assert getattr(config, name) == value
        assert type(getattr(config, name)) is type(value)


def test_all_faults_come_in_one_message_in_the_order_of_the_settings() -> None:
    wrong = {"nam": "y", "order": "x", "seeds": "y", "inner": {"k": 0, "warm": 50}, "several": {"a": {"k": "z"}}}
    with pytest.raises(SettingsError) as caught:
        typed(wrong, Outer)
    assert str(caught.value).splitlines() == [
        "7 settings are at fault, nothing was run:",
        "  - unknown setting `nam`: did you mean `name`?",
        "  - expected `name` to be set, but it is not",
        "  - expected `order` to be one of up, down, but got 'x'",
        "  - expected `seeds` to be a list of whole numbers, such as [1,2], but got 'y'",
        "  - expected `inner.k` to be from 1 to 10, but got 0",
        "  - expected `inner.warm` to be at most `k` (0), but got 50",
        "  - expected `several.a.k` to be a whole number, but got 'z'",
        "Print all settings and their values with --cfg job.",
    ]


def test_what_hangs_on_a_faulty_setting_is_not_told_again() -> None:
    def more(config: Outer) -> Iterator[Fault]:
        yield fault("inner.k", "something else", config.inner.k)
        yield fault("seeds", "something else", config.seeds)
        yield fault("order", "something else", config.order)

    with pytest.raises(SettingsError) as caught:
        typed({**GOOD, "inner": 5, "seeds": [1, 1]}, Outer, more)
    assert [line.split("`")[1] for line in caught.value.faults] == ["seeds", "inner", "order"]


def test_what_is_left_out_is_judged_by_its_default() -> None:
    with pytest.raises(SettingsError) as caught:
        typed({"name": "x"}, Outer)
    assert caught.value.faults == ["expected `several` to hold at least one entry, but it is empty"]


def test_several_things_may_be_said_of_one_setting_that_is_fine_by_itself() -> None:
    def more(config: Outer) -> Iterator[Fault]:
        yield fault("inner.warm", "even", config.inner.warm)

    with pytest.raises(SettingsError) as caught:
        typed({**GOOD, "inner": {"warm": 7}}, Outer, more)
    assert caught.value.faults == [
        "expected `inner.warm` to be at most `k` (5), but got 7",
        "expected `inner.warm` to be even, but got 7",
    ]


def test_the_second_half_is_asked_only_of_what_could_be_built_and_in_the_same_message() -> None:
    asked: list[Outer] = []

    def more(config: Outer) -> Iterator[Fault]:
        asked.append(config)
        yield fault("limit", "given", "null")

    with pytest.raises(SettingsError):
        typed({"several": {"a": {}}}, Outer, more)
    assert asked == []
    with pytest.raises(SettingsError) as caught:
        typed({**GOOD, "order": "x"}, Outer, more)
    assert len(caught.value.faults) == 2


def test_what_was_built_in_python_is_checked_by_the_same_rules() -> None:
    check(Outer("x", several={"a": Inner()}))
    with pytest.raises(SettingsError) as caught:
        check(Outer("x", limit=0, inner=Inner(k=0, warm=3), several={"a": Inner(share=math.inf)}), "run.part")
    assert str(caught.value).splitlines() == [
        "4 settings are at fault:",
        "  - expected `run.part.limit` to be from 1 to 9 or null, but got 0",
        "  - expected `run.part.inner.k` to be from 1 to 10, but got 0",
        "  - expected `run.part.inner.warm` to be at most `k` (0), but got 3",
        "  - expected `run.part.several.a.share` to be above 0 and at most 1, but got inf",
    ]


def test_what_a_room_says_keeps_its_path_or_gets_one() -> None:
    def refuse() -> None:
        check(Inner(k=0), "model.x.part")

    def say() -> None:
        raise UserError("Expected `model.x.dtype` to be set, but got nothing. Set it.\nExpected vLLM, but got none.")

    assert [str(one) for one in faults_of("model.x", say)] == [
        "expected `model.x.dtype` to be set, but got nothing. Set it.",
        "in `model.x`: expected vLLM, but got none.",
    ]
    assert [one.path for one in faults_of("model.x", refuse)] == ["model.x.part.k"]
    assert list(faults_of("model.x", lambda: None)) == []
