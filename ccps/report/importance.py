"""Which features a probe listens to: one figure for each model and format."""

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ccps.analysis.data import ReportData
from ccps.core.text import interval, listed, percent, slug
from ccps.report.figures import INK, Picture, method_styles, new_figure, picture
from ccps.report.sections import Section, Table

_FEATURES_SHOWN = 20
_WORDS = (
    "Left: how far each feature moves P(correct) on average, in percentage points (mean of absolute SHAP values). "
    "Right: how far AUROC falls when all features of a group are shuffled together among answers; a group that others "
    "can stand in for loses little, however much the probe listens to it.",
    "All features stand in tables/importance.csv.",
)


def importance_section(data: ReportData) -> Section | None:
    """The drops of all groups as a table; None where no importance was measured."""
    shap, drops = data.importance.shap, data.importance.drops
    if shap.empty and drops.empty:
        return None
    rows = [
        (f"{row.model} ({row.format})", str(row.group), percent(float(row.drop)), interval(row.ci_low, row.ci_high))
        for row in drops.itertuples(index=False)
    ]
    head = ("Probe", "Group of features", "Drop in AUROC, points", f"{data.level:.0%} interval".replace("%", " %"))
    tables = [Table("", head, rows, text_columns=2)] if rows else []
    return Section("importance", "What the probe listens to", _WORDS, tables)


def importance_figures(data: ReportData) -> list[Picture]:
    """SHAP values of the strongest features beside the drops of the groups."""
    return [_draw(model, format_, *tables) for (model, format_), tables in _probes(data)]


def _probes(data: ReportData) -> Iterator[tuple[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]]:
    tables = (data.importance.shap, data.importance.drops)
    pairs = pd.concat([table[["model", "format"]] for table in tables]).drop_duplicates()
    for model, format_ in pairs.itertuples(index=False):
        shap, drops = (table[(table["model"] == model) & (table["format"] == format_)] for table in tables)
        yield (str(model), str(format_)), (shap, drops)


def _draw(model: str, format_: str, shap: pd.DataFrame, drops: pd.DataFrame) -> Picture:
    groups = list(dict.fromkeys([*drops["group"].astype(str), *shap["group"].astype(str)]))
    colours = {group: style.colour for group, style in method_styles(groups).items()}
    top = shap.sort_values("shap", ascending=False, kind="stable").head(_FEATURES_SHOWN)
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
    heading = f"{model} ({format_})"
    words = [f"{row.feature} {percent(float(row.shap), 2)}" for row in top.head(5).itertuples(index=False)]
    falls = [f"{row.group} {percent(float(row.drop))}" for row in drops.itertuples(index=False)]
    alt = (
        f"Feature importance of the probe of {heading}. Strongest features by mean SHAP value in points: "
        f"{listed(words) or 'not measured'}. Drop in AUROC by group in points: {listed(falls) or 'not measured'}."
    )
    caption = f"Bars of one colour belong to one group: {listed(groups)}."
    return picture(figure, "importance", heading, f"importance-{slug(model, format_)}", caption, alt)


def _bars(axes: Axes, table: pd.DataFrame, name: str, value: str, colours: Mapping[str, str]) -> None:
    """Horizontal bars, the first on top."""
    shown = [str(text).replace("_", " ") for text in table[name]]
    axes.barh(range(len(table)), table[value].astype(float), color=[colours[str(group)] for group in table["group"]])
    axes.set_yticks(range(len(table)), shown)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
