"""The first screen: a sentence and a figure for each run, words against belief, between the two controls."""

from collections.abc import Iterator

import numpy as np

from ccps.analysis.faithful_control import EXACTLY, IN_PHRASES, Noticed, noticed
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import RANDOM, EstimatorScore, Excess, standing
from ccps.analysis.faithful_terms import label_of
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, decimal, percent
from ccps.report.faithful.job import FAITHFUL, finish, styles
from ccps.report.faithful.text import in_percent
from ccps.report.faithful.words import fraction
from ccps.report.kit.figure import Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, new_figure, title_left
from ccps.report.kit.table import Table

_SAID_AGAIN = ("given_1-different", "sampling")
"""Estimators whose 1 − C is the share of times that something else is said, the first that there is in front."""
_HEAD = (
    "Run",
    "Confidence",
    "Excess over dealt-out words",
    "Words that follow it in every step",
    "Noticed from",
    "Dealt-out words taken for such",
    "Hedged",
    "1 − C without a hedge",
    "1 − C with a hedge",
)


def main_estimator(cell: FaithfulCell) -> str | None:
    """The one that the first sentence and figure are about; None if no estimator has a control."""
    simulated = [name for name in cell.estimators if noticed(cell, name).known]
    return next((name for name in (*_SAID_AGAIN, *simulated) if name in simulated), None)


def seen_section(data: FaithfulData) -> Section | None:
    """What the words say of the belief, and what could have been seen; None where nothing was simulated."""
    mains = [(cell, name) for cell in data.cells if (name := main_estimator(cell)) is not None]
    if not mains:
        return None
    rows = [_row(cell, name) for cell in data.cells for name in cell.estimators if noticed(cell, name).known]
    note = (
        "Excess in cMFG* with its interval; noticed from: the least share of steps in which words must follow the "
        "confidence, put by the lexicon’s phrases, for 95 of 100 simulations on these traces to find an interval above "
        f"0 ({DASH}: not even all). 1 − C in percent, of the steps of entirely decisive words and of the others."
    )
    points = [text for cell, name in mains for text in (verdict(cell, name), doubt(cell, name)) if text]
    return Section("seen", "Words against belief", points=points, tables=[Table("", _HEAD, rows, "ll")], notes=[note])


def verdict(cell: FaithfulCell, name: str) -> str:
    """Whether the words follow the belief, between the control that must fail and the one that must succeed."""
    found, excess = noticed(cell, name), EstimatorScore(cell, name).excess(RANDOM)
    head, measure = f"{cell.heading}: ", label_of(name)
    if found.refuses:
        return f"{head}no verdict on {measure}: even words that follow it in every step would not have been noticed."
    seen = f"words that follow it in {percent(found.share, 0)} % of the steps would have been noticed"
    how = fraction(excess, signed=True)
    if standing(excess) is Excess.ABOVE:
        part = percent(excess.value / found.full)
        return (
            f"{head}the words follow the belief ({measure}): {how} over the same words dealt out at random, {part} % "
            f"of what words that follow it in every step would get ({decimal(found.full, 3)}); {seen}."
        )
    return f"{head}the words do not follow the belief ({measure}): {how} over the same words dealt out; {seen}."


def doubt(cell: FaithfulCell, name: str) -> str:
    """What it means for a reader; empty for a confidence that is not one of saying the same again."""
    plain, hedged = (cell.measured(name, metric) for metric in ("doubt_unhedged", "doubt_hedged"))
    if name not in _SAID_AGAIN or not plain.known:
        return ""
    beside = f", of those said with one in {_of_steps(hedged)}" if hedged.known else ""
    return (
        f"{cell.heading}: of the steps said without a hedge, the model would say something else in {_of_steps(plain)}"
        f"{beside} ({label_of(name)})."
    )


def _of_steps(share: Estimate) -> str:
    """A share in percent with its sign."""
    value, *ends = in_percent(share).split(" ", 1)
    return " ".join([value, "%", *ends])


