"""Which values a setting of a probe may take, by its name, and the check of a whole recipe."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ccps.core.errors import UserError, expected

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ACTIVATIONS = (
    "ELU",
    "GELU",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "ReLU",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
)


class Range(NamedTuple):
    """The values that are allowed."""

    wanted: str
    """In words."""
    holds: Callable[[Any], bool]
    """False for NaN."""


POSITIVE = Range("above 0", lambda value: value > 0)
POSITIVE_INTEGER = Range("a positive integer", lambda value: value >= 1)
NOT_NEGATIVE = Range("0 or more", lambda value: value >= 0)
DROPOUT = Range("in [0, 1)", lambda value: 0 <= value < 1)

RANGES: Mapping[str, Range] = {
    "activation": Range(f"one of {', '.join(ACTIVATIONS)}", lambda value: value in ACTIVATIONS),
    "batch_size": POSITIVE_INTEGER,
    "clip_norm": POSITIVE,
    "dropout": DROPOUT,
    "embed_dim": POSITIVE_INTEGER,
    "encoder_dropout": DROPOUT,
    "eval_every": POSITIVE_INTEGER,
    "hidden": Range("positive integers", lambda widths: all(width >= 1 for width in widths)),
    "kernels": Range("odd positive integers", lambda widths: all(width >= 1 and width % 2 for width in widths)),
    "learning_rate": POSITIVE,
    "margin": POSITIVE,
    "max_epochs": POSITIVE_INTEGER,
    "max_tokens": POSITIVE_INTEGER,
    "patience": POSITIVE_INTEGER,
    "steps": NOT_NEGATIVE,
    "validation_fraction": Range("between 0 and 1", lambda value: 0 < value < 1),
    "weight_decay": NOT_NEGATIVE,
}
"""Settings that are not listed may take every value of their type."""


def faults(config: "DataclassInstance", name: str) -> Iterator[UserError]:
    """Find the settings of a recipe, and of the recipes inside it, that are out of range.

    Args:
        config: a dataclass of settings.
        name: where it stands in an experiment, e.g. `probe.mc`.
    """
    for item in fields(config):
        value, path = getattr(config, item.name), f"{name}.{item.name}"
        if is_dataclass(value) and not isinstance(value, type):
            yield from faults(value, path)
        elif item.name in RANGES and not RANGES[item.name].holds(value):
            yield fault(path, RANGES[item.name].wanted, value)


def fault(path: str, wanted: str, got: object) -> UserError:
    """Say what is wrong with one setting."""
    group = path.partition(".")[0]
    return expected(f"`{path}`", wanted, got, f"Change it in conf/{group} or on the command line.")


def refuse(found: Iterator[UserError]) -> None:
    """Raise all faults in one message, if there are any.

    Raises:
        UserError: naming every setting that is out of range.
    """
    messages = [str(error) for error in found]
    if messages:
        raise UserError("\n".join(messages))
