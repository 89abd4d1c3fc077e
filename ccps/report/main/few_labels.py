"""A few labels of the target: calibration of every method against how many questions of it are labelled."""

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.few_labels import COMPARED, FewLabels
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.shown import at, main_methods
from ccps.analysis.verdict import MARKS, Standing, standing
from ccps.core.text import interval, level_words, listed, percent, signed_points, slug
from ccps.metrics import METRICS
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import method_styles, new_figure, title_left
from ccps.report.kit.table import Cell, Table
from ccps.report.main.job import MAIN, heading_of

SHOWN = 100
"""Labels of the table: what somebody can make in an hour or two. The largest number below it where a test is small."""

_DRAWN = ("ece", "brier")
# More lines than this cannot be told apart; the others are drawn grey.
_NAMED = 6
_GREY = "#c3cad0"


def few_labels_section(found: Findings) -> Section | None:
    """What a few labels change, with a table of the methods; None where no number of labels was asked for."""
    data, measured = found.data, found.few_labels
    if measured.curves.empty:
        return None
    words = (
        "A confidence that has learnt the share of right answers in its training is off by it wherever the share is "
        "another. Whoever uses it can label some questions of their own: one number, fitted to the labels, is then "
        "added to the log-odds of every answer (an intercept, with a prior that weighs as one label at most). Here k "
        f"test questions are labelled at random and the others tested, {data.label_draws} times for each k, with the "
        "same draws for all methods.",
        "An intercept keeps the order of the answers: AUROC does not change, and is not drawn.",
    )
    return Section(
        "few_labels",
        "What a few labels of one’s own are worth",
        words,
        [_table(data, measured, setting) for setting in data.settings],
        _notes(data, measured),
        link="Few labels",
        folded=f"calibration with up to {int(measured.curves['k'].max())} labelled questions of the test",
    )


def _notes(data: ReportData, measured: FewLabels) -> list[str]:
    shown = (
        "ECE is that of P(correct) over all tested questions at once, whatever the main tables use. Values are means "
        f"over draws. The {level_words(data.level)} intervals cover which questions were labelled, which were asked "
        "(by whole subjects, where there are several) and from which seeds methods were trained: they are as wide as "
        f"one who labels once has to expect. {', '.join(f'{mark} {kind.value}' for kind, mark in MARKS.items())}. All "
        "numbers of labels stand in tables/few_labels.csv and tables/few_labels_differences.csv."
    )
    left_out = [
        f"{one.benchmark}: {one.k} labels are left out, as they would take more than half of its {one.questions:,} "
        "questions."
        for one in measured.skipped
    ]
    return [shown, *left_out]


def _table(data: ReportData, measured: FewLabels, setting: Setting) -> Table:
    """Every method without a label and with `SHOWN`, and its differences to the untrained one."""
    curves, differences = at(measured.curves, setting), at(measured.differences, setting)
    k = shown_count(curves)
    rivals = [str(name) for name in differences["other"].drop_duplicates()]
    rows: list[Sequence[str | Cell]] = []
    for method in data.methods:
        own = curves[curves["method"] == method]
        if own.empty:
            continue
        apart = differences[(differences["method"] == method) & (differences["k"] == k)]
        rows.append(
            (
                data.label(method) + (" (control)" if method in data.controls else ""),
                *(_value(own, metric, count) for metric in _DRAWN for count in dict.fromkeys((0, k))),
                *(_difference(apart, metric) for metric in (COMPARED if rivals else ())),
                f"{int(own.loc[own['k'] == k, 'n'].iloc[0]):,}",
            )
        )
    head = [f"{METRICS[metric].label}, {_labels(count)}" for metric in _DRAWN for count in dict.fromkeys((0, k))]
    against = [f"{METRICS[metric].label} less {data.label(rival)}’s" for rival in rivals for metric in COMPARED]
    caption = f"{heading_of(setting)}, {_labels(k)}"
    return Table(caption, ["Method", *head, *against, "n tested"], rows)


def shown_count(curves: pd.DataFrame) -> int:
    """The number of labels of the table: the largest that is not above `SHOWN`."""
    counts = [int(k) for k in curves["k"].unique()]
    return max((k for k in counts if k <= SHOWN), default=min(counts))


