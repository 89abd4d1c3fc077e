"""Published figures as data: one file of the group `conf/claims` for each publication. Nothing is filled in."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ccps.analysis.records import Setting
from ccps.core.errors import expected
from ccps.core.settings import shown
from ccps.metrics import CONTEST

FILE_KEYS = ("source", "note", "convention", "models", "benchmarks")
PART_KEYS = ("gaps", "averages", "cells")
GAP_KEYS = ("method", "metric", "scale", "value", "tolerance", "note")
GAP_SCALES = ("relative", "points")
# Beyond any published figure.
_LARGEST = 1e9
WAY_OUT = "Compare it with the files in conf/claims."


@dataclass(frozen=True)
class Claim:
    """One published figure.

    Attributes:
        id: name of its set, then what is particular to it, unique in all sets.
        quantity: what it states, in words.
        method: the method it is about.
        metric: the metric it is about.
        scale: "value" (the metric itself), "correlation" (likewise, not read in percent), or the gap to the strongest
            other method as "relative" ((a − b) / b) or "points" (a − b); all as fractions.
        models: the models it is averaged over.
        benchmarks: the benchmarks it is averaged over.
        value: the published figure, or None when it is not known.
        spread: the standard deviation published with it, or None.
        tolerance: largest distance that counts as a match.
        note: anything a reader should know.
    """

    id: str
    quantity: str
    method: str
    metric: str
    scale: str
    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    value: float | None
    spread: float | None
    tolerance: float
    note: str

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All pairs of model and benchmark it is averaged over."""
        return tuple(Setting(*pair) for pair in product(self.models, self.benchmarks))


@dataclass(frozen=True)
class ClaimSet:
    """The figures of one publication.

    Attributes:
        name: short name.
        source: where they were published.
        note: anything a reader should know about all of them.
        convention: how their ECE was measured, a name in `ccps.metrics.CONVENTIONS`.
        models: the models it covers.
        benchmarks: the benchmarks it covers.
        claims: the figures.
    """

    name: str
    source: str
    note: str
    convention: str
    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    claims: tuple[Claim, ...]


def parse_claims(content: Mapping[str, Any]) -> tuple[ClaimSet, ...]:
    """Read published figures, given as a mapping from the name of each set to the content of its file.

    A file names `models` and `benchmarks`, and holds one or more parts: `gaps`, a list of mappings with
    method, metric, scale, value, tolerance and note; `averages` over all models and benchmarks, `values` being
    method → metric → value or [value, standard deviation]; and `cells`, one for every model, benchmark and entry of its
    `methods` and `metrics`, `values` being model → benchmark → method → metric → value. A cell without a value is not
    known.

    Raises:
        UserError: when a key is missing or unknown, or a value is of the wrong kind.
    """
    return tuple(_parse_set(str(name), file) for name, file in content.items())


def _parse_set(name: str, file: Any) -> ClaimSet:
    here = f"`claims.{name}`"
    if not isinstance(file, Mapping) or not set(FILE_KEYS) <= set(file) <= {*FILE_KEYS, *PART_KEYS}:
        wanted = f"a mapping with {', '.join(FILE_KEYS)} and one or more of {', '.join(PART_KEYS)}"
        raise expected(here, wanted, list(file) if isinstance(file, Mapping) else file, WAY_OUT)
    _check_shape(here, file)
    claims = (
        *_gaps(name, file, file.get("gaps") or ()),
        *_averages(name, file, file.get("averages") or {}),
        *_cells(name, file, file.get("cells") or {}),
    )
    ids = [claim.id for claim in claims]
    if len(set(ids)) != len(ids):
        raise expected(f"the figures of {here}", "all different", ids, WAY_OUT)
    source, note, convention = (str(file[key]) for key in FILE_KEYS[:3])
    return ClaimSet(name, source, note, convention, tuple(file["models"]), tuple(file["benchmarks"]), claims)


def _check_shape(here: str, file: Mapping[str, Any]) -> None:
    """Refuse what is no text, no list or no mapping where one is read."""
    for key in FILE_KEYS[:3]:
        if not isinstance(file[key], str | None):
            raise expected(f"`{key}` in {here}", "a text or null", file[key], WAY_OUT)
    for key in FILE_KEYS[3:]:
        _check_names(here, key, file[key])
    if not isinstance(file.get("gaps") or [], list | tuple):
        raise expected(f"`gaps` in {here}", "a list", file["gaps"], WAY_OUT)


