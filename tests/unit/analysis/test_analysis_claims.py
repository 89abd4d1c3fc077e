from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.analysis.claims import ClaimSet, parse_claims
from ccps.core.errors import UserError
from ccps.metrics import CONTEST

FOLDER = Path(__file__).parents[3] / "conf/claims"


def _set(name: str) -> ClaimSet:
    read: Any = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    (found,) = parse_claims(read)
    return found


def _values(name: str, method: str) -> dict[str, tuple[float | None, float | None]]:
    return {claim.metric: (claim.value, claim.spread) for claim in _set(name).claims if claim.method == method}


def _file(**parts: Any) -> dict[str, Any]:
    return {"s": {"source": "x", "note": "", "convention": "ct", "models": ["m"], "benchmarks": ["b"], **parts}}


OF_FAITHFULNESS = {"faithful_lrm"}  # of another form: test_analysis_faithful_claims.py


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in FOLDER.glob("*.yaml")} - OF_FAITHFULNESS), ids=lambda name: name
)
def test_every_file_holds_one_set_of_its_own_name(name: str) -> None:
    assert _set(name).name == name


def test_headline_claims_hold_what_was_published() -> None:
    found = _set("ccps_headline")
    assert {claim.metric: (claim.scale, claim.value) for claim in found.claims} == {
        "ece": ("relative", -0.55),
        "brier": ("relative", -0.21),
        "acc": ("points", 0.05),
        "aucpr": ("points", 0.04),
        "auroc": ("points", 0.06),
    }
    assert all(len(claim.settings) == 4 * 3 for claim in found.claims)


def test_no_cell_of_the_paper_is_invented() -> None:
    found = _set("ccps_cells")
    assert len(found.claims) == 4 * 3 * 10 * len(CONTEST)
    assert all(claim.value is None and len(claim.settings) == 1 for claim in found.claims)


def test_later_figures_keep_value_and_spread() -> None:
    assert _values("ccps_oncology", "p_ik") == {
        "ece": (0.283, 0.135),
        "brier": (0.282, 0.119),
        "aucpr": (0.757, 0.234),
        "auroc": (0.696, 0.128),
    }
    assert len(_set("ccps_oncology").claims) == 6 * 4
    contextual = {claim.id: claim.value for claim in _set("ccps_oncology_contextual").claims}
    assert sum(value is not None for value in contextual.values()) == 5 * (4 + 1 + 1)
    assert contextual["ccps_oncology_contextual/qwen25_3b/cortex_contextual/p_ik/auroc"] == 0.872
    assert contextual["ccps_oncology_contextual/qwen25_3b/cortex_contextual/p_ik/ece"] is None
    bicr = {claim.id: claim.value for claim in _set("bicr_vlcb").claims}
    assert (bicr["bicr_vlcb/bicr/ece"], bicr["bicr_vlcb/gemma3_27b/vlcb/ccps/ece"]) == (0.0708, 0.09)
    assert all(_set(name).convention == "right_closed" for name in ("ccps_oncology", "bicr_vlcb"))


def test_known_cells_stand_where_they_belong() -> None:
    cells = {
        "tolerance": 0.1,
        "methods": ["a", "c"],
        "metrics": ["ece"],
        "values": {"m": {"b": {"c": {"ece": 0.2}}}},
    }
    (found,) = parse_claims(_file(cells=cells))
    assert [(claim.id, claim.value) for claim in found.claims] == [("s/m/b/a/ece", None), ("s/m/b/c/ece", 0.2)]


GAP = {"method": "c", "metric": "ece", "scale": "points", "value": 0.1, "tolerance": 0.1, "note": ""}
CELLS = {"tolerance": 0.1, "methods": ["a"], "metrics": ["ece"], "values": {}}


KEYS = "a mapping with source, note, convention, models, benchmarks and one or more of gaps, averages, cells, but got"
OF_GAPS = "a mapping with ['method', 'metric', 'scale', 'value', 'tolerance', 'note'], but got {'metric': 'ece'}"
METRICS = "one of ['ece', 'brier', 'acc', 'aucpr', 'auroc'], but got f1"
AVERAGES = {"tolerance": 0.1, "values": {"c": {"ece": 0.1}}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"s": {"source": "x"}}, f"`claims.s` to be {KEYS} ['source']"),
        ({"s": []}, f"`claims.s` to be {KEYS} []"),
        (
            _file(more=1),
            f"`claims.s` to be {KEYS} ['source', 'note', 'convention', 'models', 'benchmarks', 'more']",
        ),
        (_file(gaps=[{"metric": "ece"}]), f"an entry of `claims.s.gaps` to be {OF_GAPS}"),
        (
            _file(gaps=[GAP | {"scale": "value"}]),
            "`scale` in `claims.s.gaps` to be one of ['relative', 'points'], but got value",
        ),
        (_file(gaps=[GAP | {"metric": "f1"}]), f"`metric` in `claims.s.gaps` to be {METRICS}"),
        (
            _file(gaps=[GAP | {"value": "0.1"}]),
            "a value of `claims.s.gaps` to be a number or null, but got '0.1'",
        ),
        (
            _file(gaps=[GAP | {"tolerance": -1}]),
            "`tolerance` in `claims.s.gaps` to be a number of at least 0, but got -1",
        ),
        (_file(gaps=[GAP | {"note": 1}]), "`note` in `claims.s.gaps` to be a text or null, but got 1"),
        (
            _file(gaps=[GAP, GAP]),
            "the figures of `claims.s` to be all different, but got ['s/c/ece_points', 's/c/ece_points']",
        ),
        (
            _file(averages={"values": {}}),
            "`claims.s.averages` to be a mapping with ['tolerance', 'values'], but got {'values': {}}",
        ),
        (
            _file(averages=AVERAGES | {"values": {"c": {"ece": [1, 2, 3]}}}),
            "`claims.s.averages` to be a value, or a value and its standard deviation, but got [1, 2, 3]",
        ),
        (
            _file(averages=AVERAGES | {"values": {"c": {"f1": 0.1}}}),
            f"`metric` in `claims.s.averages` to be {METRICS}",
        ),
        (
            _file(cells=CELLS | {"values": {"m": {"b": {"other": {"ece": 0.1}}}}}),
            "the values of `claims.s.cells` to be of a model, benchmark, method and metric that are named there, "
            "but got [('m', 'b', 'other', 'ece')]",
        ),
        (
            _file(cells=CELLS | {"values": {"m": 0.1}}),
            "`values` of cells to be nested 4 deep, but got 0.1 at ('m',)",
        ),
        (_file(cells=CELLS | {"metrics": ["f1"]}), f"`metric` in `claims.s.cells` to be {METRICS}"),
    ],
)
def test_faulty_files_are_refused(content: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_claims(content)
    assert str(caught.value) == f"Expected {fault}. Compare it with the files in conf/claims."


@pytest.mark.parametrize(("scale", "how"), [("points", "minus"), ("relative", "relative to")])
def test_a_gap_in_words(scale: str, how: str) -> None:
    (found,) = parse_claims(_file(gaps=[GAP | {"scale": scale, "note": "of it"}]))
    (claim,) = found.claims
    assert claim.quantity == f"{CONTEST['ece'].label} of c {how} that of the strongest other method"
    assert (claim.id, claim.method, claim.scale) == (f"s/c/ece_{scale}", "c", scale)
    assert (claim.models, claim.benchmarks, claim.value, claim.tolerance) == (("m",), ("b",), 0.1, 0.1)
    assert (claim.spread, claim.note) == (None, "of it")
