"""From composed settings to a typed `Config`: every fault found, and all of them in one message."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.data.benchmarks import BenchmarkSpec
from ccps.data.grading import Grader
from ccps.data.prompts import SystemRole
from ccps.errors import UserError
from ccps.llm.config import DTYPES, SOURCES
from ccps.methods import METHODS
from ccps.metrics import CONVENTIONS
from ccps.probes.config import ProbeConfig, check_config
from ccps.report import parse_claims
from ccps.stages.config import STAGES, Config
from ccps.stages.mirror import MODES

T = TypeVar("T")

_ONE_OF: Mapping[str, Sequence[str]] = {
    "sampling.order": ("shuffled", "first"),
    "answering.method": ("greedy", "letters"),
    "answering.prompt": ("strict", "parity"),
    "answering.grader": get_args(Grader),
    "evaluation.convention": tuple(CONVENTIONS),
    "trainer.accelerator": ("auto", "cpu", "gpu"),
    "logger.mode": MODES,
}
_MODEL_ONE_OF: Mapping[str, Sequence[str]] = {
    "source": SOURCES,
    "dtype": DTYPES,
    "system_role": get_args(SystemRole),
}
_TYPE_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "int | None": "a whole number or null",
    "str | None": "a text or null",
    "list[int]": "a list of whole numbers, such as [1,2]",
    "list[str]": "a list of texts, such as [a,b]",
    "dict[str, typing.Any]": "a group of settings",
}
_POSITIVE = (
    "sampling.train_total",
    "sampling.test_per_subject",
    "answering.max_batch_tokens",
    "answering.shard_questions",
    "perturbation.radius",
    "perturbation.steps",
    "evaluation.resamples",
    "trainer.threads",
)


class SettingsError(UserError):
    """Settings that do not fit; one message for all faults.

    Attributes:
        faults: what is wrong, a line each.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        heading = "One setting is at fault" if len(faults) == 1 else f"{len(faults)} settings are at fault"
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{heading}, nothing was run:\n{lines}\nPrint all settings and their values with --cfg job.")
        self.faults = list(faults)


def to_config(settings: Mapping[str, Any]) -> Config:
    """Check the settings of an experiment and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.

    Raises:
        SettingsError: naming every fault, see `typed`.
    """
    return typed(settings, Config, _value_faults)


def typed(
    settings: Mapping[str, Any], wanted: type[T], value_faults: Callable[[Mapping[str, Any]], Iterable[str]]
) -> T:
    """Check settings against a dataclass and build it.

    Args:
        settings: plain values.
        wanted: the dataclass.
        value_faults: says which values, of the right types, are out of range.

    Raises:
        SettingsError: naming every unknown key (with the nearest known one), wrong type, missing value and value out of
            range.
    """
    faults = list(_type_faults(settings, wanted, "")) or list(value_faults(settings))
    if faults:
        raise SettingsError(faults)
    built: T = _build(settings, wanted)
    return built


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the known name that resembles a misspelt one, or list what is known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(sorted(known))}"


def _type_faults(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """Compare a value with the type of its place, going down into dataclasses and mappings of them."""
    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, Mapping):
            yield f"expected `{path}` to be a group of settings, but got {value!r}"
            return
        yield from _dataclass_faults(value, wanted, path)
    elif get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        if not isinstance(value, Mapping):
            yield f"expected `{path}` to map names to settings, but got {value!r}"
            return
        for name, item in value.items():
            yield from _type_faults(item, get_args(wanted)[1], f"{path}.{name}")
    elif value == MISSING:
        yield f"expected `{path}` to be set, but it is not"
    elif not _fits(value, wanted):
        yield f"expected `{path}` to be {_type_name(wanted)}, but got {value!r}"


def _dataclass_faults(value: Mapping[str, Any], wanted: Any, path: str) -> Iterator[str]:
    hints = get_type_hints(wanted)
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            yield f"unknown setting `{prefix}{key}`: {nearest(str(key), list(hints))}"
    for item in dataclasses.fields(wanted):
        if item.name in value:
            yield from _type_faults(value[item.name], hints[item.name], f"{prefix}{item.name}")
        elif _is_required(item):
            yield f"expected `{prefix}{item.name}` to be set, but it is not"


def _is_required(item: dataclasses.Field[Any]) -> bool:
    absent = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    return absent or item.default == MISSING


def _fits(value: Any, wanted: Any) -> bool:
    """Whether OmegaConf takes the value for a field of that type (so 1 fits float, "1" does not fit a list)."""
    holder = dataclasses.make_dataclass("Holder", [("value", wanted, dataclasses.field(default=MISSING))])
    try:
        OmegaConf.structured(holder).value = value
    except OmegaConfBaseException:
        return False
    return not (isinstance(value, bool) and wanted in (int, float, int | None, float | None, str, str | None))


def _type_name(wanted: Any) -> str:
    if isinstance(wanted, type) and issubclass(wanted, str) and hasattr(wanted, "__members__"):
        return "one of " + ", ".join(wanted.__members__)
    name = wanted.__name__ if isinstance(wanted, type) and not get_args(wanted) else str(wanted)
    return _TYPE_NAMES.get(name, name)


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
    for path in ("stages", "seeds", "model", "train", "test", "method"):
        if not settings.get(path):
            yield f"expected `{path}` to hold at least one entry, but it is empty"
    seeds = settings.get("seeds", ())
    if len(set(seeds)) < len(seeds) or any(seed < 0 for seed in seeds):
        yield f"expected `seeds` to be different numbers, 0 or more, but got {seeds}"
    yield from _method_faults(settings.get("method", {}))
    yield from _model_faults(settings.get("model", {}))
    yield from _benchmark_faults(settings)
    yield from _own_faults("probe", lambda: check_config(_build(settings.get("probe", {}), ProbeConfig)))


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
            yield from _own_faults(f"{side}.{key}", partial(_build, spec, BenchmarkSpec))
            if spec.get("format", "mc") != "mc":
                yield f"expected `{side}.{key}.format` to be mc (multiple choice), but got {spec['format']!r}"


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


def _build(value: Any, wanted: Any) -> Any:
    """Build the dataclass of a place from plain values that are known to fit it."""
    if dataclasses.is_dataclass(wanted):
        hints = get_type_hints(wanted)
        fields = {key: _build(item, hints[key]) for key, item in value.items()}
        return wanted(**fields)  # type: ignore[operator]
    if get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        return {name: _build(item, get_args(wanted)[1]) for name, item in value.items()}
    holder = dataclasses.make_dataclass("Holder", [("value", wanted, dataclasses.field(default=MISSING))])
    typed = OmegaConf.structured(holder)
    typed.value = value
    return OmegaConf.to_container(typed)["value"]  # type: ignore[call-overload, index]