def _check_names(here: str, key: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise expected(f"`{key}` in {here}", "a list of names", value, WAY_OUT)


def _mapping(here: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise expected(f"`values` in {here}", "nested mappings", value, WAY_OUT)
    return value


def _gaps(name: str, file: Mapping[str, Any], rows: Any) -> Iterator[Claim]:
    here = f"`claims.{name}.gaps`"
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != set(GAP_KEYS):
            raise expected(f"an entry of {here}", f"a mapping with {list(GAP_KEYS)}", row, WAY_OUT)
        if not isinstance(row["note"], str | None):
            raise expected(f"`note` in {here}", "a text or null", row["note"], WAY_OUT)
        if not isinstance(row["scale"], str) or row["scale"] not in GAP_SCALES:
            raise expected(f"`scale` in {here}", f"one of {list(GAP_SCALES)}", row["scale"], WAY_OUT)
        metric, scale = _metric(here, row["metric"]), str(row["scale"])
        how = "relative to" if scale == "relative" else "minus"
        yield Claim(
            id=f"{name}/{row['method']}/{metric}_{scale}",
            quantity=f"{CONTEST[metric].label} of {row['method']} {how} that of the strongest other method",
            method=str(row["method"]),
            metric=metric,
            scale=scale,
            models=tuple(file["models"]),
            benchmarks=tuple(file["benchmarks"]),
            value=read_number(here, row["value"]),
            spread=None,
            tolerance=read_tolerance(here, row),
            note=" ".join(text for text in (row["note"], file["note"]) if text),
        )


def _averages(name: str, file: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Claim]:
    here = f"`claims.{name}.averages`"
    if not part:
        return
    check_keys(here, part, ("tolerance", "values"))
    for method, metrics in _mapping(here, part["values"]).items():
        for metric, given in _mapping(here, metrics).items():
            pair = given if isinstance(given, list | tuple) else (given, None)
            if len(pair) != 2:
                raise expected(here, "a value, or a value and its standard deviation", given, WAY_OUT)
            yield Claim(
                id=f"{name}/{method}/{metric}",
                quantity=f"{CONTEST[_metric(here, metric)].label} of {method}",
                method=str(method),
                metric=str(metric),
                scale="value",
                models=tuple(file["models"]),
                benchmarks=tuple(file["benchmarks"]),
                value=read_number(here, pair[0]),
                spread=read_number(here, pair[1]),
                tolerance=read_tolerance(here, part),
                note=str(file["note"]),
            )


def _cells(name: str, file: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Claim]:
    here = f"`claims.{name}.cells`"
    if not part:
        return
    check_keys(here, part, ("tolerance", "methods", "metrics", "values"))
    for what in ("methods", "metrics"):
        _check_names(here, what, part[what])
    keys = list(product(file["models"], file["benchmarks"], part["methods"], part["metrics"]))
    known, named = dict(_leaves(part["values"], 4)), set(keys)
    if astray := [key for key in known if key not in named]:
        wanted = "of a model, benchmark, method and metric that are named there"
        raise expected(f"the values of {here}", wanted, astray, WAY_OUT)
    for key in keys:
        model, benchmark, method, metric = key
        yield Claim(
            id="/".join((name, *key)),
            quantity=f"{CONTEST[_metric(here, metric)].label} of {method}, {model} on {benchmark}",
            method=method,
            metric=metric,
            scale="value",
            models=(model,),
            benchmarks=(benchmark,),
            value=read_number(here, known.get(key)),
            spread=None,
            tolerance=read_tolerance(here, part),
            note=str(file["note"]),
        )


def _leaves(tree: Any, depth: int, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if len(path) == depth:
        yield path, tree
        return
    if not isinstance(tree, Mapping):
        raise expected("`values` of cells", f"nested {depth} deep", f"{shown(tree)} at {path}", WAY_OUT)
    for key, below in tree.items():
        yield from _leaves(below, depth, (*path, str(key)))


def check_keys(here: str, part: Any, keys: Collection[str]) -> None:
    """Refuse a part of a file that is not a mapping with exactly these keys."""
    if not isinstance(part, Mapping) or set(part) != set(keys):
        raise expected(here, f"a mapping with {list(keys)}", part, WAY_OUT)


def _metric(here: str, metric: Any) -> str:
    if not isinstance(metric, str) or metric not in CONTEST:
        raise expected(f"`metric` in {here}", f"one of {list(CONTEST)}", metric, WAY_OUT)
    return str(metric)


def read_number(here: str, value: Any) -> float | None:
    """A published figure; None where it is not known."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        got = repr(value) if isinstance(value, str) else value  # '0.1' is a text, which has to be seen
        raise expected(f"a value of {here}", "a number or null", got, WAY_OUT)
    return float(value)


def read_tolerance(here: str, part: Mapping[str, Any]) -> float:
    """The tolerance of a part of a file."""
    value = read_number(here, part["tolerance"])
    if value is None or value < 0:
        raise expected(f"`tolerance` in {here}", "a number of at least 0", part["tolerance"], WAY_OUT)
    return value
