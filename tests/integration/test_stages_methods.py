"""Whichever methods and whatever benchmark: the pipeline on a tiny random model."""

import pandas as pd
import pytest
from output_tables import chosen, results
from tiny import Tiny, benchmark

from ccps.methods import METHODS
from ccps.metrics.registry import CONTEST


@pytest.mark.slow
def test_every_method_of_the_comparison_runs(tiny: Tiny) -> None:
    names = list(METHODS)
    tiny.run(f"method=[{','.join(names)}]", "+method.second={name:ccps,calibrator:isotonic}")
    table = results(tiny.output)
    # The model is random: asked for a probability in words, it names none, and the report says so.
    assert set(table["method"]) == {*names, "ccps_isotonic", chosen(tiny.output)["tiny_random"]} - {"verbalised"}
    report = (tiny.output / "report.md").read_text()
    assert "it scored no answer of tiny\\_random to boats" in report
    costs = pd.read_csv(tiny.output / "tables" / "method_costs.csv").set_index("method")
    assert costs.loc["ccps", "parameters"] == 9542
    assert costs.loc["ccps_isotonic", "parameters"] > 9542
    assert costs.loc["ct", "parameters"] > 0
    assert costs.loc["entropy", "parameters"] == 0
    # Each is charged with what it needs, on top of what all need.
    assert (costs["seconds"] >= costs["shared"]).all()
    tokens = costs["tokens"]
    assert tokens["answer_probability"] < tokens["saplma_m"] < tokens["p_true"] < tokens["ct"]


def test_a_benchmark_of_one_subject_has_intervals_over_questions(tiny: Tiny) -> None:
    tiny.run(f"test.boats={benchmark(tiny.questions / 'boats.jsonl', subject=None)}", "method=[ccps,entropy]")
    table = results(tiny.output)
    # Shares of few answers, as coverage at a risk, go in steps: their interval may begin or end at the value.
    table = table[table["metric"].isin(CONTEST)]
    assert (table["ci_low"] < table["value"]).all()
    assert (table["value"] < table["ci_high"]).all()
    assert "intervals are over questions" in (tiny.output / "report.md").read_text()
