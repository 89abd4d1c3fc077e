"""`plan=true` at an entry point: what it would run, how long that takes and what it costs, and nothing is run.

Settings of a plan (`conf/plan.yaml`) are no part of an experiment: they stand on the same command line, are taken from
it before Hydra sees it, and change neither keys nor reports.
"""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from ccps.cli.tables import columns
from ccps.core.errors import UserError, expected
from ccps.core.settings import nearest, typed
from ccps.settings.model import ModelConfig
from ccps.settings.plan import DeviceConfig, PlanConfig
from experiments.configs import CONF

if TYPE_CHECKING:
    from ccps.plan.table import Plan
    from ccps.stages.planning.plan import Planning

_SWITCH, _GROUP = "plan", "plan."
_NUMBERS = ("tokens", "time", "memory", "disk", "money")
_CPU_NAMES = Path("/proc/cpuinfo")
_RANDOM = "_random"

Settings = dict[str, Any]
Planner = Callable[[Settings, "Planning"], "Plan"]


def without_plan(arguments: Sequence[str]) -> tuple[list[str], PlanConfig | None]:
    """A command line without what is said of a plan, and the plan's settings; None where no plan is asked for.

    Raises:
        UserError: `plan` is neither true nor false, a setting of it does not fit, or there is one without `plan=true`.
    """
    said = [text for text in arguments if _key(text) == _SWITCH or _key(text).startswith(_GROUP)]
    rest = [text for text in arguments if text not in said]
    switches = [text.partition("=")[2].lower() for text in said if _key(text) == _SWITCH]
    if any(value not in ("true", "false") for value in switches):
        raise expected("`plan`", "true or false", switches[-1], "Its settings are plan.NAME=VALUE, see conf/plan.yaml.")
    overrides = [text for text in said if _key(text) != _SWITCH]
    if not switches or switches[-1] == "false":
        if overrides and not switches:
            raise expected("the command line", "without settings of a plan", overrides[0], "Add plan=true to plan.")
        return rest, None
    return rest, plan_config(overrides)


def _key(text: str) -> str:
    return text.lstrip("+~").partition("=")[0]


def plan_config(overrides: Sequence[str] = ()) -> PlanConfig:
    """The settings of a plan: `conf/plan.yaml`, and what stands on the command line (`plan.device=h100`).

    Raises:
        UserError: naming every fault.
    """
    settings: Any = OmegaConf.load(CONF / "plan.yaml")
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        way_out = "Quote values with special characters."
        raise expected("a setting of the plan", "plan.NAME=VALUE", " ".join(overrides), way_out) from error
    for override in parsed:
        key = override.key_or_group.removeprefix(_GROUP)
        OmegaConf.update(settings, key, override.value(), merge=False, force_add=True)
    plain: Any = OmegaConf.to_container(settings)
    found: PlanConfig = typed(plain, PlanConfig, name=_SWITCH)
    return found


def devices() -> dict[str, DeviceConfig]:
    """Every file of `conf/device`, by name."""
    found = {}
    for path in sorted((CONF / "device").glob("*.yaml")):
        values: Any = OmegaConf.to_container(OmegaConf.load(path))
        found[path.stem] = typed(values, DeviceConfig, name=f"device.{path.stem}")
    return found


def device_named(name: str | None) -> str:
    """The name of a file of `conf/device`; that of what this machine has if none is given.

    Raises:
        UserError: there is no such file, or none for this machine.
    """
    known = devices()
    if name is not None:
        if name not in known:
            raise UserError(
                f"Expected `plan.device` to be a file of conf/device, but got {name}. {nearest(name, list(known))}"
            )
        return name
    here = this_machine()
    for key, device in known.items():
        if device.matches and all(part.lower() in here.lower() for part in device.matches):
            return key
    raise expected(
        "`plan.device`",
        "given on this machine, whose processor has no file in conf/device",
        here,
        f"Choose one of {', '.join(known)}, or add a file: `make bench` measures what stands in it.",
    )


def this_machine() -> str:
    """What this machine computes on: the name of its GPU, else its processor, how many cores, and what these can."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    name, flags = platform.processor() or platform.machine(), ""
    if _CPU_NAMES.is_file():
        lines = _CPU_NAMES.read_text(encoding="utf-8", errors="replace").splitlines()
        values = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
        name, flags = values.get("model name", name), values.get("flags", "")
    can = [word for word in ("amx_bf16", "avx512_bf16", "avx2") if word in flags.split()]
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {' '.join(can)}"


def known_shapes() -> dict[str, ModelConfig]:
    """The models of `conf/model` that have the sizes of another and random weights, by the names of those."""
    found: dict[str, ModelConfig] = {}
    for path in sorted((CONF / "model").glob(f"*{_RANDOM}.yaml")):
        values: Any = OmegaConf.to_container(OmegaConf.load(path))
        for name, config in values.items():
            found[name.removesuffix(_RANDOM)] = typed(config, ModelConfig, name=f"model.{name}")
    return found


def planned(planner: Planner, config: PlanConfig, settings: Settings) -> "Plan":
    """The plan of a job.

    Args:
        planner: of the entry point.
        config: of the plan.
        settings: of the job.

    Raises:
        UserError: see `device_named`, and the planner.
    """
    from ccps.plan.device import Device
    from ccps.stages.planning.plan import Planning

    name = device_named(config.device)
    return planner(settings, Planning(config, Device(name, devices()[name]), known_shapes() | config.shapes))


def lines_of(plan: "Plan", config: PlanConfig) -> list[str]:
    """A plan as people read it in a terminal."""
    by = config.by
    head = plan.head(by)
    right = [place for place, name in enumerate(head) if name in _NUMBERS]
    work = "one process" if plan.processes == 1 else f"{plan.processes} processes on {plan.nodes} node(s)"
    lines = [f"On {plan.device}, {work}:", "", *columns(head, plan.cells(by), right), "", *plan.notes]
    if config.compare:
        compared = [*by, "planned", "took", "off"]
        numbers = range(len(by), len(compared))
        lines += ["", "What is found, as it would have been planned and as it was:", ""]
        lines += columns(compared, plan.compared(by), list(numbers))
    return lines


def plan_and_print(planner: Planner, config: PlanConfig) -> Callable[[Settings], None]:
    """What an entry point does with its settings instead of running them."""

    def show(settings: Mapping[str, Any]) -> None:
        from ccps.core.visible import visible

        for line in lines_of(planned(planner, config, dict(settings)), config):
            print(visible(line), flush=True)

    return show
