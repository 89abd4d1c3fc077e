"""Figures that show several methods or seeds at once: risk and coverage, subjects, probe training."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.core.text import percent, slug
from ccps.metrics import risk_coverage
from ccps.report.figures import (
    INK,
    SOFT,
    WIDE,
    Picture,
    first_seed,
    heading_of,
    main_methods,
    method_styles,
    new_figure,
    picture,
    seed_words,
)

# The error rate of fewer answers than this swings too widely to be worth a line.
_FEWEST_ANSWERS = 20
# More lines than this cannot be told apart; the others are then drawn grey.
_MOST_LINES = 7
_GREY = "#c3cad0"
_LONG_LABEL = 32
_SUBJECT_METRIC = "brier"


def risk_coverages(data: ReportData) -> list[Picture]:
    """Risk–coverage curves of all methods, one figure per setting."""
    return [_risk_coverage(data, setting) for setting in data.settings]


def _risk_coverage(data: ReportData, setting: Setting) -> Picture:
    figure = new_figure(WIDE, 4.2)
    axes = figure.subplots()
    words, highest, seeded = [], 0.0, set()
    named = data.methods if len(data.methods) <= _MOST_LINES else main_methods(data, setting)
    for method, style in reversed(method_styles(data.methods).items()):
        rows = first_seed(data.scores, setting, method)
        scored = rows.dropna(subset=["p_correct"])
        if scored.empty:
            continue
        curve = risk_coverage(scored["p_correct"].to_numpy(float), scored["correct"].to_numpy(bool))
        shown = curve.coverage * len(scored) >= min(_FEWEST_ANSWERS, len(scored))
        highest = max(highest, float(curve.risk[shown].max()))
        text = f"{data.label(method)} (area {percent(curve.aurc)} %)"
        axes.plot(
            curve.coverage[shown],
            curve.risk[shown],
            color=style.colour if method in named else _GREY,
            linestyle=style.dashes if method in named else "-",
            linewidth=2.2 if method == data.reference else 1.5 if method in named else 0.8,
            zorder=2.5 if method in named else 1.5,
            label=text if method in named else "_",
        )
        words.append(text)
        seeded.add(seed_words(rows))
    axes.set(xlim=(0, 1), ylim=(0, max(1.08 * highest, 0.01)))
    axes.set(xlabel="share of answers kept, surest first", ylabel="of those, wrong")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels), default=0) > _LONG_LABEL else 2
    figure.legend(handles[::-1], labels[::-1], loc="outside lower left", ncols=columns, handlelength=2.6)
    seeds = " ".join(sorted(seeded - {""}))
    grey = f"Grey: {len(data.methods) - len(named)} other methods. " if len(named) < len(data.methods) else ""
    caption = f"Area: mean error rate over all shares. Drawn from answer {_FEWEST_ANSWERS} on. {grey}{seeds}".strip()
    alt = f"Risk–coverage curves on {heading_of(setting)}: {', '.join(reversed(words))}."
    name = f"risk-coverage-{slug(*setting)}"
    return picture(figure, "risk_coverage", heading_of(setting), name, caption, alt)


def subjects(data: ReportData, table: pd.DataFrame) -> list[Picture]:
    """Brier score of each subject (the rows of `per_subject`), the reference beside the own probability."""
    methods = [data.reference, *([data.own_method] if data.own_method else [])]
    drawn = [method for method in methods if method in data.methods]
    pictures = []
    for setting in data.settings:
        here = table[(table["model"] == setting.model) & (table["benchmark"] == setting.benchmark)]
        if drawn and not here.empty:
            pictures.append(_subjects(data, setting, here, drawn))
    return pictures


def _subjects(data: ReportData, setting: Setting, table: pd.DataFrame, methods: Sequence[str]) -> Picture:
    columns = [f"{_SUBJECT_METRIC}_{method}" for method in methods]
    rows = table.sort_values(columns[0], ascending=False, kind="stable", na_position="first")
    places = range(len(rows))
    figure = new_figure(WIDE, 1.3 + 0.2 * len(rows))
    axes = figure.subplots()
    axes.hlines(places, rows[columns].min(axis=1), rows[columns].max(axis=1), color=SOFT, linewidth=0.8, alpha=0.6)
    styles = method_styles(data.methods)
    for place, method in reversed(list(enumerate(methods))):
        axes.plot(
            rows[columns[place]],
            places,
            linestyle="none",
            marker="o",
            markersize=5,
            color=styles[method].colour,
            markerfacecolor=styles[method].colour if place == 0 else "white",
            label=data.label(method),
        )
    axes.set_yticks(places, [_subject_label(name, n) for name, n in zip(rows["subject"], rows["n"], strict=True)])
    axes.set(ylim=(-0.7, len(rows) - 0.3), xlabel="Brier score in percent, lower is better")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=2)
    alt = f"Brier score by subject on {heading_of(setting)}, {len(rows)} subjects"
    if len(methods) == 2:
        ahead = int((rows[columns[0]] < rows[columns[1]]).sum())
        alt += f"; {data.label(methods[0])} is lower than {data.label(methods[1])} in {ahead} of them"
    caption = "Subjects with few questions scatter widely; the number after each name counts them."
    name = f"subjects-{slug(*setting)}"
    return picture(figure, "subjects", heading_of(setting), name, caption, f"{alt}.")


def _subject_label(name: object, n: int) -> str:
    return f"{str(name).replace('_', ' ')}  {n}"


def training(data: ReportData) -> list[Picture]:
    """Loss, and accuracy where it was recorded, over the steps of each training stage; one line per seed."""
    keys = ["model", "format"] if "format" in data.curves else ["model"]
    probes = data.curves.groupby(keys, sort=False)
    return [_training(" · ".join(str(part) for part in key), curves) for key, curves in probes]


def _training(probe: str, curves: pd.DataFrame) -> Picture:
    stages = [str(stage) for stage in curves["stage"].drop_duplicates()]
    measures = [name for name in ("loss", "accuracy") if curves[name].notna().any()]
    figure = new_figure(WIDE, 0.5 + 1.9 * len(measures))
    grid = figure.subplots(len(measures), len(stages), squeeze=False, sharex="col")
    for column, stage in enumerate(stages):
        for line, measure in enumerate(measures):
            axes = grid[line, column]
            rows = curves[(curves["stage"] == stage) & curves[measure].notna()]
            for place, (_, one) in enumerate(rows.groupby("seed", dropna=False)):
                shade = max(0.3, 1 - 0.2 * place)
                axes.plot(one["step"], one[measure], color="#0072B2", linewidth=1.2, alpha=shade)
            if measure == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
            if rows.empty and line:
                axes.remove()
                grid[line - 1, column].tick_params(labelbottom=True)
                continue
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.set_ylabel(measure)
        grid[0, column].set_title(stage, loc="left", fontweight="bold")
    figure.supxlabel("step", fontsize=9)
    seeds = curves["seed"].dropna().nunique()
    alt = f"Training of the probe of {probe}: {' and '.join(measures)} over steps in {len(stages)} stages."
    return picture(figure, "training", probe, f"training-{slug(probe)}", f"One line per seed ({seeds}).", alt)
