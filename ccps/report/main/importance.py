"""What the probes listen to: single features, and groups of them."""

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ccps.analysis.findings import Findings
from ccps.analysis.probe_importance import ProbeImportance, probes
from ccps.core.text import interval, level_words, listed, percent, slug
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, method_styles, new_figure
from ccps.report.kit.table import Table
from ccps.report.main.job import MAIN

_FEATURES_SHOWN = 20
_WORDS = (
    "Left: how far each feature moves P(correct) on average, in percentage points (mean of absolute SHAP values). "
    "Right: how far AUROC falls when all features of a group are shuffled together among answers; a group that others "
    "can stand in for loses little, however much the probe listens to it.",
    "All features stand in tables/importance.csv.",
)


def importance_section(found: Findings) -> Section | None:
    """The drops of all groups as a table; None where no importance was measured."""
    shap, drops = found.data.importance.shap, found.data.importance.drops
    if shap.empty and drops.empty:
        return None
    rows = [
        (f"{row.model} ({row.format})", str(row.group), percent(float(row.drop)), interval(row.ci_low, row.ci_high))
        for row in drops.itertuples(index=False)
    ]
    head = ("Probe", "Group of features", "Drop in AUROC, points", f"{level_words(found.data.level)} interval")
    tables = [Table("", head, rows, "ll")] if rows else []
    words = [*_WORDS, *_sampled(shap)]
    brief = f"{len(shap)} features and {len(rows)} groups"
    if rows:
        top = drops.loc[drops["drop"].idxmax()]
        brief += f"; most is lost without {top['group']}, {percent(float(top['drop']))} points of AUROC"
    return Section("importance", "What the probe listens to", words, tables, link="Features", folded=brief)


def _sampled(shap: pd.DataFrame) -> Iterator[str]:
    """What SHAP values were estimated from, of each probe."""
    for (model, form), rows in shap.groupby(["model", "format"], sort=False) if "background" in shap else ():
        one = rows.iloc[0]
        yield (
            f"SHAP values of {model} ({form}) are estimated from {one['n']} test answers, each against "
            f"{one['background']} training answers, in {one['permutations']} orders of the features, both ways."
        )


@MAIN.figure("importance")
def importance_figures(found: Findings) -> Iterator[Picture]:
    """SHAP values of the strongest features beside the drops of the groups."""
    return map(_draw, probes(found.data))


def _draw(probe: ProbeImportance) -> Picture:
    colours = {group: style.colour for group, style in method_styles(probe.groups).items()}
    top, drops = probe.strongest(_FEATURES_SHOWN), probe.drops
    figure = new_figure(9.6, max(1.3 + 0.2 * len(top), 1.3 + 0.45 * len(drops)))
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    _bars(left, top, "feature", "shap", colours)
    left.set_xlabel("mean |SHAP| in percentage points")
    _bars(right, drops, "group", "drop", colours)
    right.set_xlabel("drop in AUROC, percentage points")
    right.axvline(0, color=INK, linewidth=0.8)
    low, high = drops["drop"] - drops["ci_low"], drops["ci_high"] - drops["drop"]
    ends = [side.astype(float).clip(lower=0).to_numpy() for side in (low, high)]
    right.errorbar(drops["drop"], range(len(drops)), xerr=ends, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    heading = f"{probe.model} ({probe.format})"
    words = [f"{row.feature} {percent(float(row.shap), 2)}" for row in top.head(5).itertuples(index=False)]
    falls = [f"{row.group} {percent(float(row.drop))}" for row in drops.itertuples(index=False)]
    alt = (
        f"Feature importance of the probe of {heading}. Strongest features by mean SHAP value in points: "
        f"{listed(words) or 'not measured'}. Drop in AUROC by group in points: {listed(falls) or 'not measured'}."
    )
    caption = f"Bars of one colour belong to one group: {listed(probe.groups)}."
    return picture(figure, heading, f"importance-{slug(probe.model, probe.format)}", caption, alt)


def _bars(axes: Axes, table: pd.DataFrame, name: str, value: str, colours: Mapping[str, str]) -> None:
    """Horizontal bars, the first on top."""
    shown = [str(text).replace("_", " ") for text in table[name]]
    axes.barh(range(len(table)), table[value].astype(float), color=[colours[str(group)] for group in table["group"]])
    axes.set_yticks(range(len(table)), shown)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
