from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.analysis.faithful_claims import FaithfulClaim, FaithfulClaimSet, parse_faithful_claims
from ccps.core.errors import UserError
from ccps.estimators.base import ESTIMATORS
from ccps.reasoning.decisiveness.base import SCORERS
from ccps.reasoning.judges.base import JUDGES
from ccps.settings.faithful.scoring import MODES

CONF = Path(__file__).parents[3] / "conf"
FIVE = ("aime", "hle", "supergpqa", "legalbench", "musr")


@pytest.fixture(scope="module")
def published() -> FaithfulClaimSet:
    read: Any = OmegaConf.to_container(OmegaConf.load(CONF / "claims/faithful_lrm.yaml"))
    (found,) = parse_faithful_claims(read)
    return found


def _known(published: FaithfulClaimSet, table: str, **fields: Any) -> dict[tuple[str, str], float | None]:
    chosen = [claim for claim in published.claims if claim.table == table]
    chosen = [claim for claim in chosen if all(getattr(claim, name) == value for name, value in fields.items())]
    return {(claim.metric, claim.method): claim.value for claim in chosen}


def test_the_file_speaks_of_what_there_is(published: FaithfulClaimSet) -> None:
    assert published.name == "faithful_lrm"
    assert published.mode in MODES
    assert published.decisiveness in SCORERS
    assert published.judge in JUDGES
    assert {claim.method for claim in published.claims} - {""} <= set(ESTIMATORS)
    assert {name for claim in published.claims for name in claim.benchmarks} <= {
        path.stem for path in (CONF / "faithful/dataset").glob("*.yaml")
    }
    # Those without a file are models whose checkpoint is not known or fits no machine of ours.
    models = {name for claim in published.claims for name in claim.models}
    configured = {path.stem for path in (CONF / "model").glob("*.yaml")}
    assert models - configured == {"deepseek_r1_671b", "llama31_8b_synthetic1"}


def test_figures_stand_where_they_were_published(published: FaithfulClaimSet) -> None:
    student, qwq = ("deepseek_r1_qwen3_8b",), ("qwq_32b",)
    assert _known(published, "Table 1", models=student, benchmarks=FIVE) == {
        ("mean_decisiveness", ""): 0.717,
        ("cmfg_star", "rcc"): 0.771,
        ("cmfg_star", "deepconf"): 0.784,
        ("cmfg_star", "sampling"): 0.660,
    }
    assert _known(published, "Table 1", models=qwq, benchmarks=("aime",)) == {
        ("mean_decisiveness", ""): None,
        ("cmfg_star", "rcc"): 0.777,
        ("cmfg_star", "deepconf"): None,
        ("cmfg_star", "sampling"): None,
    }
    assert _known(published, "Table 2") == {
        ("spearman_across", "rcc"): 0.081,
        ("spearman_across", "deepconf"): 0.631,
        ("spearman_across", "sampling"): 0.104,
    }


def test_nothing_is_filled_in(published: FaithfulClaimSet) -> None:
    assert all(claim.prompt is None for claim in published.claims)
    assert all(claim.models == claim.benchmarks == () for claim in published.claims if claim.table == "Table 2")
    known = [claim for claim in published.claims if claim.value is not None]
    assert len(known) == 2 * 4 + 2 + 3 + 2 * 3 + 4 * 2 + 2 * 3 + 2
    assert len({claim.id for claim in published.claims}) == len(published.claims) == len(known) + 2 * 3


FIGURE = {
    "table": "Table 1",
    "model": "m",
    "datasets": ["a", "b"],
    "over": "max",
    "prompt": None,
    "values": {"cmfg_star": {"rcc": 0.5, "new": None}, "accuracy": 0.1},
}
FILE = {
    "source": "x",
    "note": "n",
    "mode": "parity",
    "decisiveness": "llm_judge",
    "judge": "nli",
    "tolerance": 0.1,
    "figures": [FIGURE],
}


