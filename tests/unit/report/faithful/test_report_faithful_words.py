import pandas as pd
from faithful_cells import SCORES, cell, data, empty_cell, results

from ccps.analysis.faithful_data import DROPPED_COLUMNS
from ccps.analysis.faithful_terms import label_with
from ccps.report.faithful.glossary import glossary
from ccps.report.faithful.job import FAITHFUL
from ccps.report.faithful.words import conclusion, sentences
from ccps.report.kit.table import Cell


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


def test_each_table_says_what_was_left_out_of_it() -> None:
    lost = [
        ("traces in accuracy", "no mark", 3),
        ("traces in rcc", "no states", 2),
        ("traces in spearman_within rcc", "too short", 1),
    ]
    parts = FAITHFUL.parts(data(cell(dropped=pd.DataFrame(lost, columns=list(DROPPED_COLUMNS)))))
    head = "lab/tiny_model · gsm8k · baseline. Left out: "
    assert f"{head}traces in rcc: 2 (no states)." in parts["scores"].notes
    assert (
        f"{head}traces in rcc: 2 (no states); traces in spearman_within rcc: 1 (too short)." in parts["support"].notes
    )
    assert f"{head}traces in accuracy: 3 (no mark)." in parts["bridge"].notes
    assert [row.cells[-1] for row in parts["left_out"].tables[0].lines] == [Cell("3"), Cell("2"), Cell("1")]


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
