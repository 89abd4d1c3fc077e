"""The training of the probes: loss and accuracy over the steps."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ccps.analysis.findings import Findings
from ccps.core.text import slug
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import WIDE, new_figure
from ccps.report.main.job import MAIN


def training_section(found: Findings) -> Section | None:
    """What the curves show; None where none was recorded."""
    if found.data.curves.empty:
        return None
    return Section("training", "Training of the probes", link="Training", folded="Loss and accuracy over the steps")


@MAIN.figure("training")
def training_curves(found: Findings) -> Iterator[Picture]:
    """Loss, and accuracy where it was recorded, over the steps of each training stage; one line per seed."""
    curves = found.data.curves
    keys = ["model", "format"] if "format" in curves else ["model"]
    # A stage that a recipe leaves out has one evaluation, before its first step.
    curves = curves[curves.groupby([*keys, "stage"])["step"].transform("max") > 0]
    for key, rows in curves.groupby(keys, sort=False):
        yield _training(" · ".join(str(part) for part in key), rows)


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
    return picture(figure, probe, f"training-{slug(probe)}", f"One line per seed ({seeds}).", alt)
