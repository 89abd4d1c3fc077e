"""What the settings of a run of the faithful system need of the rooms that they speak of."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ccps.analysis.faithful_claims import parse_faithful_claims
from ccps.core.settings import Fault, faults_of, typed, unknown
from ccps.estimators.base import ESTIMATORS
from ccps.estimators.continuing import ContinueStage
from ccps.estimators.sampling import JudgeStage
from ccps.reasoning.decisiveness.base import decisiveness_faults
from ccps.reasoning.judges.base import judge_faults
from ccps.settings.faithful.run import STAGES, FaithfulConfig, FaithfulSettings
from ccps.stages.main.checks import run_faults, window_faults


def to_faithful(settings: Mapping[str, Any], *, here: bool = True) -> FaithfulConfig:
    """Check the settings of a run of the faithful system and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.
        here: whether it is to run on this machine.

    Raises:
        SettingsError: naming every fault.
    """
    return typed(settings, FaithfulConfig, partial(_faithful_faults, here=here))


def _faithful_faults(config: FaithfulConfig, *, here: bool) -> Iterator[Fault]:
    own = {stage.name for estimator in ESTIMATORS.values() for stage in estimator.stages}
    for stage in config.stages:
        if stage not in own and stage not in STAGES:
            yield unknown("stage", stage, "stages", dict.fromkeys((*STAGES, *own)))
    for name in config.faithful.estimators:
        if name not in ESTIMATORS:
            yield unknown("estimator", name, "faithful.estimators", ESTIMATORS)
    yield from _own_faults(config.faithful)
    yield from (one.under("faithful.decisiveness") for one in decisiveness_faults(config.faithful.decisiveness))
    yield from (one.under("faithful.judge") for one in judge_faults(config.faithful.judge))
    if config.claims:
        yield from faults_of("claims", partial(parse_faithful_claims, config.claims))
    if here:
        yield from run_faults(config.model, config.engine, config.paths, config.run_on)
        yield from _window_faults(config)


def _window_faults(config: FaithfulConfig) -> Iterator[Fault]:
    """Continuations and replies that leave no room for a prompt; a trace ends where the window does."""
    faithful, judge = config.faithful, config.faithful.judge
    chosen = [ESTIMATORS[name] for name in faithful.estimators if name in ESTIMATORS]
    stages = {stage.name for estimator in chosen for stage in estimator.stages}
    if ContinueStage.name in stages:
        limit = faithful.sampling.max_new_tokens
        yield from window_faults("faithful.sampling.max_new_tokens", limit, config.model)
    if JudgeStage.name in stages:
        own = {"faithful.judge.model": judge.model} if judge.model is not None else {}
        asked = config.model if judge.is_model_under_study else own
        yield from window_faults("faithful.judge.max_new_tokens", judge.max_new_tokens, asked)


def _own_faults(faithful: FaithfulSettings) -> Iterator[Fault]:
    """What estimators from elsewhere say against their settings."""
    known = [name for name, estimator in ESTIMATORS.items() if estimator.settings is not None]
    for name in faithful.own:
        if name in known:
            yield from faults_of(f"faithful.own.{name}", partial(ESTIMATORS[name].read_settings, faithful))
        else:
            yield unknown("estimator with settings of its own", name, "faithful.own", known or ["none"])