def _labels(k: int) -> str:
    return f"{k or 'no'} label{'' if k == 1 else 's'}"


def _value(rows: pd.DataFrame, metric: str, k: int) -> Cell:
    here = rows[(rows["metric"] == metric) & (rows["k"] == k)]
    if here.empty:
        return Cell("")
    one = here.iloc[0]
    return Cell(percent(one["value"]), interval(one["low"], one["high"]))


def _difference(rows: pd.DataFrame, metric: str) -> Cell:
    here = rows[rows["metric"] == metric]
    if here.empty:
        return Cell("")
    one = here.iloc[0]
    found = standing(metric, one["low"], one["high"], one["reservation"])
    if found is Standing.NONE:
        return Cell(signed_points(one["value"]), f"({one['reservation']})", word=found.value, kind="missing")
    ends = f"[{signed_points(one['low'])}, {signed_points(one['high'])}]"
    return Cell(signed_points(one["value"]), ends, MARKS.get(found, ""), found.value, found.name.lower())


@MAIN.figure("few_labels")
def label_curves(found: Findings) -> Iterator[Picture]:
    """ECE and Brier score against the number of labels, a figure for each setting."""
    for setting in found.data.settings:
        curves = at(found.few_labels.curves, setting)
        if curves["k"].nunique() > 1:
            yield _label_curves(found, setting, curves)


def _label_curves(found: Findings, setting: Setting, curves: pd.DataFrame) -> Picture:
    data, named = found.data, named_methods(found, setting, curves)
    figure = new_figure(7.4, 4.2)
    panels = figure.subplots(1, len(_DRAWN), sharex=True)
    for axes, metric in zip(panels, _DRAWN, strict=True):
        _draw(axes, data, curves[curves["metric"] == metric], named)
        title_left(axes, METRICS[metric].label)
        axes.set_xlabel("labelled questions of the test")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower left", ncols=2, handlelength=2.6)
    others = curves["method"].nunique() - len(named)
    caption = f"Means over {data.label_draws} draws, lower is better. " + (
        f"Grey: {others} other methods, controls among them." if others else ""
    )
    alt = f"ECE and Brier score on {heading_of(setting)} by the number of labelled questions. " + " ".join(
        f"{data.label(method)}: {_in_words(curves[curves['method'] == method])}." for method in named
    )
    return picture(figure, heading_of(setting), f"few-labels-{slug(*setting)}", caption.strip(), alt)


def named_methods(found: Findings, setting: Setting, curves: pd.DataFrame) -> list[str]:
    """The methods drawn in colour: the reference, the untrained one, those of the lowest Brier score with labels."""
    data, k = found.data, shown_count(curves)
    compared = at(found.few_labels.differences, setting)["other"].drop_duplicates()
    brier = curves[(curves["metric"] == "brier") & (curves["k"] == k)].set_index("method")["value"].sort_values()
    wanted = dict.fromkeys([data.reference, *compared, *brier.index, *main_methods(data, setting)])
    chosen = [method for method in wanted if method in brier.index and method not in data.controls][:_NAMED]
    return [method for method in data.methods if method in chosen]


def _draw(axes: Axes, data: ReportData, rows: pd.DataFrame, named: Sequence[str]) -> None:
    for method, style in reversed(method_styles(data.methods).items()):
        own = rows[rows["method"] == method].sort_values("k")
        shown = method in named
        axes.plot(
            own["k"],
            own["value"],
            color=style.colour if shown else _GREY,
            linestyle=style.dashes if shown else "-",
            linewidth=2.2 if method == data.reference else 1.5 if shown else 0.8,
            marker="o" if shown else "",
            markersize=3.5,
            zorder=2.5 if shown else 1.5,
            label=data.label(method) if shown else "_",
        )
    axes.set_xticks(sorted(rows["k"].unique()))
    axes.set_ylim(bottom=0 if rows["metric"].eq("ece").all() else None)
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def _in_words(rows: pd.DataFrame) -> str:
    parts = []
    for metric in _DRAWN:
        own = rows[rows["metric"] == metric].sort_values("k")
        values = [f"{percent(value)} % at {k}" for k, value in zip(own["k"], own["value"], strict=True)]
        parts.append(f"{METRICS[metric].label} {listed(values)}")
    return ", ".join(parts)
