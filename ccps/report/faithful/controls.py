"""What could have been seen: both controls of every confidence, in figures and a table."""

from collections.abc import Iterator

from ccps.analysis.faithful_control import EXACTLY, IN_PHRASES, Noticed, noticed
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import RANDOM, EstimatorScore
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import DASH, decimal, percent
from ccps.metrics.inputs import FloatArray
from ccps.reasoning.control import ENOUGH
from ccps.report.faithful.job import FAITHFUL, finish, styles
from ccps.report.faithful.text import in_percent
from ccps.report.faithful.words import fraction
from ccps.report.kit.figure import Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, WIDE, new_figure, title_left
from ccps.report.kit.table import Table

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


def controls_section(data: FaithfulData) -> Section | None:
    """A row per run and confidence; None where nothing was simulated."""
    rows = [_row(cell, name) for cell in data.cells for name in _simulated(cell)]
    if not rows:
        return None
    words = [text for text in (noticed_in_words(data),) if text]
    note = (
        "Excess in cMFG* with its interval; noticed from: the least share of steps in which words must follow the "
        "confidence, put by the lexicon’s phrases, for 95 of 100 simulations on these traces to find an interval above "
        f"0 ({DASH}: not even all); dealt-out words taken for such: in percent of {_dealt(data)} simulations. 1 − C in "
        "percent, of the steps of entirely decisive words and of the others."
    )
    table = Table("", _HEAD, rows, "ll")
    return Section("controls", "What could have been seen", words, [table], [note], link="Controls")


def _simulated(cell: FaithfulCell) -> list[str]:
    return [name for name in cell.estimators if noticed(cell, name).known]


def _dealt(data: FaithfulData) -> str:
    """How many simulations there are of words dealt out."""
    control = data.joined("control")
    return " or ".join(f"{n:,}" for n in sorted(set(control.loc[control["share"] == 0, "of"])))


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


@FAITHFUL.figure("controls")
def control_figures(data: FaithfulData) -> Iterator[Picture]:
    """One figure per run that has a control."""
    return (_draw(cell) for cell in data.cells if _simulated(cell))


def _draw(cell: FaithfulCell) -> Picture:
    figure = new_figure(WIDE, 3.2)
    axes = figure.subplots()
    words = []
    for name in _simulated(cell):
        colour = styles(cell)[name].colour
        axes.plot(*_curve(cell, name), color=colour, marker="o", markersize=3, label=label_of(name))
        words.append(f"{label_of(name)} {_in_words(noticed(cell, name))}")
    axes.axhline(ENOUGH, color=SOFT, linewidth=1)
    axes.set(
        xlim=(0, 1), ylim=(-0.02, 1.04), xlabel="share of steps whose words follow it", ylabel="simulations that notice"
    )
    axes.legend(loc="lower right")
    title_left(axes, "What could have been seen", cell.heading)
    caption = "How often words planted by the lexicon’s phrases would have been noticed, by the share of the steps."
    return finish(cell, figure, "controls", caption, f"Planted words on {cell.heading}: {'; '.join(words)}.")


def _curve(cell: FaithfulCell, name: str) -> tuple[FloatArray, FloatArray]:
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
