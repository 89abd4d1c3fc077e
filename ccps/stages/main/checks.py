"""From the settings of an experiment to a typed `Config`; what is out of range or does not go together is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ccps.analysis.claims import parse_claims
from ccps.asking.samples import SamplesConfig, check_samples_config
from ccps.calibrators import Kind
from ccps.core.errors import UserError
from ccps.core.settings import build, nearest, typed
from ccps.data.benchmarks import BenchmarkSpec
from ccps.engines import EngineConfig, check_engine
from ccps.grading import GRADERS, GraderConfig, check_grader
from ccps.methods import METHODS
from ccps.metrics import CONVENTIONS
from ccps.needs.registry import NEEDS
from ccps.probes import StateProbeConfig
from ccps.probes.config import ProbeConfig, check_config
from ccps.probes.state_config import check_state_config
from ccps.stages.main.config import STAGES, Config
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
from ccps.stages.main.runs import train_label
from ccps.tuning.config import TuningConfig, check_tuning
from ccps.tuning.litcab_config import LitCabConfig, check_litcab

_ONE_OF: Mapping[str, Sequence[str]] = {
    "sampling.order": ("shuffled", "first"),
    "sampling.remainder": ("deal", "drop"),
    "answering.method": ("greedy", "letters"),
    "answering.prompt": ("strict", "parity"),
    "evaluation.convention": tuple(CONVENTIONS),
}
# A training benchmark of each format, to name in messages.
_FOR_TRAINING = {"mc": "arc_easy", "oe": "trivia_qa"}
# Parts that know their own faults.
_PARTS: Sequence[tuple[str, Any, Callable[[Any], object]]] = (
    ("engine", EngineConfig, check_engine),
    ("samples", SamplesConfig, check_samples_config),
    ("state_probe", StateProbeConfig, check_state_config),
    ("tuning", TuningConfig, check_tuning),
    ("litcab", LitCabConfig, check_litcab),
)
_POSITIVE = (
    "sampling.train_total",
    "sampling.test_per_subject",
    "answering.max_new_tokens",
    "answering.max_batch_tokens",
    "answering.shard_questions",
    "perturbation.radius",
    "perturbation.steps",
    "perturbation.max_scratch_mib",
    "audit.repeats",
    "audit.explained",
    "audit.background",
    "audit.permutations",
    "evaluation.resamples",
)


def to_config(settings: Mapping[str, Any]) -> Config:
    """Check the settings of an experiment and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.

    Raises:
        SettingsError: naming every fault, see `typed`.
    """
    return typed(settings, Config, _value_faults)


def _value_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from choice_faults(settings, {**_ONE_OF, **RUN_ONE_OF})
    yield from positive_faults(settings, (*_POSITIVE, *RUN_POSITIVE))
    for path in ("sampling.seed", "evaluation.seed"):
        value = value_at(settings, path)
        if value is not None and value < 0:
            yield f"expected `{path}` to be 0 or more, but got {value!r}"
    level = value_at(settings, "evaluation.level")
    if level is not None and not 0 < level < 1:
        yield f"expected `evaluation.level` to be between 0 and 1, but got {level!r}"
    yield from stage_faults(settings, STAGES)
    if settings.get("claims"):
        try:
            parse_claims(settings["claims"])
        except UserError as error:
            yield str(error)
    yield from empty_faults(settings, ("stages", "seeds", "model", "train", "test", "grader", "method"))
    seeds = settings.get("seeds", ())
    if len(set(seeds)) < len(seeds) or any(seed < 0 for seed in seeds):
        yield f"expected `seeds` to be different numbers, 0 or more, but got {seeds}"
    yield from _method_faults(settings.get("method", {}))
    yield from model_faults(settings.get("model", {}))
    yield from spread_faults(settings)
    yield from _benchmark_faults(settings)
    yield from _grader_faults(settings)
    yield from _fitting_faults(settings)
    if value_at(settings, "engine.name") == "vllm":
        yield from vllm_faults(settings, ["samples.temperature"])
    for form in sorted(_tested(settings)):
        check = partial(check_config, name=f"probe.{form}")
        yield from part_faults(settings, f"probe.{form}", ProbeConfig, check)
    for path, wanted, check_part in _PARTS:
        yield from part_faults(settings, path, wanted, check_part)


def _method_faults(methods: Mapping[str, Any]) -> Iterator[str]:
    chosen = [(method["name"], method.get("calibrator")) for method in methods.values()]
    for key, method in methods.items():
        if method.get("seeds") is not None and method["seeds"] < 1:
            yield f"expected `method.{key}.seeds` to be above 0, but got {method['seeds']}"
    for key, (name, calibrator) in zip(methods, chosen, strict=True):
        if name not in METHODS:
            yield f"unknown method `{name}` in `method.{key}`: {nearest(name, list(METHODS))}"
        if calibrator is not None and calibrator not in list(Kind):
            yield f"expected `method.{key}.calibrator` to be one of {', '.join(Kind)}, or null, but got {calibrator!r}"
        if calibrator is not None and name in METHODS and _is_tuned(name):
            yield (
                f"expected no `method.{key}.calibrator` on `{name}`, but got {calibrator!r}: the model was tuned on "
                "the answers that the calibrator would be fitted to"
            )
    for one in sorted({one for one in chosen if chosen.count(one) > 1}, key=str):
        yield f"expected each method once, but got `{one[0]}` {chosen.count(one)} times in `method`"


def _is_tuned(method: str) -> bool:
    """Whether the model itself learns from the training answers for this method."""
    return any(need in NEEDS and NEEDS[need].training is not None for need in METHODS[method].needs)


def _benchmark_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({train_label(form) for form in _FOR_TRAINING} & set(settings.get("test", {}))):
        yield f"expected `test` to have no benchmark called `{name}`, which names the training questions: rename it"
    for side in ("train", "test"):
        specs = settings.get(side, {})
        names = [spec["name"] for spec in specs.values()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"expected each benchmark in `{side}` to have a `name` of its own, but got `{name}` more than once"
        for key, spec in specs.items():
            yield from own_faults(f"{side}.{key}", partial(build, spec, BenchmarkSpec))

    for form in sorted(_tested(settings) - _trained(settings)):
        others = ", ".join(settings.get("train", {})) or "none"
        yield (
            f"expected `train` to have a benchmark of every format that is tested, but got none of format {form} "
            f"({others}): add one, for instance benchmark@train=[{_FOR_TRAINING[form]}]"
        )


def _grader_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    graders = settings.get("grader", {})
    for key, grader in graders.items():
        yield from own_faults(f"grader.{key}", partial(_check_grader, grader))
    for form in sorted(_tested(settings)):
        fitting = [name for name, other in GRADERS.items() if form in other.formats]
        names = [grader["name"] for grader in graders.values()]
        if names and not set(names) & set(fitting):
            yield (
                f"expected `grader` to have one for every format that is tested, but got none for {form} "
                f"({', '.join(names)}): choose of {', '.join(fitting)}"
            )


def _fitting_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """What goes together only with something else: open-ended answers, and labels that the data hold."""
    if "oe" in _tested(settings) and not value_at(settings, "probe.oe.encoder.kernels"):
        yield (
            "expected `probe.oe` to read all tokens of open-ended answers, but it reads one: "
            "choose probe@probe.oe=oe_released"
        )
    graders = [grader["name"] for grader in settings.get("grader", {}).values()]
    for side in ("train", "test"):
        for key, spec in settings.get(side, {}).items():
            if spec.get("given_label") and "given" not in graders:
                yield (
                    f"expected the grader given among `grader`, as `{side}.{key}` has labels of its own, but got "
                    f"{', '.join(graders)}: put it first to use them, or set `{side}.{key}.given_label=null`"
                )


def _check_grader(grader: Mapping[str, Any]) -> None:
    check_grader(build(grader, GraderConfig))


def _trained(settings: Mapping[str, Any]) -> set[str]:
    """The formats of the training benchmarks."""
    return {spec.get("format", "mc") for spec in settings.get("train", {}).values()}


def _tested(settings: Mapping[str, Any]) -> set[str]:
    """The formats of the test benchmarks."""
    return {spec.get("format", "mc") for spec in settings.get("test", {}).values()}
