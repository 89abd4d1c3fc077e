"""Values out of a line of a file of traces; a ValueError says what is wrong with one."""

import json
import math
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any, cast

import numpy as np

from ccps.data.values import written_texts
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning.trace import GivenStep

Row = dict[str, Any]


def text(row: Row, key: str) -> str:
    """A text, empty if there is none; an id may be a whole number."""
    value = row.get(key)
    if value is None:
        return ""
    if key in ("id", "question_id") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(key, "text", value)
    return _whole(value, key)


def _whole(value: str, key: str) -> str:
    """A text all of whose characters are whole."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"`{key}` holds half of a surrogate pair at character {error.start}") from error
    return value


_TRUTHS = {1: True, 0: False, "1": True, "0": False, "true": True, "false": False}
_RIGHT = {"yes": True, "no": False, "1.0": True, "0.0": False}
# Why a generation came to its end, as servers and engines say it.
_ENDED = dict.fromkeys(
    ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_str", "tool_calls", "function_call",
     "tool_use", "completed", "word"), True,
) | dict.fromkeys(
    ("length", "max_tokens", "max_new_tokens", "max_output_tokens", "model_length", "incomplete", "content_filter",
     "safety", "abort", "error", "timeout", "cancelled", "limit", "max_length", "refusal"), False,
)  # fmt: skip


def truth(row: Row, key: str) -> bool | None:
    """True, false or neither; 1 and 0 too, and of `ended` the reason that a server gives."""
    value = row.get(key)
    if key == "ended" and isinstance(value, dict):
        value = value.get("type")
    if value is None or isinstance(value, bool):
        return value
    written = value.strip().lower() if isinstance(value, str) else value
    known: dict[Any, bool] = _TRUTHS | (_ENDED if key == "ended" else _RIGHT)
    if not isinstance(written, str | int | float) or written not in known:
        raise _wrong(key, "true or false", value)
    return known[written]


def texts(row: Row, key: str) -> tuple[str, ...]:
    """One text or several; numbers are taken as they are written; what is empty or no number is missing."""
    value = written_texts(row.get(key), f"`{key}`", "put it into a list")
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return ()
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, str | int | float) or isinstance(one, bool) or one != one:
            raise _wrong(key, "text, a number or a list of these", value)
    return tuple(_whole(str(one), key) for one in values)


def token_ids(row: Row, key: str) -> list[int] | None:
    """Token ids, None if there are none."""
    if row.get(key) is None:
        return None
    ids = _whole_numbers(row, key, "a list of token ids")
    if ids.ndim != 1 or (ids < 0).any():
        raise _wrong(key, "a list of token ids", row[key])
    return cast(list[int], ids.tolist())


def offsets(row: Row) -> IntArray | None:
    """Token offsets `[tokens, 2]`, None if there are none."""
    if row.get("offsets") is None:
        return None
    spans = _whole_numbers(row, "offsets", "a list of [start, end]")
    if not spans.size:
        return spans.reshape(0, 2)
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise _wrong("offsets", "a list of [start, end]", row["offsets"])
    return spans


def _whole_numbers(row: Row, key: str, wanted: str) -> IntArray:
    try:
        numbers = np.array(row[key])
    except ValueError as error:
        raise _wrong(key, wanted, row[key]) from error
    if numbers.ndim == 0 or (numbers.size and not np.issubdtype(numbers.dtype, np.signedinteger)):
        raise _wrong(key, wanted, row[key])
    return numbers.astype(np.int64)


def logarithms(row: Row, key: str) -> FloatArray | None:
    """A log-probability for each position, NaN where it is missing or not finite; None if there are none."""
    given = row.get(key)
    if given is None:
        return None
    if not isinstance(given, list):
        raise _wrong(key, "a list of numbers", given)
    values = _plain(given, 1)
    if values is None:
        values = np.array([math.nan if one is None else _number(one, key) for one in given], dtype=np.float64)
    values = _checked_logarithms(values, key)
    return np.where(np.isfinite(values), values, np.nan)


def alternatives(row: Row, key: str, k: int) -> FloatArray | None:
    """The best k log-probabilities of each position, `[positions, k]`; None if there are none.

    A position with fewer has NaN for the others; one with NaN or infinity among its best k is NaN altogether.
    """
    given = row.get(key)
    if given is None:
        return None
    if not isinstance(given, list):
        raise _wrong(key, "a list with the alternatives of each position", given)
    table, lengths = _table(given, key, k)
    table = _checked_logarithms(table, key)
    # NaN comes first, so that it makes its position missing; what was not given comes last.
    best = -np.sort(-np.where(np.isnan(table), np.inf, table), axis=1)[:, :k]
    counts = np.arange(k) < lengths[:, None]
    sound = (np.isfinite(best) | ~counts).all(axis=1)
    return np.where(counts & sound[:, None], best, np.nan)


def _table(given: list[Any], key: str, k: int) -> tuple[FloatArray, IntArray]:
    """The log-probabilities of each position as a row of at least k, and how many it has; −∞ for what is not there."""
    plain = _plain(given, 2)
    if plain is not None and plain.shape[1] >= k:
        return plain, np.full(len(plain), plain.shape[1])
    rows = [_numbers(position, key) for position in given]
    lengths = np.array([len(own) for own in rows], dtype=np.int64)
    table = np.full((len(rows), max(k, int(lengths.max(initial=0)))), -np.inf)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(rows), np.float64)
    return table, lengths


def _plain(given: list[Any], dimensions: int) -> FloatArray | None:
    """Nothing but numbers as an array, at once; None if there is anything else among them, or rows differ in length."""
    try:
        numbers = np.array(given)
    except ValueError:
        return None
    return numbers.astype(np.float64) if numbers.ndim == dimensions and numbers.dtype.kind in "fi" else None


def _numbers(position: Any, key: str) -> list[float]:
    """The log-probabilities of a position: numbers, or objects that hold one, in a list or by token."""
    if position is None:
        return []
    entries = position.values() if isinstance(position, dict) else position
    if not isinstance(entries, Iterable) or isinstance(entries, str):
        raise _wrong(key, "a list with the alternatives of each position", position)
    return [_number(entry, key) for entry in entries if entry is not None]


def _number(entry: Any, key: str) -> float:
    value = entry.get("logprob") if isinstance(entry, dict) else entry
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(key, "numbers, or objects with `logprob`", entry)
    return float(value)


# What a step holds beside its scores.
_OF_STEP = ("text", "alternatives", "start", "end", "index", "step")


def steps(row: Row, wanted: Collection[str] | None = None) -> tuple[GivenStep, ...]:
    """The steps that a trace brings with it; none if it brings none.

    Args:
        row: its line.
        wanted: names of the scores that are read; None for every number.
    """
    given = row.get("steps")
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise _wrong("steps", "a list of objects with `text`", given)
    return tuple(_step(one, f"steps.{place}", wanted) for place, one in enumerate(given))


def _step(given: Row, where: str, wanted: Collection[str] | None) -> GivenStep:
    if not isinstance(given.get("text"), str):
        raise _wrong(f"{where}.text", "text", given.get("text"))
    others = given.get("alternatives") or []
    if not isinstance(others, list) or not all(isinstance(one, str) for one in others):
        raise _wrong(f"{where}.alternatives", "a list of texts", others)
    scores = {
        name: float(value)
        for name, value in given.items()
        if name not in _OF_STEP
        and (wanted is None or name in wanted)
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and not math.isnan(value)
    }
    for name, value in scores.items():
        if not 0 <= value <= 1:
            raise ValueError(
                f"`{where}.{name}` is {value:g}, and a score lies in [0, 1]; name those that are meant by "
                "faithful.rollouts.scores"
            )
    return GivenStep(
        _whole(given["text"], f"{where}.text"), tuple(_whole(one, f"{where}.alternatives") for one in others), scores
    )


# One rounding of float32 above 1, or of bfloat16 sums below it, is a probability of 1.
_ROUNDING = 1e-6
# What engines write where no log-probability was computed; and what no two logits lie apart, but a mask does.
_SENTINEL, _MASK = -9999.0, -1e6


def _checked_logarithms(values: FloatArray, key: str) -> FloatArray:
    """Log-probabilities of at most 0: a rounding above it is 0, and a sentinel for "none" is missing."""
    with np.errstate(invalid="ignore"):
        positive = values[np.isfinite(values) & (values > _ROUNDING)]
        if len(positive):
            raise ValueError(f"`{key}` holds {positive[0]:g}; a logarithm of a probability is never above 0")
        values = np.where((values > 0) & np.isfinite(values), 0.0, values)
        return np.where((values == _SENTINEL) | (np.isfinite(values) & (values < _MASK)), np.nan, values)


def _wrong(key: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"`{key}` should be {wanted}, but is {json.dumps(value)[:60]}")
