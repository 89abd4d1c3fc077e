"""From settings to a typed `FaithfulConfig`; what is out of range or does not go together is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, get_args

from omegaconf import MISSING

from ccps.core.settings import build, nearest, typed
from ccps.engines import EngineConfig, check_engine
from ccps.faithful import Mode
from ccps.faithful.rcc import Similarity
from ccps.faithful.segment import Unit
from ccps.reasoning.continuations import ContinuationSettings, check_continuation_settings
from ccps.reasoning.decide_config import DecisivenessConfig, check_decisiveness
from ccps.reasoning.generate import TraceSettings, check_trace_settings
from ccps.reasoning.judge_choice import JudgeChoice, check_judge
from ccps.reasoning.messages import ThinkTag
from ccps.reasoning.resampling import ScoringSettings, check_scoring
from ccps.reasoning.tasks import TaskSpec
from ccps.stages.faithful.config import ESTIMATORS, STAGES, FaithfulConfig, TraceFile
from ccps.stages.main.faults import (
    RUN_ONE_OF,
    RUN_POSITIVE,
    choice_faults,
    empty_faults,
    model_faults,
    own_faults,
    part_faults,
    positive_faults,
    spread_faults,
    stage_faults,
    value_at,
    vllm_faults,
)

_ONE_OF: Mapping[str, Sequence[str]] = {
    "faithful.mode": get_args(Mode),
    "faithful.unit": get_args(Unit),
    "faithful.think_tag": get_args(ThinkTag),
    "faithful.rcc.hidden": ("pre_norm", "post_norm"),
    "faithful.rcc.similarity": get_args(Similarity),
    "faithful.rcc.token": ("argmax", "sampled"),
}
_POSITIVE = ("faithful.questions", "faithful.shard_traces", "faithful.deepconf.k", "faithful.deepconf.scale")
# Parts that know their own faults.
_PARTS: Sequence[tuple[str, Any, Callable[[Any], object]]] = (
    ("engine", EngineConfig, check_engine),
    ("faithful.traces", TraceSettings, check_trace_settings),
    ("faithful.decisiveness", DecisivenessConfig, check_decisiveness),
    ("faithful.sampling", ContinuationSettings, check_continuation_settings),
    ("faithful.judge", JudgeChoice, check_judge),
    ("faithful.scoring", ScoringSettings, check_scoring),
)


def to_faithful(settings: Mapping[str, Any]) -> FaithfulConfig:
    """Check the settings of a run of the faithful system and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.

    Raises:
        SettingsError: naming every fault.
    """
    return typed(settings, FaithfulConfig, _value_faults)


def _value_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from choice_faults(settings, {**_ONE_OF, **RUN_ONE_OF})
    yield from positive_faults(settings, (*_POSITIVE, *RUN_POSITIVE))
    yield from _rcc_faults(value_at(settings, "faithful.rcc") or {})
    if value_at(settings, "faithful.scoring.mode") is not None:
        yield "expected `faithful.scoring.mode` to be left out: `faithful.mode` holds for everything"
    yield from stage_faults(settings, STAGES)
    yield from empty_faults(settings, ("stages", "faithful.estimators"))
    yield from _estimator_faults(value_at(settings, "faithful.estimators") or [])
    yield from _source_faults(settings)
    yield from model_faults(settings.get("model", {}))
    yield from spread_faults(settings)
    if value_at(settings, "engine.name") == "vllm":
        yield from vllm_faults(settings, ["faithful.traces.temperature", "faithful.sampling.temperature"])
    for name, task in (value_at(settings, "faithful.dataset") or {}).items():
        yield from own_faults(f"faithful.dataset.{name}", partial(build, task, TaskSpec))
    for path, wanted, check in _PARTS:
        yield from part_faults(settings, path, wanted, check)


def _rcc_faults(rcc: Mapping[str, Any]) -> Iterator[str]:
    mu, delta = rcc.get("mu", 0.5), rcc.get("delta", 0.5)
    if not 0 < mu <= 1:
        yield f"expected `faithful.rcc.mu` to be above 0 and at most 1, but got {mu!r}"
    if not 0 <= delta <= 1:
        yield f"expected `faithful.rcc.delta` to be from 0 to 1, but got {delta!r}"


def _estimator_faults(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name not in ESTIMATORS:
            yield f"unknown estimator `{name}` in `faithful.estimators`: {nearest(name, ESTIMATORS)}"
    if len(set(names)) < len(names):
        yield f"expected each of `faithful.estimators` once, but got {', '.join(names)}"


def _source_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """Traces come from models that are asked, or from files."""
    files = value_at(settings, "faithful.files") or {}
    asked = all(value_at(settings, path) for path in ("model", "faithful.dataset", "faithful.prompt"))
    if not files and not asked:
        yield (
            "expected `model`, `faithful.dataset` and `faithful.prompt` to hold at least one entry each, or "
            "`faithful.files` to name traces made elsewhere, but one of them is empty"
        )
    given = [build(file, TraceFile) for file in files.values() if file.get("path", MISSING) != MISSING]
    named = [(file.model, file.dataset, file.prompt) for file in given]
    own = product(*(value_at(settings, path) or {} for path in ("model", "faithful.dataset", "faithful.prompt")))
    named += list(own)
    for one in sorted({one for one in named if named.count(one) > 1}):
        yield (
            f"expected every model, dataset and prompt once, but got {' · '.join(one)} {named.count(one)} times: give "
            "each of `faithful.files` names of its own"
        )
