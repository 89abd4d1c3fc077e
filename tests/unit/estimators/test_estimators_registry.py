"""What estimators say of themselves: all there are, by name, and what is kept for them."""

from pathlib import Path

import pytest
from step_scorer import RADIUS, STEPS, fitted, make_scorer

from ccps.core.errors import UserError
from ccps.estimators.base import ESTIMATORS, Kept, released_rules
from ccps.faithful import TraceRule
from ccps.reasoning.attended import UNITS, AttentionMeasure
from ccps.reasoning.pushed import FeatureMeasure, RadiusMeasure
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.estimators import DeepConfConfig, RccConfig, StabilityConfig
from ccps.settings.faithful.judge import JudgeChoice
from ccps.settings.faithful.run import FaithfulSettings
from ccps.settings.probe import EncoderConfig

SEGMENTATION = Segmentation("paragraph", "strict")
SETTINGS = FaithfulSettings(
    deepconf=DeepConfConfig(k=9), rcc=RccConfig(hidden="post_norm"), judge=JudgeChoice("lexical")
)


def test_each_file_of_the_room_is_known_by_its_name() -> None:
    assert list(ESTIMATORS) == ["deepconf", "rcc", "sampling", "stability"]
    assert [ESTIMATORS[name].name for name in ESTIMATORS] == list(ESTIMATORS)


def test_a_name_that_is_misspelt_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Choose stability"):
        ESTIMATORS.find("stabillity")


def test_the_rules_of_the_released_code() -> None:
    rules = released_rules()
    assert rules["deepconf"] == TraceRule("mean", -1.0)
    assert rules["rcc"] == TraceRule("last", 0.0)
    assert rules["sampling"] == TraceRule("mean", 0.5)


@pytest.mark.parametrize(
    ("name", "kept", "read"),
    [
        ("deepconf", Kept(alternatives=9), ()),
        (
            "rcc",
            Kept(alternatives=1, measures=(AttentionMeasure("post_norm", "dot", 0.1, "strict"),)),
            ("attention",),
        ),
        ("sampling", Kept(), ()),
        ("stability", Kept(measures=(RadiusMeasure(),)), ()),
    ],
)
def test_what_is_kept_and_what_is_read(tmp_path: Path, name: str, kept: Kept, read: tuple[str, ...]) -> None:
    estimator = ESTIMATORS[name].open(SETTINGS, SEGMENTATION, tmp_path)
    assert estimator.kept == kept
    assert estimator.numbers == read
    assert estimator.states == ()


@pytest.mark.parametrize(("mu", "least"), [(0.7, 0.1), (0.1, 0.1), (0.04, 0.04)])
@pytest.mark.parametrize("delta", [0.2, 0.9])
def test_traces_are_read_alike_for_any_threshold_that_is_not_very_low(
    tmp_path: Path, mu: float, least: float, delta: float
) -> None:
    settings = FaithfulSettings(rcc=RccConfig(mu=mu, delta=delta))
    kept = [ESTIMATORS["rcc"].open(settings, Segmentation(unit, "strict"), tmp_path).kept for unit in UNITS]
    assert {one.measures for one in kept} == {(AttentionMeasure("pre_norm", "dot", least, "strict"),)}


def test_a_probe_is_read_on_features_and_needs_no_stage(tmp_path: Path) -> None:
    make_scorer(fitted(EncoderConfig(hidden=[8], kernels=[3], max_tokens=4, embed_dim=4))).save(tmp_path / "oe")
    probed = FaithfulSettings(stability=StabilityConfig(str(tmp_path / "oe")))
    by_radius, by_probe = (
        ESTIMATORS["stability"].open(settings, SEGMENTATION, tmp_path) for settings in (SETTINGS, probed)
    )
    assert (by_radius.behind, by_probe.behind) == ("flip radius", "CCPS probe")
    assert [own.name for own in by_radius.stages] == ["radii"]
    assert by_probe.stages == ()
    assert by_probe.states == ()
    assert by_probe.kept == Kept(measures=(FeatureMeasure(RADIUS, STEPS, 4, "strict"),))
    assert by_probe.numbers == ("features",)


def test_the_stages_that_no_one_else_needs() -> None:
    own = {name: [stage.name for stage in estimator.stages] for name, estimator in ESTIMATORS.items()}
    assert own == {"deepconf": [], "rcc": [], "sampling": ["continue", "judge"], "stability": ["radii"]}
