"""Readings from runs of the faithful system that differ in one setting: what only a model can vary."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.faithful_sensitivity import Reading
from ccps.analysis.faithful_terms import label_of
from ccps.core.errors import expected
from ccps.estimators.base import ESTIMATORS
from ccps.metrics.inputs import FloatArray


class Varied(NamedTuple):
    """A choice that takes a model."""

    choice: str
    """In words."""
    needs: str
    setting: str
    """Its name on the command line."""
    published: str
    """Its value in arXiv 2606.03969."""
    others: tuple[str, ...]

    @property
    def command(self) -> str:
        """What runs it, behind `python -m experiments.faithful -m`."""
        return f"{self.setting}={','.join((self.published, *self.others))}"


VARIED = (
    Varied("temperature of the draws", "new draws", "faithful.sampling.temperature", "0.8", ("0.4", "1.2")),
    Varied("k of DeepConf", "log-probabilities", "faithful.deepconf.k", "5", ("20",)),
    Varied("divisor of DeepConf", "log-probabilities", "faithful.deepconf.scale", "8", ("4", "12")),
    Varied("μ of RCC", "states", "faithful.rcc.mu", "0.5", ("0.3", "0.7")),
    Varied("δ of RCC", "states", "faithful.rcc.delta", "0.4", ("0.2", "0.6", "0.8")),
    Varied("judge of continuations", "a model that judges", "faithful/judge", "llm_yes_no", ("lexical", "numeric")),
)


ENTAILMENT = (
    "a judge of entailment",
    "a model of entailment",
    "faithful/judge=nli faithful.judge.nli_model=cross-encoder/nli-deberta-v3-base",
)
"""It takes a setting that other judges refuse, so it is a run of its own and no row."""


class RunReadings(NamedTuple):
    """The same traces read in several ways: a published setting, and others."""

    readings: list[Reading]
    """The published one first."""
    groups: list[str]
    """Of each trace: whose it is, and under which prompt."""
    problems: list[str]


class _Run(NamedTuple):
    steps: pd.DataFrame
    traces: pd.DataFrame


def run_readings(folder: Path) -> list[RunReadings]:
    """The readings of every choice that was varied, one entry for each estimator that it bears on.

    Args:
        folder: what `python -m experiments.faithful -m SETTING=…` wrote: a folder `SETTING=VALUE` for each value.

    Raises:
        UserError: there is no such run, a choice lacks its published setting, or runs are not of the same traces.
    """
    found = [one for varied in VARIED for one in _of_choice(folder, varied)]
    if not found:
        wanted = "the output of `python -m experiments.faithful -m SETTING=…`, with a folder for each value"
        way_out = f"Run one, for instance {VARIED[0].command}, with paths.output={folder}."
        raise expected("`runs`", wanted, str(folder), way_out)
    return found


def _of_choice(folder: Path, varied: Varied) -> Iterator[RunReadings]:
    places = _places(folder, varied)
    if not places:
        return
    if varied.published not in places:
        got = f"{', '.join(sorted(places))} alone"
        way_out = f"Run it too: python -m experiments.faithful -m {varied.setting}={varied.published},…"
        raise expected(f"the values of {varied.setting} in {folder}", f"{varied.published} and others", got, way_out)
    runs = {value: _read(places[value]) for value in (varied.published, *sorted({*places} - {varied.published}))}
    first = runs[varied.published]
    for value, run in runs.items():
        if list(run.traces["trace_id"]) != list(first.traces["trace_id"]):
            got = f"others with {varied.setting}={value}"
            raise expected(f"the runs in {folder}", "of the same traces", got, "Give each choice a folder of its own.")
    for name in (name for name in ESTIMATORS if name in first.steps):
        columns = [run.steps[name].to_numpy(np.float64) for run in runs.values()]
        if all(len(own) == len(columns[0]) and np.array_equal(own, columns[0], equal_nan=True) for own in columns[1:]):
            continue  # the choice does not bear on it
        yield RunReadings(
            [_reading(run, name, varied, value) for value, run in runs.items()],
            [f"{row.model}, {row.prompt}" for row in first.traces.itertuples()],
            [str(row.question_id or row.trace_id) for row in first.traces.itertuples()],
        )


def _places(folder: Path, varied: Varied) -> dict[str, Path]:
    """The folder of each value; a multirun writes a group's slash as an underscore."""
    names = (varied.setting, varied.setting.replace("/", "_"))
    return {
        path.name.partition("=")[2]: path
        for path in sorted(folder.glob("*=*"))
        if path.name.partition("=")[0] in names and (path / "tables" / "steps.parquet").exists()
    }


def _read(place: Path) -> _Run:
    order = ["model", "dataset", "prompt", "trace_id"]
    steps, traces = (pd.read_parquet(place / "tables" / f"{name}.parquet") for name in ("steps", "traces"))
    return _Run(steps.sort_values([*order, "step"], kind="stable"), traces.sort_values(order, kind="stable"))


def _reading(run: _Run, name: str, varied: Varied, value: str) -> Reading:
    return Reading(f"{varied.choice}, {label_of(name)}", value, _of_traces(run, "decisiveness"), _of_traces(run, name))


def _of_traces(run: _Run, column: str) -> list[FloatArray]:
    keys = ["model", "dataset", "prompt", "trace_id"]
    by_trace = {key: own.to_numpy(np.float64) for key, own in run.steps.groupby(keys, sort=False)[column]}
    wanted = run.traces[keys].itertuples(index=False, name=None)
    return [by_trace.get(key, np.empty(0)) for key in wanted]
