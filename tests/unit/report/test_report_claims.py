import json
import math
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from ccps.errors import UserError
from ccps.report.claims import (
    Claim,
    ClaimSet,
    ClaimVerdict,
    judge_claim,
    ledger,
    mean_gap,
    parse_claims,
    write_claims,
)

HEADLINE = Path(__file__).parents[3] / "conf/claims/ccps_headline.yaml"


def _claim(value: float | None, scale: str = "points", metric: str = "auroc") -> Claim:
    return Claim("x", "a paper", "a quantity", metric, scale, value, 0.01, "")


def _results(rows: list[tuple[str, str, str, float]], metric: str = "auroc") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["model", "benchmark", "method", "value"])
    return frame.assign(metric=metric)


def test_headline_claims_hold_what_was_published() -> None:
    found = parse_claims(OmegaConf.to_container(OmegaConf.load(HEADLINE)))
    values = {claim.metric: (claim.scale, claim.value) for claim in found.claims}
    assert values == {
        "ece": ("relative", -0.55),
        "brier": ("relative", -0.21),
        "acc": ("points", 0.05),
        "aucpr": ("points", 0.04),
        "auroc": ("points", 0.06),
    }
    assert (len(found.models), len(found.benchmarks)) == (4, 3)


@pytest.mark.parametrize(
    ("value", "got", "verdict"),
    [
        (0.06, 0.065, ClaimVerdict.MATCH),
        (0.06, 0.07, ClaimVerdict.MATCH),
        (0.06, 0.0701, ClaimVerdict.DIFFERS),
        (0.06, -0.06, ClaimVerdict.DIFFERS),
        (0.06, None, ClaimVerdict.NOT_MEASURED),
        (0.06, math.nan, ClaimVerdict.NOT_MEASURED),
        (None, 0.06, ClaimVerdict.UNKNOWN),
        (None, None, ClaimVerdict.UNKNOWN),
    ],
)
def test_verdicts(value: float | None, got: float | None, verdict: ClaimVerdict) -> None:
    assert judge_claim(_claim(value), got).verdict is verdict


def test_mean_gap_takes_the_strongest_other_of_each_setting() -> None:
    rows = [
        ("m", "b1", "ccps", 0.9), ("m", "b1", "ccps", 0.8), ("m", "b1", "a", 0.7), ("m", "b1", "b", 0.75),
        ("m", "b2", "ccps", 0.6), ("m", "b2", "a", 0.7), ("m", "b2", "b", 0.5),
    ]  # fmt: skip
    assert mean_gap(_results(rows), "auroc", "points", "ccps") == pytest.approx((0.1 - 0.1) / 2)
    relative = ((0.85 - 0.7) / 0.7 + (0.6 - 0.5) / 0.5) / 2
    assert mean_gap(_results(rows, "ece"), "ece", "relative", "ccps") == pytest.approx(relative)


def test_mean_gap_is_missing_when_any_part_is() -> None:
    rows = [
        ("m", "b1", "ccps", 0.9),
        ("m", "b1", "a", 0.7),
        ("m", "b2", "ccps", math.nan),
        ("m", "b2", "a", 0.5),
    ]
    assert math.isnan(mean_gap(_results(rows), "auroc", "points", "ccps"))
    assert math.isnan(mean_gap(_results(rows[:1]), "auroc", "points", "ccps"))


def test_only_the_published_models_and_benchmarks_are_compared(tmp_path: Path) -> None:
    rows = [("m", "b1", "ccps", 0.9), ("m", "b1", "a", 0.84)]
    same = ledger(ClaimSet(("m",), ("b1",), (_claim(0.06), _claim(None))), _results(rows), "ccps")
    assert [entry.verdict for entry in same] == [ClaimVerdict.MATCH, ClaimVerdict.UNKNOWN]
    assert same[1].got == pytest.approx(0.06)
    (other,) = ledger(ClaimSet(("big",), ("b1",), (_claim(0.06),)), _results(rows), "ccps")
    assert (other.verdict, other.got) == (ClaimVerdict.NOT_MEASURED, None)
    assert other.reason.startswith("this run covers m on b1")
    written = json.loads(write_claims([*same, other], tmp_path / "claims.json").read_text())
    assert [row["verdict"] for row in written] == ["match", "unknown", "not measured"]
    assert (written[1]["value"], written[2]["got"]) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "models: [a]\nclaims: []\n",
        "models: [a]\nbenchmarks: [b]\nclaims: [{id: x}]\n",
        "models: [a]\nbenchmarks: [b]\nclaims: [{id: x, source: s, quantity: q, metric: ece, scale: ratio, "
        "value: 1.0, tolerance: 0.1, note: ''}]\n",
    ],
)
def test_faulty_files_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"Expected .* to be .*, but got"):
        parse_claims(OmegaConf.to_container(OmegaConf.create(text)))
