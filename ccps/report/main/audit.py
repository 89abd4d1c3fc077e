"""The leak audit: shared questions, the control that learnt nothing, and probes carried from benchmark to benchmark."""

from collections.abc import Iterator

import numpy as np

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.leaks import (
    LEAK_METRIC,
    ChanceControl,
    Transfer,
    chance_controls,
    missing_transfers,
    shared_questions,
    transfers,
)
from ccps.core.text import DASH, count, interval, listed, percent, slug
from ccps.metrics import METRICS
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, new_figure
from ccps.report.kit.table import Table
from ccps.report.main.job import MAIN, heading_of

_TRANSFER_WORDS = (
    "Transfer: {} trained on the questions of one benchmark alone (row) and tested on another (column), in "
    "percent. Where both are the same, it is cross-validated, and tests no question that it was trained on."
)


def audit_section(found: Findings) -> Section | None:
    """Everything the audit found; None where nothing was audited."""
    data = found.data
    controls = chance_controls(data, found.resamples) if data.chance_control else []
    words = [*_shared_words(data), *(_chance_words(data, one) for one in controls)]
    tables = [*_shared_table(data), *map(_matrix, transfers(data))]
    if not words and not tables:
        return None
    if not data.audit.transfer.empty:
        words.append(_TRANSFER_WORDS.format(_carried(data)))
    notes = [f"Missing, {listed(places)}: {reason}." for reason, places in missing_transfers(data).items()]
    return Section("audit", "Has the probe seen what it is tested on?", words, tables, notes, link="Leak audit")


def _carried(data: ReportData) -> str:
    """What was trained on one benchmark alone."""
    names = data.audit.transfer.get("by")
    return "a probe" if names is None else listed(list(names.unique()))


def _shared_words(data: ReportData) -> list[str]:
    if data.audit.shared.empty:
        return []
    found, trained_on = shared_questions(data)
    if not found:
        return ["No training question stands in a test benchmark too."]
    stand = "training question stands" if found == 1 else "training questions stand"
    return [
        f"{count(found)} {stand} in a test benchmark too: {count(found - trained_on)} left out of the training, "
        f"{count(trained_on)} trained on all the same."
    ]


def _shared_table(data: ReportData) -> list[Table]:
    rows = [
        (str(row.benchmark), count(float(row.shared)), count(float(row.left_out)))
        for row in data.audit.shared.itertuples(index=False)
    ]
    head = ("Test benchmark", "Shared with the training questions", "Left out of the training")
    return [Table("", head, rows)] if rows else []


def _chance_words(data: ReportData, one: ChanceControl) -> str:
    """Whether the control that learnt from shuffled labels is where chance would put it."""
    head, name = heading_of(one.setting), data.label(str(data.chance_control))
    dead = f"seed{'s' if len(one.dead) > 1 else ''} {listed([str(seed) for seed in one.dead])}"
    if one.dead and len(one.dead) == one.seeds:
        return f"{head}: {name} is a constant, one P for every answer, from every seed ({dead}): it shows nothing."
    without = f" without {dead}, a constant," if one.dead else ""
    if not one.known:
        return f"{head}: {name}{without} has no AUROC with an interval."
    if one.reservation:
        return f"{head}: {name}{without} reaches AUROC {percent(one.value)} %, but no verdict ({one.reservation})."
    verdict = (
        "its interval covers 50 %, as it should where nothing can be learnt"
        if one.covers_chance
        else "its interval does not cover 50 %, although nothing can be learnt from shuffled labels: look for a "
        "leak, or for too few seeds"
    )
    deals = f" (mean over {one.seeds} deals)" if one.seeds > 1 else ""
    return (
        f"{head}: {name}{without} reaches AUROC {percent(one.value)} % {interval(one.low, one.high)}{deals}; {verdict}."
    )


def _matrix(one: Transfer) -> Table:
    cells = {
        (str(row.train), str(row.test)): f"{percent(float(row.value))} {interval(row.ci_low, row.ci_high)}".rstrip()
        for row in one.rows.itertuples(index=False)
    }
    lines = [(train, *(cells.get((train, test), DASH) for test in one.tests)) for train in one.trains]
    caption = f"{METRICS[one.metric].label} · {one.model} ({one.format})"
    return Table(caption, ("Trained on", *(f"on {test}" for test in one.tests)), lines)


@MAIN.figure("audit")
def transfer_maps(found: Findings) -> Iterator[Picture]:
    """A heat map of the AUROC for each model and format for which any is known."""
    for one in transfers(found.data):
        if one.metric == LEAK_METRIC and len(one.rows) > 1 and one.rows["value"].notna().any():
            yield _heat_map(one)


def _heat_map(one: Transfer) -> Picture:
    trains, tests, rows = one.trains, one.tests, one.rows
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
    heading = f"{one.model} ({one.format})"
    known = rows.dropna(subset=["value"])
    best, worst = known.loc[known["value"].idxmax()], known.loc[known["value"].idxmin()]
    alt = (
        f"AUROC of probes of {heading} by training and test benchmark, {len(trains)} by {len(tests)}: "
        f"from {percent(worst['value'])} % ({worst['train']} to {worst['test']}) "
        f"to {percent(best['value'])} % ({best['train']} to {best['test']})."
    )
    caption = "AUROC in percent; white is chance, – not measured. Bold: cross-validated within one benchmark."
    return picture(figure, heading, f"transfer-{slug(one.model, one.format)}", caption, alt)
