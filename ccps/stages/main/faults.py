"""Faults that settings of every kind may have: what each check of `conf/` shares."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, get_args

from ccps.core.errors import UserError
from ccps.core.settings import build, nearest
from ccps.data.prompts import SystemRole
from ccps.llm.config import DTYPES, SOURCES, ModelConfig
from ccps.llm.load import check_memory
from ccps.pipeline.mirror import MODES

# Parts that every entry point has.
RUN_ONE_OF: Mapping[str, Sequence[str]] = {
    "trainer.accelerator": ("auto", "cpu", "gpu"),
    "trainer.strategy": ("auto", "ddp"),
    "logger.mode": MODES,
}
RUN_POSITIVE = ("trainer.devices", "trainer.num_nodes", "trainer.threads")
_MODEL_ONE_OF: Mapping[str, Sequence[str]] = {
    "source": SOURCES,
    "dtype": DTYPES,
    "system_role": get_args(SystemRole),
}
_WITHOUT_VLLM = "set engine=transformers"


def value_at(settings: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = settings
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def choice_faults(settings: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Values, by path, that are none of those allowed there."""
    for path, allowed in known.items():
        value = value_at(settings, path)
        if value is not None and value not in allowed:
            yield f"expected `{path}` to be one of {', '.join(allowed)}, but got {value!r}"


def positive_faults(settings: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    """Values that should be above 0 and are not."""
    for path in paths:
        value = value_at(settings, path)
        if value is not None and not 0 < value < math.inf:
            yield f"expected `{path}` to be above 0 and finite, but got {value!r}"


def stage_faults(settings: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    """Stages that do not exist."""
    for stage in settings.get("stages", ()):
        if stage not in known:
            yield f"unknown stage `{stage}` in `stages`: {nearest(stage, known)}"


def empty_faults(settings: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    """Groups and lists that should hold something and do not."""
    for path in paths:
        if not value_at(settings, path):
            yield f"expected `{path}` to hold at least one entry, but it is empty"


def part_faults(settings: Mapping[str, Any], path: str, wanted: Any, check: Callable[[Any], object]) -> Iterator[str]:
    """The faults that a part of the settings finds in itself, once built."""
    yield from own_faults(path, partial(_check_part, value_at(settings, path) or {}, wanted, check))


def model_faults(models: Mapping[str, Any]) -> Iterator[str]:
    """Faults of each language model."""
    for name, model in models.items():
        for key, known in _MODEL_ONE_OF.items():
            if model.get(key, known[0]) not in known:
                yield f"expected `model.{name}.{key}` to be one of {', '.join(known)}, but got {model[key]!r}"
        yield from own_faults(f"model.{name}", partial(_check_part, model, ModelConfig, partial(check_memory, name)))


def spread_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """Models that are spread over all devices, in runs that start a process for each."""
    trainer = settings.get("trainer", {})
    for name, model in settings.get("model", {}).items():
        if model.get("device_map") is not None and trainer.get("devices", 1) * trainer.get("num_nodes", 1) > 1:
            yield (
                f"expected `trainer.devices` and `trainer.num_nodes` to be 1 with `model.{name}.device_map`, as then "
                "one process uses all devices: leave out one or the other"
            )


def vllm_faults(settings: Mapping[str, Any], temperatures: Iterable[str]) -> Iterator[str]:
    """What does not go together with vLLM: models, numbers of processes, temperatures (by path)."""
    for path in temperatures:
        temperature = value_at(settings, path)
        if temperature is not None and not 0.01 <= temperature <= 2:
            yield f"expected `{path}` to be 0.01 to 2 with vLLM, but got {temperature}: {_WITHOUT_VLLM}"
    for name, model in settings.get("model", {}).items():
        if model.get("source") == "random":
            yield f"expected `model.{name}` to be a checkpoint with vLLM, but got random weights: {_WITHOUT_VLLM}"
        if model.get("quantisation"):
            yield (
                f"expected `model.{name}.quantisation` to be null with vLLM, which holds the weights as they are, but "
                f"got {model['quantisation']!r}: leave it out, or {_WITHOUT_VLLM}"
            )
    processes = (value_at(settings, "trainer.devices") or 1) * (value_at(settings, "trainer.num_nodes") or 1)
    if processes > 1:
        yield f"expected vLLM to be used in a run of one process, but got {processes}: {_WITHOUT_VLLM}"


def own_faults(path: str, check: Callable[[], object]) -> Iterator[str]:
    """The faults that a part of the settings finds in itself, a line each."""
    try:
        check()
    except UserError as error:
        lines = str(error).splitlines()
        listed = [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]
        for line in listed or lines:
            yield f"in `{path}`: {line[0].lower()}{line[1:]}"


def _check_part(part: Mapping[str, Any], wanted: Any, check: Callable[[Any], object]) -> None:
    check(build(part, wanted))