def _claims(figure: dict[str, Any]) -> list[FaithfulClaim]:
    (found,) = parse_faithful_claims({"s": FILE | {"figures": [FIGURE | figure]}})
    return list(found.claims)


def test_a_figure_in_words() -> None:
    of_both, unknown, _ = _claims({})
    assert of_both.quantity == "cMFG* (RCC), m on a and b, max over these"
    assert of_both.id == "s/Table_1/m/a+b/max/cmfg_star/rcc"
    assert (of_both.value, unknown.value) == (0.5, None)
    assert _claims({"model": None, "datasets": None, "over": "mean"})[-1].quantity == (
        "accuracy, a model not named on data not named"
    )
    (of_judge,) = _claims({"values": {"judge_pearson": 0.9}})
    assert (of_judge.quantity, of_judge.scale) == ("Pearson’s r of the judge of words with people", "correlation")


KEYS = "['source', 'note', 'mode', 'decisiveness', 'judge', 'tolerance', 'figures']"
METRICS = [
    "accuracy",
    "mean_decisiveness",
    "mean_confidence",
    "cmfg_star",
    "spearman_across",
    "judge_pearson",
    "judge_spearman",
]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"s": []}, f"`claims.s` to be a mapping with {KEYS}, but got []"),
        ({"s": FILE | {"more": 1}}, f"`claims.s` to be a mapping with {KEYS}, but got {{'source': 'x'"),
        (
            {"s": {name: value for name, value in FILE.items() if name != "mode"}},
            f"`claims.s` to be a mapping with {KEYS}, but got {{'source': 'x'",
        ),
        (
            {"s": FILE | {"tolerance": None}},
            "`tolerance` in `claims.s.figures` to be a number of at least 0, but got None.",
        ),
        ({"s": FILE | {"figures": [FIGURE, FIGURE]}}, "the figures of `claims.s` to be all different, but got ['s/"),
        (
            {"s": FILE | {"figures": [{**FIGURE, "over": "median"}]}},
            "`over` in `claims.s.figures` to be one of ['mean', 'min', 'max'], but got median.",
        ),
        (
            {"s": FILE | {"figures": [{**FIGURE, "values": {"f1": 0.1}}]}},
            f"`values` in `claims.s.figures` to be of {METRICS}, but got f1.",
        ),
        (
            {"s": FILE | {"figures": [{**FIGURE, "values": {"accuracy": "0.1"}}]}},
            "a value of `claims.s.figures` to be a number or null, but got '0.1'.",
        ),
        (
            {"s": FILE | {"figures": [{"table": "Table 1"}]}},
            "`claims.s.figures` to be a mapping with ['table', 'model', 'datasets', 'over', 'prompt', 'values'], "
            "but got {'table': 'Table 1'}.",
        ),
        ({"s": FILE | {"figures": 1}}, "`claims.s` to be figures in the shape of its kind, but got something else ("),
    ],
)
def test_faulty_files_are_refused(content: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_faithful_claims(content)
    assert str(caught.value).startswith(f"Expected {fault}")
    assert str(caught.value).endswith(". Compare it with the files in conf/claims.")


def test_a_set_holds_what_its_file_says() -> None:
    (found,) = parse_faithful_claims({"s": FILE | {"figures": [FIGURE]}})
    assert (found.name, found.source, found.mode, found.decisiveness, found.judge) == (
        "s",
        FILE["source"],
        "parity",
        "llm_judge",
        "nli",
    )
    assert {(claim.tolerance, claim.note, claim.table) for claim in found.claims} == {(0.1, "n", "Table 1")}


def test_figures_of_one_name_are_listed_with_the_way_out() -> None:
    with pytest.raises(UserError) as caught:
        parse_faithful_claims({"s": FILE | {"figures": [FIGURE, FIGURE]}})
    message = str(caught.value)
    assert "the figures of `claims.s` to be all different, but got" in message
    assert message.count("s/Table_1/m/a+b/max/cmfg_star/rcc") == 2
    assert message.endswith("Compare it with the files in conf/claims.")
