"""The verdict in plain words, computed from the paired differences alone."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from ccps.analysis.records import Setting
from ccps.core.text import listed, signed_points
from ccps.metrics import CONTEST

# More methods than these make a sentence that nobody reads to its end.
_NAMED = 3


class Standing(StrEnum):
    """How the reference method stands to another one, or to all others."""

    BETTER = "better"
    WORSE = "worse"
    LEVEL = "not distinguishable"
    NONE = "no verdict"
    MISSING = "not measured"


MARKS = {Standing.BETTER: "▲", Standing.WORSE: "▼", Standing.LEVEL: "·"}


@dataclass(frozen=True)
class PairedDifference:
    """One paired difference, reference − other, as a fraction, and what it means."""

    setting: Setting
    metric: str
    other: str
    value: float
    low: float
    high: float
    standing: Standing
    reservation: str = ""
    """Why there is no verdict."""
    detectable: float = math.nan
    """The smallest difference that so many questions would show with a power of 80 %."""

    @property
    def text(self) -> str:
        """The difference in percentage points with its interval, or why that says nothing."""
        if self.standing is Standing.MISSING:
            return signed_points(math.nan)
        if self.standing is Standing.NONE:
            return f"{signed_points(self.value)} ({self.reservation})"
        return f"{signed_points(self.value)} [{signed_points(self.low)}, {signed_points(self.high)}]"

    @property
    def marked(self) -> str:
        """The same, with a mark that says what it means."""
        return f"{MARKS.get(self.standing, '')} {self.text}".strip()


@dataclass(frozen=True)
class ExperimentVerdict:
    """The answer of an experiment.

    Attributes:
        conclusion: one sentence.
        comparisons: the differences behind them.
    """

    conclusion: str
    comparisons: tuple[PairedDifference, ...]


def standing(metric: str, low: float, high: float, reservation: str = "") -> Standing:
    """Read the interval of a difference reference − other: better, worse, or 0 within it.

    With a reservation (`ccps.analysis.support`) it is none of these, whatever the interval.
    """
    if math.isnan(low) or math.isnan(high):
        return Standing.MISSING
    if reservation:
        return Standing.NONE
    if low <= 0 <= high:
        return Standing.LEVEL
    return Standing.BETTER if (high < 0) == CONTEST[metric].lower_is_better else Standing.WORSE


def compare(differences: pd.DataFrame) -> tuple[PairedDifference, ...]:
    """Judge every row of a table of paired differences (columns `DIFFERENCE_COLUMNS`)."""
    columns = ["model", "benchmark", "metric", "other", "value", "ci_low", "ci_high", "reservation", "detectable"]
    return tuple(
        PairedDifference(
            Setting(str(model), str(benchmark)),
            str(metric),
            str(other),
            float(value),
            float(low),
            float(high),
            standing(str(metric), float(low), float(high), why),
            why,
            float(detectable),
        )
        for model, benchmark, metric, other, value, low, high, why, detectable in differences[columns].itertuples(
            index=False
        )
    )


def decide(
    differences: pd.DataFrame, reference: str, label: Callable[[str], str] = str, controls: Collection[str] = ()
) -> ExperimentVerdict:
    """Say whether the reference method is better, worse or not distinguishable, and where.

    Against all others together it is "better" on a metric when it is better than each, "worse" when it is
    worse than any, and otherwise "not distinguishable".

    Args:
        differences: paired differences reference − other, columns `DIFFERENCE_COLUMNS`; may be empty.
        reference: method the differences are taken from.
        label: how a method is named to readers.
        controls: methods that the conclusion leaves out.
    """
    everything = compare(differences)
    comparisons = [comparison for comparison in everything if comparison.other not in controls]
    settings = list(dict.fromkeys(comparison.setting for comparison in comparisons))
    name = label(reference)
    if not comparisons:
        sentence = f"{name} was compared with no other method, so nothing can be said about whether it is better."
    elif len(settings) == 1:
        sentence = _conclusion_of_one(comparisons, name, label)
    else:
        sentence = _conclusion_of_many(comparisons, settings, name)
    return ExperimentVerdict(sentence, everything)


def _overall(comparisons: Sequence[PairedDifference]) -> Standing:
    found = {comparison.standing for comparison in comparisons}
    for standing_ in (Standing.WORSE, Standing.MISSING, Standing.NONE, Standing.LEVEL):
        if standing_ in found:
            return standing_
    return Standing.BETTER


def _by_standing(comparisons: Sequence[PairedDifference]) -> dict[Standing, list[str]]:
    """The metrics on which the reference stands thus to all others, in the order of `CONTEST`."""
    groups: dict[Standing, list[str]] = {kind: [] for kind in Standing}
    for metric in CONTEST:
        here = [comparison for comparison in comparisons if comparison.metric == metric]
        groups[_overall(here) if here else Standing.MISSING].append(metric)
    return groups


def _labels(metrics: Sequence[str]) -> str:
    return listed([CONTEST[metric].label for metric in metrics])


def _conclusion_of_one(comparisons: Sequence[PairedDifference], name: str, label: Callable[[str], str]) -> str:
    groups = _by_standing(comparisons)
    better, worse, level = groups[Standing.BETTER], groups[Standing.WORSE], groups[Standing.LEVEL]
    others = list(dict.fromkeys(comparison.other for comparison in comparisons))
    each = label(others[0]) if len(others) == 1 else "every other method"
    any_ = label(others[0]) if len(others) == 1 else "at least one other method"
    everywhere = f"all {len(CONTEST)} metrics"
    if len(better) == len(CONTEST):
        return f"{name} wins: it is better than {each} on {everywhere}."
    if len(worse) == len(CONTEST):
        return f"{name} loses: it is worse than {any_} on {everywhere}."
    if len(level) == len(CONTEST):
        return _no_winner(name, label(others[0]) if len(others) == 1 else None)
    clauses = []
    if better:
        clauses.append(f"better than {each} on {_labels(better)}")
    if worse:
        clauses.append(f"worse than {_beaters(comparisons, worse, label)}")
    if level:
        clauses.append(f"not distinguishable from {any_} on {_labels(level)}")
    if groups[Standing.NONE]:
        why = _reservation(comparisons, groups[Standing.NONE])
        if len(groups[Standing.NONE]) == len(CONTEST):
            return f"No verdict on whether {name} is better than {each}: {why}."
        clauses.append(f"without a verdict on {_labels(groups[Standing.NONE])} ({why})")
    if groups[Standing.MISSING]:
        clauses.append(f"not compared with {each} on {_labels(groups[Standing.MISSING])}")
    return f"{_opening(bool(better), bool(worse), name)} is {'; '.join(clauses)}."


def _reservation(comparisons: Sequence[PairedDifference], metrics: Sequence[str]) -> str:
    """Why these metrics have no verdict, each reason once."""
    whys = [one.reservation for one in comparisons if one.metric in metrics and one.standing is Standing.NONE]
    return "; ".join(dict.fromkeys(whys))


def _no_winner(name: str, only_other: str | None) -> str:
    if only_other is not None:
        return f"No winner: on none of the {len(CONTEST)} metrics can {name} be told from {only_other}."
    return (
        f"No winner: on none of the {len(CONTEST)} metrics is {name} clearly better than every other method, "
        "and on none clearly worse than any."
    )


def _opening(better: bool, worse: bool, name: str) -> str:
    """The first words of a sentence, up to its verb."""
    if better and worse:
        return f"Mixed: {name}"
    if better:
        return f"{name} is ahead in part: it"
    return f"{name} loses in part: it" if worse else f"No winner: {name}"


def _beaters(comparisons: Sequence[PairedDifference], metrics: Sequence[str], label: Callable[[str], str]) -> str:
    """Who beats the reference, and on what: `P(True) on ECE and ACC and P(IK) on ACC`."""
    beaten = [c for c in comparisons if c.standing is Standing.WORSE and c.metric in metrics]
    others = list(dict.fromkeys(comparison.other for comparison in beaten))
    if len(others) > _NAMED:
        return f"one or more of {len(others)} other methods on {_labels(metrics)}"
    return listed(
        [
            f"{label(other)} on {_labels([metric for metric in metrics if _has(beaten, other, metric)])}"
            for other in others
        ]
    )


def _has(comparisons: Sequence[PairedDifference], other: str, metric: str) -> bool:
    return any(comparison.other == other and comparison.metric == metric for comparison in comparisons)


def _conclusion_of_many(comparisons: Sequence[PairedDifference], settings: Sequence[Setting], name: str) -> str:
    groups = [_by_standing([c for c in comparisons if c.setting == setting]) for setting in settings]
    better, worse, level, none, missing = (sum(len(group[kind]) for group in groups) for kind in Standing)
    total = len(settings) * len(CONTEST)
    if better == total:
        opening = f"{name} wins: it"
    elif worse == total:
        opening = f"{name} loses: it"
    else:
        opening = _opening(better > 0, worse > 0, name)
    text = (
        f"{opening} is better than every other method in {better} of {total} contests "
        f"({len(CONTEST)} metrics on {len(settings)} pairs of model and benchmark), "
        f"worse than at least one in {worse}, and neither in {level}"
    )
    if none:
        text += f"; in {none} there is no verdict ({_reservation(comparisons, list(CONTEST))})"
    return f"{text}; {missing} could not be compared." if missing else f"{text}."