def _row(cell: FaithfulCell, name: str) -> list[str]:
    found = noticed(cell, name)
    metrics = ("hedged", "doubt_unhedged", "doubt_hedged")
    return [
        cell.heading,
        label_of(name),
        fraction(EstimatorScore(cell, name).excess(RANDOM), signed=True),
        decimal(found.full, 3),
        percent(found.share),
        percent(found.false),
        *(in_percent(cell.measured(name, metric)) for metric in metrics),
    ]


@FAITHFUL.figure("seen")
def seen_figures(data: FaithfulData) -> Iterator[Picture]:
    """One figure per run that has a control."""
    return (_draw(cell) for cell in data.cells if main_estimator(cell) is not None)


def _draw(cell: FaithfulCell) -> Picture:
    figure = new_figure(8.6, 3.4)
    left, right = figure.subplots(1, 2)
    words = []
    level = cell.measured("", "mean_decisiveness").value
    left.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (4, 3)), label="planted: they follow it")
    left.axhline(level, color=SOFT, linestyle=":", label="dealt out at random")
    for name, style in styles(cell).items():
        rows = cell.reliability[cell.reliability["estimator"] == name].sort_values("confidence")
        if rows.empty or not noticed(cell, name).known:
            continue
        c, d = rows["confidence"].to_numpy(float), rows["decisiveness"].to_numpy(float)
        left.plot(c, d, color=style.colour, marker="o", markersize=4, label=label_of(name))
        right.plot(*_curve(cell, name), color=style.colour, marker="o", markersize=3)
        words.append(
            f"{label_of(name)} from {decimal(d[0], 2)} to {decimal(d[-1], 2)}, {_in_words(noticed(cell, name))}"
        )
    left.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean confidence of the steps in a bin", ylabel="mean decisiveness")
    left.legend(loc="lower right")
    right.axhline(0.95, color=SOFT, linewidth=1)
    right.set(
        xlim=(0, 1), ylim=(-0.02, 1.04), xlabel="share of steps whose words follow it", ylabel="simulations that notice"
    )
    title_left(left, "Words against belief", cell.heading)
    title_left(right, "What could have been seen", "planted by the lexicon’s phrases")
    caption = "Left: the words between the two controls. Right: how often planted words would have been noticed."
    return finish(cell, figure, "seen", caption, f"On {cell.heading}, decisiveness: {'; '.join(words)}.")


def _curve(cell: FaithfulCell, name: str) -> tuple[np.ndarray, np.ndarray]:
    rows = cell.control[(cell.control["estimator"] == name) & (cell.control["planted"] == IN_PHRASES)]
    ordered = rows.sort_values("share")
    return ordered["share"].to_numpy(float), (ordered["found"] / ordered["of"]).to_numpy(float)


def _in_words(found: Noticed) -> str:
    return "never noticed" if found.refuses else f"noticed from {percent(found.share, 0)} % of the steps on"


def noticed_in_words(data: FaithfulData) -> str:
    """A sentence on what could have been seen, over all runs and estimators; empty where nothing was simulated."""
    found = [noticed(cell, name, EXACTLY) for cell in data.cells for name in cell.estimators]
    known = [one for one in found if one.known]
    if not known:
        return ""
    shares = sorted(one.share for one in known if not one.refuses)
    refused = sum(one.refuses for one in known)
    texts = []
    if shares:
        spread = (
            percent(shares[0], 0) if shares[0] == shares[-1] else f"{percent(shares[0], 0)} to {percent(shares[-1], 0)}"
        )
        texts.append(f"Words that follow the confidence in {spread} % of the steps would have been noticed here.")
    if refused:
        texts.append(
            f"On {refused} of {len(known)} scores there is no verdict: even words that follow the confidence in every "
            "step would not have been noticed."
        )
    return " ".join(texts)
