import math

import pandas as pd
import pytest
from faithful_cells import cell

from ccps.analysis.faithful_control import EXACTLY, IN_PHRASES, Noticed, main_estimator, noticed
from ccps.analysis.faithful_data import CONTROL_COLUMNS


def control(*found: tuple[float, int], estimator: str = "rcc", planted: str = IN_PHRASES) -> pd.DataFrame:
    """Shares of steps that follow the confidence, each with how many of 100 simulations found it."""
    rows = [(estimator, planted, share, n, 100, share / 10) for share, n in found]
    return pd.DataFrame(rows, columns=list(CONTROL_COLUMNS))


@pytest.mark.parametrize(
    ("found", "least"),
    [
        ([(0.0, 4), (0.25, 60), (0.5, 95), (0.75, 99), (1.0, 100)], 0.5),
        ([(0.0, 4), (0.5, 94), (1.0, 100)], 1.0),
        ([(0.0, 4), (0.25, 99), (0.5, 90), (1.0, 97)], 1.0),  # from which on nearly all find it
        ([(0.0, 100), (0.5, 100), (1.0, 100)], 0.5),  # nothing planted is no share
        ([(0.0, 4), (1.0, 94)], math.nan),
    ],
)
def test_the_least_share_that_is_noticed(found: list[tuple[float, int]], least: float) -> None:
    got = noticed(cell(control=control(*found[::-1])), "rcc")
    assert got == pytest.approx(Noticed(least, full=0.1, false=found[0][1] / 100, known=True), nan_ok=True)
    assert got.refuses is math.isnan(least)


def test_what_was_not_simulated_refuses_nothing() -> None:
    simulated = cell(control=control((0.0, 4), (1.0, 10), planted=EXACTLY))
    for estimator, planted in (("rcc", IN_PHRASES), ("deepconf", EXACTLY)):
        got = noticed(simulated, estimator, planted)
        assert not got.known
        assert not got.refuses
        assert all(math.isnan(value) for value in got[:3])
    assert noticed(simulated, "rcc", EXACTLY).refuses


def test_the_main_estimator_has_a_control_and_is_the_one_of_what_is_said_again() -> None:
    names = ("deepconf", "rcc", "sampling", "given_1-different")
    controls = {name: control((0.0, 4), (1.0, 100), estimator=name) for name in names}
    columns = {f"faithfulness_{name}": 0.5 for name in names}
    columns_of_steps = dict.fromkeys(names, 0.5)
    base = cell()
    for chosen, main in (
        ((), None),
        (("rcc",), "rcc"),
        (("deepconf", "rcc"), "deepconf"),
        (("rcc", "sampling"), "sampling"),
        (names, "given_1-different"),
    ):
        made = cell(
            estimators=names,
            traces=base.texts("traces").assign(**columns),
            steps=base.texts("steps").assign(**columns_of_steps),
            control=pd.concat([control(), *(controls[name] for name in chosen)]),
        )
        assert main_estimator(made) == main
