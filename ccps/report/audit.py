"""The leak audit: shared questions, the control that learnt nothing, and probes carried from benchmark to benchmark."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ccps.analysis.averages import setting_means
from ccps.analysis.data import ReportData
from ccps.analysis.resamples import Resamples
from ccps.analysis.terms import BY_NAME
from ccps.core.text import DASH, count, interval, listed, percent, slug
from ccps.report.figures import INK, Picture, heading_of, new_figure, picture
from ccps.report.sections import Section, Table

CHANCE = 0.5
_FIGURE_METRIC = "auroc"
_TRANSFER_WORDS = (
    "Transfer: a probe trained on the questions of one benchmark alone (row) and tested on another (column), in "
    "percent. Where both are the same, it is cross-validated, and tests no question that it was trained on."
)


def audit_section(data: ReportData, resamples: Resamples) -> Section | None:
    """Everything the audit found; None where nothing was audited.

    Args:
        data: the audit, the results and the name of the control that learnt from shuffled labels.
        resamples: where the interval of that control comes from; it covers seeds as well as questions.
    """
    words = [*_shared_words(data), *_chance_words(data, resamples)]
    tables = [*_shared_table(data), *(_matrix(key, rows) for key, rows in _transfers(data))]
    if not words and not tables:
        return None
    if not data.audit.transfer.empty:
        words.append(_TRANSFER_WORDS)
    return Section("audit", "Has the probe seen what it is tested on?", words, tables, _reasons(data))


def _shared_words(data: ReportData) -> list[str]:
    shared = data.audit.shared
    if shared.empty:
        return []
    found, kept = int(shared["shared"].sum()), int((shared["shared"] - shared["left_out"]).sum())
    if not found:
        return ["No training question stands in a test benchmark too."]
    stand = "training question stands" if found == 1 else "training questions stand"
    return [
        f"{count(found)} {stand} in a test benchmark too: {count(found - kept)} left out of the training, "
        f"{count(kept)} trained on all the same."
    ]


def _shared_table(data: ReportData) -> list[Table]:
    rows = [
        (str(row.benchmark), count(float(row.shared)), count(float(row.left_out)))
        for row in data.audit.shared.itertuples(index=False)
    ]
    head = ("Test benchmark", "Shared with the training questions", "Left out of the training")
    return [Table("", head, rows)] if rows else []


def _chance_words(data: ReportData, resamples: Resamples) -> list[str]:
    """For each setting, whether the control that learnt from shuffled labels is where chance would put it."""
    control = data.chance_control
    if control is None or control not in data.methods:
        return []
    means, lines = setting_means(data.results, _FIGURE_METRIC)[control], []
    for setting in data.settings:
        value = float(means.get(setting, math.nan))
        low, high = resamples.ends(resamples.of(setting, control, _FIGURE_METRIC))
        if math.isnan(value) or math.isnan(low):
            lines.append(f"{heading_of(setting)}: {data.label(control)} has no AUROC with an interval.")
            continue
        figures = f"AUROC {percent(value)} % {interval(low, high)}"
        verdict = (
            "its interval covers 50 %, as it should where nothing can be learnt"
            if low <= CHANCE <= high
            else "its interval does not cover 50 %, although nothing can be learnt from shuffled labels: look for a "
            "leak, or for too few seeds"
        )
        lines.append(f"{heading_of(setting)}: {data.label(control)} reaches {figures}; {verdict}.")
    return lines


def _transfers(data: ReportData) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """The transfer rows of each model, format and metric."""
    for (model, format_, metric), rows in data.audit.transfer.groupby(["model", "format", "metric"], sort=False):
        yield (str(model), str(format_), str(metric)), rows


def _names(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Training benchmarks, and test benchmarks with the training ones first, each in order of appearance."""
    trains = list(dict.fromkeys(rows["train"].astype(str)))
    tests = list(dict.fromkeys(rows["test"].astype(str)))
    return trains, sorted(tests, key=lambda test: trains.index(test) if test in trains else len(trains))


def _matrix(key: tuple[str, str, str], rows: pd.DataFrame) -> Table:
    model, format_, metric = key
    trains, tests = _names(rows)
    cells = {
        (str(row.train), str(row.test)): f"{percent(float(row.value))} {interval(row.ci_low, row.ci_high)}".rstrip()
        for row in rows.itertuples(index=False)
    }
    lines = [(train, *(cells.get((train, test), DASH) for test in tests)) for train in trains]
    caption = f"{BY_NAME[metric].label} · {model} ({format_})"
    return Table(caption, ("Trained on", *(f"on {test}" for test in tests)), lines)


def _reasons(data: ReportData) -> list[str]:
    """Why values of the transfer are missing, each reason with where it stands."""
    transfer = data.audit.transfer
    missing = transfer[transfer["value"].isna()]
    if missing.empty:
        return []
    reasons = missing["reason"] if "reason" in missing else pd.Series("no reason was recorded", index=missing.index)
    places = missing["train"].astype(str) + " to " + missing["test"].astype(str)
    return [f"Missing, {listed(list(dict.fromkeys(here)))}: {reason}." for reason, here in places.groupby(reasons)]


def transfer_figures(data: ReportData) -> list[Picture]:
    """A heat map of the AUROC for each model and format for which any is known."""
    return [
        _heat_map(key[0], key[1], rows)
        for key, rows in _transfers(data)
        if key[2] == _FIGURE_METRIC and len(rows) > 1 and rows["value"].notna().any()
    ]


def _heat_map(model: str, format_: str, rows: pd.DataFrame) -> Picture:
    trains, tests = _names(rows)
    table = rows.assign(value=rows["value"].astype(float)).pivot(index="train", columns="test", values="value")
    values = table.reindex(index=trains, columns=tests).to_numpy()
    figure = new_figure(1.9 + 0.62 * len(tests), 1.5 + 0.36 * len(trains))
    axes = figure.subplots()
    axes.imshow(values, cmap="RdBu", vmin=0.2, vmax=0.8, aspect="auto", alpha=0.8)
    for (line, column), value in np.ndenumerate(values):
        same = trains[line] == tests[column]
        weight = "bold" if same else "normal"
        axes.text(column, line, percent(value), ha="center", va="center", fontsize=8, color=INK, fontweight=weight)
    axes.set_xticks(range(len(tests)), tests, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(trains)), trains)
    axes.set(xlabel="tested on", ylabel="trained on")
    axes.grid(visible=False)
    axes.tick_params(length=0, labelcolor=INK)
    heading = f"{model} ({format_})"
    known = rows.dropna(subset=["value"])
    best, worst = known.loc[known["value"].idxmax()], known.loc[known["value"].idxmin()]
    alt = (
        f"AUROC of probes of {heading} by training and test benchmark, {len(trains)} by {len(tests)}: "
        f"from {percent(worst['value'])} % ({worst['train']} to {worst['test']}) "
        f"to {percent(best['value'])} % ({best['train']} to {best['test']})."
    )
    caption = "AUROC in percent; white is chance, – not measured. Bold: cross-validated within one benchmark."
    return picture(figure, "audit", heading, f"transfer-{slug(model, format_)}", caption, alt)
