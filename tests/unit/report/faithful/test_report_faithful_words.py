import math
from typing import Any

import pandas as pd
import pytest
from faithful_cells import SCORES, cell, data, empty_cell, results, steps, traces

from ccps.analysis.faithful_control import IN_PHRASES
from ccps.analysis.faithful_data import BRIDGE_COLUMNS, CONTROL_COLUMNS, DROPPED_COLUMNS, FaithfulCell
from ccps.analysis.faithful_terms import label_with
from ccps.report.faithful.glossary import glossary
from ccps.report.faithful.job import FAITHFUL
from ccps.report.faithful.seen import lead, verdict
from ccps.report.faithful.words import conclusion, sentences
from ccps.report.kit.table import Cell, Row


def test_conclusion_names_the_estimators_that_beat_each_baseline() -> None:
    # DeepConf is above the best constant but not above chance, RCC the other way round.
    assert conclusion(data()) == (
        "The words are more faithful than one fixed degree of decisiveness would be by 1 of 2 estimators (DeepConf), "
        "and than the same words dealt out at random by 1 of 2 estimators (RCC)."
    )


def test_conclusion_says_none_when_none_is_above() -> None:
    own = {"rcc": SCORES["rcc"] | {"excess_permutation": (0.01, -0.1, 0.1)}}
    found = conclusion(data(cell(estimators=("rcc",), results=results(own))))
    assert "would be by 0 of 1 estimator, and" in found
    assert found.endswith("at random by 0 of 1 estimator.")


def test_conclusion_counts_scores_of_several_runs() -> None:
    several = data(cell(), cell(dataset="aime"), empty_cell(dataset="empty"))
    assert conclusion(several).startswith("Of 4 scores (2 estimators, 3 runs), 2 are above")
    assert "and 2 above the same words" in conclusion(several)
    assert conclusion(data(empty_cell())) == (
        "No trace has both decisiveness and a confidence, so no faithfulness could be scored."
    )


def test_sentences_give_fractions_and_name_the_run_only_among_several() -> None:
    found = sentences(data())
    assert found[0] == (
        "DeepConf: cMFG* 0.771 [0.750, 0.792] is above the best constant, 0.740 (excess +0.031 [+0.010, +0.052]), and "
        "not told apart from the same words dealt out at random, 0.775 (excess −0.004 [−0.020, +0.012])."
    )
    assert len(found) == 2
    assert "below the best constant, 0.900" in found[1]
    assert sentences(data(cell(), empty_cell(dataset="empty")))[0].startswith("lab/tiny_model · gsm8k · baseline, Deep")


def test_what_was_left_out_is_one_table_of_all_runs() -> None:
    lost = pd.DataFrame([("traces in rcc", "no states", 2)], columns=list(DROPPED_COLUMNS))
    both = cell(dropped=lost), cell(dataset="aime", dropped=lost)
    sums = cell(model="2 models together", together=True, dropped=lost.assign(n=4))
    parts = FAITHFUL.parts(data(*both, sums))
    rows = [_texts(row) for row in parts["left_out"].tables[0].lines]
    assert ["traces in rcc", "no states", "2", "all"] in rows
    assert ["Sampling", "not computed: no continuations were drawn", "–", "all"] in rows
    assert ["DeepConf: ρ within traces", "no trace has three steps between which both scores vary", "–", "all"] in rows
    assert len({tuple(row[:3]) for row in rows}) == len(rows)
    others = [note for name, part in parts.items() if name != "left_out" for note in part.notes]
    assert not any("rcc" in note or "not computed:" in note for note in others)


def _texts(row: Row) -> list[str]:
    return [one if isinstance(one, str) else one.text for one in row.cells]


def controlled(found: int = 100, **changes: Any) -> FaithfulCell:
    """A run with sampling alone, whose control finds words planted in all steps so many times of a hundred."""
    own = SCORES["rcc"] | {"doubt_unhedged": (0.46, 0.43, 0.49), "doubt_hedged": (0.68, 0.6, 0.7)}
    control = [("sampling", IN_PHRASES, share, n, of, excess) for share, n, of, excess in _shares(found)]
    fields: dict[str, Any] = {
        "estimators": ("sampling",),
        "results": results({"sampling": own, "": SCORES[""]}),
        "traces": traces().rename(columns={"faithfulness_rcc": "faithfulness_sampling"}),
        "steps": steps().rename(columns={"rcc": "sampling"}),
        "control": pd.DataFrame(control, columns=list(CONTROL_COLUMNS)),
        "absent": {},
    }
    return cell(**(fields | changes))


