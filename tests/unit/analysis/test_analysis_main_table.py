from collections.abc import Callable

import numpy as np
import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.main_table import summarise
from ccps.analysis.resamples import Resamples

Make = Callable[..., ReportData]


def _bold(data: ReportData, drawn: dict[str, np.ndarray]) -> set[tuple[str, int]]:
    """What is bold if methods measure these values of the ECE in the resamples, and the same of all else."""
    values = {
        (data.settings[0], method): np.stack([row, *[np.zeros(len(row))] * 4], axis=1) for method, row in drawn.items()
    }
    (block,) = summarise(data.results, data.reference, (), Resamples(values, 0.95))
    return {(row.method, place) for row in block.rows for place, cell in enumerate(row.cells) if cell.bold}


def test_bold_needs_a_difference_whose_interval_excludes_zero(make_data: Make) -> None:
    noise = np.linspace(-0.1, 0.1, 101)
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.2 + 1.1 * noise}) == {("ccps", 0)}  # paired
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.2 - noise}) == set()
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.1 + noise}) == set()
    assert _bold(make_data(), {"ccps": 0.1 + noise}) == set()


def test_the_best_must_be_clear_of_every_other(make_data: Make) -> None:
    data = make_data()
    own = data.results[data.results["method"] == "own"]
    third = own.assign(method="third")
    results = pd.concat([data.results, third])
    noise = np.linspace(-0.1, 0.1, 101)
    drawn = {"ccps": 0.1 + noise, "own": 0.2 + 1.1 * noise}
    assert _bold(make_data(results=results), {**drawn, "third": 0.1 - noise}) == set()
    assert _bold(make_data(results=results), {**drawn, "third": 0.3 + 1.1 * noise}) == {("ccps", 0)}
    # Whichever is best: the reference has no privilege.
    better = third.assign(value=third["value"].where(third["metric"] != "ece", 0.01))
    results = pd.concat([data.results, better])
    assert _bold(make_data(results=results), {**drawn, "third": 1.2 * noise}) == {("third", 0)}


def test_one_method_has_no_best(make_data: Make) -> None:
    data = make_data()
    only = data.results[data.results["method"] == "ccps"]
    assert _bold(make_data(results=only), {"ccps": np.linspace(0.1, 0.2, 9)}) == set()
