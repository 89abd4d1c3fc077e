"""From the settings of an experiment to a typed `Config`; what is out of range or does not go together is refused."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, get_args

from ccps.data.benchmarks import BenchmarkSpec
from ccps.data.prompts import SystemRole
from ccps.errors import UserError
from ccps.grading import GRADERS, GraderConfig, check_grader
from ccps.llm.config import DTYPES, SOURCES
from ccps.methods import METHODS
from ccps.metrics import CONVENTIONS
from ccps.probes.config import ProbeConfig, check_config
from ccps.report import parse_claims
from ccps.stages.config import STAGES, Config
from ccps.stages.mirror import MODES
from ccps.stages.schema import build, nearest, typed

_ONE_OF: Mapping[str, Sequence[str]] = {
    "sampling.order": ("shuffled", "first"),
    "sampling.remainder": ("deal", "drop"),
    "answering.method": ("greedy", "letters"),
    "answering.prompt": ("strict", "parity"),
    "evaluation.convention": tuple(CONVENTIONS),
    "trainer.accelerator": ("auto", "cpu", "gpu"),
    "logger.mode": MODES,
}
_MODEL_ONE_OF: Mapping[str, Sequence[str]] = {
    "source": SOURCES,
    "dtype": DTYPES,
    "system_role": get_args(SystemRole),
}
_POSITIVE = (
    "sampling.train_total",
    "sampling.test_per_subject",
    "answering.max_new_tokens",
    "answering.max_batch_tokens",
    "answering.shard_questions",
    "perturbation.radius",
    "perturbation.steps",
    "evaluation.resamples",
    "trainer.threads",
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
    for path, known in _ONE_OF.items():
        value = _at(settings, path)
        if value is not None and value not in known:
            yield f"expected `{path}` to be one of {', '.join(known)}, but got {value!r}"
    for path in _POSITIVE:
        value = _at(settings, path)
        if value is not None and not 0 < value < math.inf:
            yield f"expected `{path}` to be above 0 and finite, but got {value!r}"
    for path in ("sampling.seed", "evaluation.seed"):
        value = _at(settings, path)
        if value is not None and value < 0:
            yield f"expected `{path}` to be 0 or more, but got {value!r}"
    level = _at(settings, "evaluation.level")
    if level is not None and not 0 < level < 1:
        yield f"expected `evaluation.level` to be between 0 and 1, but got {level!r}"
    for stage in settings.get("stages", ()):
        if stage not in STAGES:
            yield f"unknown stage `{stage}` in `stages`: {nearest(stage, STAGES)}"
    if settings.get("claims"):
        try:
            parse_claims(settings["claims"])
        except UserError as error:
            yield str(error)
    for path in ("stages", "seeds", "model", "train", "test", "grader", "method"):
        if not settings.get(path):
            yield f"expected `{path}` to hold at least one entry, but it is empty"
    seeds = settings.get("seeds", ())
    if len(set(seeds)) < len(seeds) or any(seed < 0 for seed in seeds):
        yield f"expected `seeds` to be different numbers, 0 or more, but got {seeds}"
    yield from _method_faults(settings.get("method", {}))
    yield from _model_faults(settings.get("model", {}))
    yield from _benchmark_faults(settings)
    yield from _grader_faults(settings)
    yield from _fitting_faults(settings)
    yield from _own_faults("probe", lambda: check_config(build(settings.get("probe", {}), ProbeConfig)))


def _method_faults(methods: Mapping[str, Any]) -> Iterator[str]:
    names = [method["name"] for method in methods.values()]
    for key, name in zip(methods, names, strict=True):
        if name not in METHODS:
            yield f"unknown method `{name}` in `method.{key}`: {nearest(name, list(METHODS))}"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"expected each method once, but got `{name}` {names.count(name)} times in `method`"


def _model_faults(models: Mapping[str, Any]) -> Iterator[str]:
    for name, model in models.items():
        for key, known in _MODEL_ONE_OF.items():
            if model.get(key, known[0]) not in known:
                yield f"expected `model.{name}.{key}` to be one of {', '.join(known)}, but got {model[key]!r}"


def _benchmark_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    if "train" in settings.get("test", {}):
        yield "expected `test` to have no benchmark called `train`, which names the training questions: rename it"
    for side in ("train", "test"):
        specs = settings.get(side, {})
        names = [spec["name"] for spec in specs.values()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"expected each benchmark in `{side}` to have a `name` of its own, but got `{name}` more than once"
        for key, spec in specs.items():
            yield from _own_faults(f"{side}.{key}", partial(build, spec, BenchmarkSpec))

    formats = _formats(settings)
    if len(set(formats.values())) > 1:
        listed = ", ".join(f"{path} {name}" for path, name in formats.items())
        yield f"expected all benchmarks to have one format, mc or oe, for which one probe is fitted, but got {listed}"


def _grader_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    formats = set(_formats(settings).values())
    for key, grader in settings.get("grader", {}).items():
        yield from _own_faults(f"grader.{key}", partial(_check_grader, grader))
        known = GRADERS.get(grader["name"])
        if known and not formats <= known.formats:
            fitting = [name for name, other in GRADERS.items() if formats <= other.formats]
            wanted, got = (" and ".join(sorted(names)) for names in (formats, known.formats))
            yield (
                f"expected `grader.{key}` to be for the format of the benchmarks ({wanted}), but got "
                f"{grader['name']}, which is for {got}: choose of {', '.join(fitting)}"
            )


def _fitting_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """What goes together only with something else: open-ended answers, and labels that the data hold."""
    formats = set(_formats(settings).values())
    if formats == {"oe"} and not _at(settings, "probe.encoder.kernels"):
        yield "expected `probe` to read all tokens of open-ended answers, but it reads one: choose probe=oe_released"
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


def _formats(settings: Mapping[str, Any]) -> dict[str, str]:
    """The format of every benchmark."""
    sides = {side: settings.get(side, {}) for side in ("train", "test")}
    return {f"{side}.{key}": spec.get("format", "mc") for side, specs in sides.items() for key, spec in specs.items()}


def _own_faults(path: str, check: Callable[[], object]) -> Iterator[str]:
    """The faults that a part of the settings finds in itself, a line each."""
    try:
        check()
    except UserError as error:
        lines = str(error).splitlines()
        listed = [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]
        for line in listed or lines:
            yield f"in `{path}`: {line[0].lower()}{line[1:]}"


def _at(settings: Mapping[str, Any], path: str) -> Any:
    value: Any = settings
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
