"""The first screen: a sentence and a figure for each run, words against belief, between the two controls."""

from collections.abc import Iterator, Sequence

from ccps.analysis.faithful_control import SAID_AGAIN, main_estimator, noticed
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import RANDOM, EstimatorScore, Excess, standing
from ccps.analysis.faithful_terms import label_of
from ccps.analysis.records import Estimate
from ccps.core.text import decimal, listed, percent, slug
from ccps.report.faithful.job import FAITHFUL, finish, styles
from ccps.report.faithful.text import in_percent
from ccps.report.faithful.words import conclusion, fraction
from ccps.report.kit.figure import Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, WIDE, new_figure, title_left

_NOT_TOLD = {
    Excess.TOO_FEW: "there are too few traces",
    Excess.POINT: "every resample gives the same",
    Excess.NO_INTERVAL: "it has no interval",
    Excess.MISSING: "it has no score",
}


def seen_section(data: FaithfulData) -> Section | None:
    """A part for each run: what the words say of the belief, and a figure; None where nothing was simulated."""
    parts = [
        Section(f"seen-{slug(*cell.names)}", cell.heading, [verdict(cell, name)])
        for cell in data.cells
        if (name := main_estimator(cell)) is not None
    ]
    return Section("seen", "Words against belief", parts=parts) if parts else None


def reader_section(data: FaithfulData) -> Section | None:
    """How little the model believes of what it says without a hedge, for each run; None where that is not known."""
    points = [text for cell in data.cells if (name := main_estimator(cell)) and (text := doubt(cell, name))]
    return Section("reader", "What it means for a reader", points=points, link="For a reader") if points else None


def lead(data: FaithfulData) -> str:
    """The page in a sentence or two: of all runs taken together, or the only one; else how many scores say what."""
    cells = [cell for cell in data.cells if cell.together] or data.cells
    name = main_estimator(cells[0])
    if len(cells) > 1 or name is None:
        return conclusion(data)
    scores = [EstimatorScore(cells[0], one) for one in cells[0].estimators if noticed(cells[0], one).known]
    judged = [one for one in scores if not _untold(one)]
    follow = [one for one in judged if standing(one.excess(RANDOM)) is Excess.ABOVE]
    rest = [one for one in judged if one not in follow]
    told = [_follows(follow), f"{'They' if follow else 'The words'} do not follow {_names(rest)}." if rest else ""]
    for why in dict.fromkeys(_untold(one) for one in scores if _untold(one)):
        told.append(f"Of {_names([one for one in scores if _untold(one) == why])} nothing can be told: {why}.")
    return " ".join(text for text in (*told, doubt(cells[0], name, brief=True)) if text)


def _follows(scores: Sequence[EstimatorScore]) -> str:
    if not scores:
        return ""
    parts = sorted({percent(one.excess(RANDOM).value / noticed(one.cell, one.estimator).full, 0) for one in scores})
    return (
        f"The words follow {_names(scores)}, with {' to '.join([*parts[:1], *parts[1:][-1:]])} % of the excess over "
        "chance that words which follow it in every step would have."
    )


def _untold(score: EstimatorScore) -> str:
    """Why nothing can be told of whether the words follow a confidence; empty where something can."""
    if score.refused:
        return "even words that follow it in every step would not have been noticed"
    return _NOT_TOLD.get(standing(score.excess(RANDOM)), "")


def _names(scores: Sequence[EstimatorScore]) -> str:
    return listed([label_of(one.estimator) for one in scores])


def verdict(cell: FaithfulCell, name: str) -> str:
    """Whether the words follow the belief, between the control that must fail and the one that must succeed."""
    score = EstimatorScore(cell, name)
    found, excess = noticed(cell, name), score.excess(RANDOM)
    measure = label_of(name)
    if why := _untold(score):
        return f"No verdict on {measure}: {why}."
    seen = f"words that follow it in {percent(found.share, 0)} % of the steps would have been noticed"
    how = fraction(excess, signed=True)
    if standing(excess) is Excess.ABOVE:
        part = percent(excess.value / found.full)
        return (
            f"The words follow the belief ({measure}): {how} over the same words dealt out at random, {part} % of what "
            f"words that follow it in every step would get ({decimal(found.full, 3)}); {seen}."
        )
    return f"The words do not follow the belief ({measure}): {how} over the same words dealt out; {seen}."


def doubt(cell: FaithfulCell, name: str, *, brief: bool = False) -> str:
    """What it means for a reader; empty for a confidence that is not one of saying the same again.

    Args:
        cell: the run.
        name: of the confidence.
        brief: whether the run goes unnamed, and without interval and hedged steps.
    """
    plain, hedged = (cell.measured(name, metric) for metric in ("doubt_unhedged", "doubt_hedged"))
    if name not in SAID_AGAIN or not plain.known:
        return ""
    claim = "f the steps said without a hedge, the model would say something else in"
    if brief:
        return f"O{claim} {percent(plain.value, 0)} %."
    beside = f", of those said with one in {_of_steps(hedged)}" if hedged.known else ""
    return f"{cell.heading}: o{claim} {_of_steps(plain)}{beside} ({label_of(name)})."


def _of_steps(share: Estimate) -> str:
    """A share in percent with its sign."""
    value, *ends = in_percent(share).split(" ", 1)
    return " ".join([value, "%", *ends])


@FAITHFUL.figure("seen")
def seen_figures(data: FaithfulData) -> Iterator[Picture]:
    """One figure per run that has a control."""
    return (_draw(cell, name) for cell in data.cells if (name := main_estimator(cell)) is not None)


def _draw(cell: FaithfulCell, main: str) -> Picture:
    figure = new_figure(WIDE, 3.6)
    axes = figure.subplots()
    level = cell.measured("", "mean_decisiveness").value
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (4, 3)), label="must succeed: words that follow it")
    axes.axhline(level, color=SOFT, linestyle=":", label="must fail: the same words dealt out")
    words = []
    for name, style in styles(cell).items():
        rows = cell.reliability[cell.reliability["estimator"] == name].sort_values("confidence")
        if rows.empty or not noticed(cell, name).known:
            continue
        c, d = rows["confidence"].to_numpy(float), rows["decisiveness"].to_numpy(float)
        width, size = (2.2, 5) if name == main else (1, 2.5)
        axes.plot(c, d, color=style.colour, marker="o", markersize=size, linewidth=width, label=label_of(name))
        words.append(f"{label_of(name)} from {decimal(d[0], 2)} to {decimal(d[-1], 2)}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean confidence of the steps in a bin", ylabel="mean decisiveness")
    axes.legend(loc="lower right")
    title_left(axes, "Words against belief", cell.heading)
    caption = "How sure the words are, from the steps the model is least sure of to those it is surest of."
    return finish(cell, figure, "seen", caption, f"On {cell.heading}, decisiveness: {'; '.join(words)}.")