def _shares(found: int) -> list[tuple[float, int, int, float]]:
    return [(0.0, 42, 1000, 0.0), (0.5, found // 2, 100, 0.2), (1.0, found, 100, 0.4)]


def test_the_page_opens_with_what_the_words_follow_and_what_it_means_for_a_reader() -> None:
    # An excess of 0.05 of the 0.4 that words would have which follow it throughout.
    told = "The words follow Sampling, with 12 % of the excess over chance that words which follow it in every step"
    assert lead(data(controlled())).startswith(told)
    assert lead(data(controlled())).endswith("without a hedge, the model would say something else in 46 %.")
    level = results({"sampling": SCORES["rcc"] | {"excess_permutation": (0.01, -0.1, 0.1)}})
    assert lead(data(controlled(results=level))) == "The words do not follow Sampling."
    assert lead(data(controlled(found=90))).startswith("Of Sampling nothing can be told: even words that follow it in")
    few = controlled(results=controlled().results.assign(n=4))
    assert lead(data(few)).startswith("Of Sampling nothing can be told: there are too few traces. Of the steps")
    assert verdict(few, "sampling") == "No verdict on Sampling: there are too few traces."
    assert lead(data()) == conclusion(data())


def test_several_models_open_with_all_of_them_together() -> None:
    single = controlled(), controlled(model="other")
    assert lead(data(*single)) == conclusion(data(*single))
    both = controlled(model="2 models together", together=True)
    own = data(*single, both)
    assert lead(own) == lead(data(controlled()))
    parts = FAITHFUL.parts(own)
    assert [part.title for part in parts["seen"].parts] == [one.heading for one in own.cells]
    assert parts["reader"].points[0] == (
        "lab/tiny_model · gsm8k · baseline: of the steps said without a hedge, the model would say something else in "
        "46.0 % [43.0, 49.0], of those said with one in 68.0 % [60.0, 70.0] (Sampling)."
    )
    row = _texts(parts["controls"].tables[0].lines[0])
    assert row[2:6] == ["+0.050 [+0.010, +0.090]", "0.400", "100.0", "4.2"]
    assert "in percent of 1,000 simulations" in parts["controls"].notes[0]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((0.5, 0.5, 0.5, 60), "constant"),
        ((0.5, 0.5, 0.5, 6), "constant"),
        ((0.5, 0.4, 0.6, 20), "50.0 [40.0, 60.0]"),
        ((0.5, 0.4, 0.6, 19), "too few"),
        ((0.0, 0.0, 0.0, 60), "too few"),  # one right answer, say: the same in every resample
        ((0.75, math.nan, math.nan, 60), "75.0"),
        ((math.nan, math.nan, math.nan, 0), "–"),
    ],
)
def test_an_auroc_stands_where_answers_can_show_one(found: tuple[float, float, float, int], said: str) -> None:
    bridge = pd.DataFrame([("first", "rcc", "auroc", *found)], columns=list(BRIDGE_COLUMNS))
    row = FAITHFUL.parts(data(cell(bridge=bridge)))["bridge"].tables[0].lines[0]
    assert _texts(row)[3] == said


def test_stability_says_what_stands_behind_it() -> None:
    scored = cell().bridge.assign(signal=["stability", "stability", "sampling", "sampling", "answer_stability"])
    judges = {"stability": "CCPS probe", "sampling": "words in common"}
    own = data(cell(bridge=scored, absent={"stability": "why", "sampling": "why"}), judges=judges)
    rows = FAITHFUL.parts(own)["bridge"].tables[0].lines
    assert list(dict.fromkeys(row.cells[1] for row in rows)) == [
        Cell("Stability (CCPS probe)"),
        Cell("Sampling"),
        Cell("Answer stability (CCPS probe)"),
    ]
    here = {term.name: term.gloss.partition(" Here: ")[2] for term in glossary(own)}
    assert here["stability"] == here["answer_stability"] == "CCPS probe."
    assert here["sampling"] == "words in common."
    assert here["decisiveness"] == "lexicon, version 1."
    assert here["mfg"] == ""
    assert label_with("answer_stability", {}) == "Answer stability"
