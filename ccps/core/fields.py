"""A setting on the field it fills: its default, its meaning, and the values it may take."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, field
from typing import Any

MISSING = "???"
"""What Hydra writes for a value that has to be given; as a default it says that there is none."""
LARGEST_SEED = 2**32 - 1
"""The largest seed that NumPy and Lightning take."""
LARGEST_FLOAT = 1e38
"""A bound on what has none of its own, within the range of float32."""
LARGEST_COUNT = 1_000_000_000
"""A bound on numbers of things, larger than any that can be computed."""
LARGEST_K = 1000
"""A bound on likeliest tokens that are kept at a position; a model may have fewer, which is seen when it is loaded."""
LARGEST_RESAMPLES = 100_000
"""A bound on resamples, which are held at once: of ten thousand rows they take eight gigabytes."""
LARGEST_WIDTH = 16_384
"""A bound on the widths of networks: weights between two such layers take a gigabyte."""
LEAST_TEMPERATURE = 0.001
"""A bound that keeps logits divided by it within float32; what it draws is the likeliest token all but always."""


@dataclass(frozen=True)
class Rule:
    """The values that a setting may take, beyond those that its type leaves out. Bounds hold for each item of a list.

    Attributes:
        help: what the setting means.
        at_least: smallest number.
        above: number that all must exceed.
        at_most: largest number.
        below: number that all must stay below.
        one_of: the texts that are allowed; all, where none is named.
        odd: whether numbers must be odd.
        different: whether no item of a list may occur twice.
        not_empty: whether a list, a group or a text must hold something.
    """

    help: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] = ()
    odd: bool = False
    different: bool = False
    not_empty: bool = False

    @property
    def range(self) -> str:
        """The numbers that are allowed, in words; empty where all finite ones are."""
        if self.above is not None and self.below is not None:
            return f"between {_number(self.above)} and {_number(self.below)}"
        if self.at_least is not None and self.at_most is not None:
            return f"from {_number(self.at_least)} to {_number(self.at_most)}"
        lower = f"above {_number(self.above)}" if self.above is not None else ""
        lower = f"{_number(self.at_least)} or more" if self.at_least is not None else lower
        upper = f"below {_number(self.below)}" if self.below is not None else ""
        upper = f"at most {_number(self.at_most)}" if self.at_most is not None else upper
        return " and ".join(part for part in (lower, upper) if part)

    def wanted(self, value: Any) -> str | None:
        """What a value of the right type should have been; None if it is allowed."""
        if isinstance(value, list | tuple):
            return None if self._holds_list(value) else self.of_list
        if isinstance(value, Mapping):
            return None if all(item is None or self._holds(item) for item in value.values()) else self.of_list
        return None if value is None or self._holds(value) else self.of_one

    @property
    def of_one(self) -> str:
        """The values of a single setting that are allowed, in words."""
        if self.one_of:
            return f"one of {', '.join(self.one_of)}"
        odd = "odd and " if self.odd else ""
        return f"{odd}{self.range}" if self.range else "finite"

    @property
    def of_list(self) -> str:
        """The lists that are allowed, in words."""
        if self.one_of:
            items = f"ones of {', '.join(self.one_of)}"
        elif self.range:
            items = f"{'odd ' if self.odd else ''}numbers {self.range}"
        else:
            items = "names"
        return f"{'different ' if self.different else ''}{items}"

    def _holds_list(self, values: Sequence[Any]) -> bool:
        if self.different and any(value in values[:index] for index, value in enumerate(values)):
            return False
        return all(self._holds(value) for value in values)

    def _holds(self, value: Any) -> bool:
        """Written so that NaN is within no range."""
        if self.one_of:
            return value in self.one_of
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        # Whole numbers have no bound, and those beyond 1e308 no float.
        return (
            (isinstance(value, int) or math.isfinite(value))
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and (not self.odd or value % 2 == 1)
        )


def setting(default: Any, help: str = "", **rule: Any) -> Any:
    """A field of a dataclass of settings.

    Args:
        default: its default, copied for each instance; `MISSING` if it has to be given.
        help: what it means, in a sentence or two without a full stop at their end.
        rule: see `Rule`.
    """
    metadata = {"rule": Rule(help, **{name: _fixed(value) for name, value in rule.items()})}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    if isinstance(default, list | dict | Mapping) or hasattr(default, "__dataclass_fields__"):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def rule_of(item: Field[Any]) -> Rule:
    """The rule of a field; one that allows everything for a plain field."""
    rule: Rule = item.metadata.get("rule", Rule())
    return rule


def default_of(item: Field[Any]) -> Any:
    """The default of a field, `MISSING` if it has none."""
    if item.default is not NO_DEFAULT:
        return item.default
    return item.default_factory() if item.default_factory is not NO_DEFAULT else MISSING


def is_required(item: Field[Any]) -> bool:
    """Whether a value has to be given."""
    has_factory = item.default_factory is not NO_DEFAULT
    return not has_factory and (item.default is NO_DEFAULT or item.default == MISSING)


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) < 1e15 else f"{value:g}"
