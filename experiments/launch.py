"""What all entry points share: settings checked before anything loads; how they end, see `experiments.ending`."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, nearest, typed
from ccps.settings.experiment import Config
from ccps.settings.questions import SIZES
from experiments.composing import composed, one_line
from experiments.configs import CONF, SEARCHPATH, Configs
from experiments.ending import in_words, speak_anywhere
from experiments.flags import check_flags, without_config_dir
from experiments.help import help_text
from experiments.planning import Planner, plan_and_print, without_plan
from experiments.stopping import STOPPED, stop_when_told

# Characters of an override that messages show.
_SHOWN = 200


Settings = dict[str, Any]
Main = Callable[[Settings], None]
Check = Callable[[Settings], object]


def launch(
    main: Callable[[Settings], None],
    check: Callable[[Settings], object],
    config_name: str = "config",
    shape: type = Config,
    stopped: str = STOPPED,
    planner: Planner | None = None,
) -> None:
    """Run an entry point under Hydra.

    Every fault of the command line is reported at once, before anything is run. In a multirun each job writes into
    a folder of its own below `paths.output`, named after what is swept (`perturbation.radius=5`). Where settings are
    only shown, they are checked by their shape alone, which loads no torch.

    Args:
        main: receives the composed settings as plain values.
        check: receives them beforehand and raises `SettingsError` where they do not fit.
        config_name: primary file in `conf/`.
        shape: the dataclass that they fill.
        stopped: what is said where it was told to end: how to go on.
        planner: makes a plan of it, where the command line asks for one (`plan=true`).
    """
    speak_anywhere()
    stop_when_told()
    with in_words(stopped):
        if planner is not None:
            main, check = _planning(main, check, shape, planner)
        _launch(main, check, config_name, shape, stopped)


def _planning(main: Main, check: Check, shape: type, planner: Planner) -> tuple[Main, Check]:
    """What is done instead of running, if the command line asks for a plan, which is taken from it.

    What can run on this machine is not asked: a plan is made for another one as well.
    """
    sys.argv[1:], plan = without_plan(sys.argv[1:])
    return (main, check) if plan is None else (plan_and_print(planner, plan), partial(typed, wanted=shape))


def _launch(
    main: Callable[[Settings], None],
    check: Callable[[Settings], object],
    config_name: str,
    shape: type,
    stopped: str,
) -> None:
    arguments = sys.argv[1:]
    command = get_args_parser().parse_intermixed_args(arguments)
    is_run = not (command.help or command.hydra_help or command.cfg or command.info or command.shell_completion)
    check_flags(command)
    fits = check if is_run else partial(typed, wanted=shape)
    overrides = checked_overrides(
        command.overrides, config_name, fits, multirun=command.multirun, config_dir=command.config_dir
    )
    if command.help:
        print(_help(shape, overrides, config_name), flush=True)
        return
    flags = [argument for argument in without_config_dir(arguments) if argument not in command.overrides]
    sys.argv[1:] = [*flags, *overrides]

    @hydra.main(version_base=None, config_path=str(CONF), config_name=config_name)
    def task(config: DictConfig) -> None:
        with in_words(stopped):  # a launcher may have brought this into a process of its own
            settings = _plain(config)
            job = HydraConfig.get()
            _let_sizes_cut_own(settings, job.overrides.task)
            if job.mode == RunMode.MULTIRUN and "paths" in settings:
                own = Path(settings["paths"]["output"], job_name(job.overrides.task, overrides))
                settings["paths"]["output"] = str(own)
                # Jobs that a launcher runs beside each other share what they have in common.
                settings["paths"]["when_held"] = settings["paths"].get("when_held") or "wait"
            main(settings)

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        task()
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of Hydra or a launcher: what comes of the task has been put into words inside it
        raise UserError(one_line(error)) from error


def checked_overrides(
    overrides: Sequence[str],
    config_name: str,
    check: Callable[[Settings], object],
    *,
    multirun: bool = False,
    config_dir: str | None = None,
) -> list[str]:
    """Check a command line against `conf/` and a schema.

    Args:
        overrides: Hydra overrides (`seeds=[1,2]`, `model=[smollm2_135m]`, …).
        config_name: primary file in `conf/`.
        check: raises `SettingsError` where the settings do not fit.
        multirun: whether several values for one key (`perturbation.radius=5,10`) are run one after another.
        config_dir: a folder whose files can be chosen beside those of `conf/`.

    Returns:
        The overrides in the form in which Hydra takes them; the folder is `hydra.searchpath`.

    Raises:
        SettingsError: with every fault in one message.
    """
    faults: list[str] = []
    parsed = [item for text in overrides if (item := _parsed(text, faults))]
    configs = Configs.of(parsed, config_dir, faults)
    accepted = [
        item for item in parsed if item.key_or_group != SEARCHPATH and _is_accepted(item, configs, multirun, faults)
    ]
    # With `++` Hydra takes unknown keys too, so that the schema finds all of them and not only the first.
    forced = [
        _text(item) if configs.is_chosen_from(item) or _has_sign(item) else f"++{_text(item)}" for item in accepted
    ]
    for single in _without_sweeps(accepted, forced):
        try:
            check(_plain(composed(config_name, [*configs.override, *single])))
        except SettingsError as error:
            faults += error.faults
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise SettingsError(list(dict.fromkeys(faults)))
    return [*configs.override, *forced]


def _let_sizes_cut_own(settings: Settings, overrides: Sequence[str]) -> None:
    """Note which sizes of samples stand on the command line: these, and no experiment's, cut the user's own data."""
    sampling = settings.get("sampling")
    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    if not isinstance(sampling, dict) or "sampling.cuts_own" in keys:
        return
    given = [size for size in SIZES if any(re.fullmatch(rf"sampling\.{size}(\..*)?", key) for key in keys)]
    sampling["cuts_own"] = list(dict.fromkeys([*sampling["cuts_own"], *given]))


def job_name(overrides: Sequence[str], common: Sequence[str]) -> str:
    """Name a job of a multirun after what is its own.

    Args:
        overrides: of this job.
        common: of all jobs.
    """
    shared = {
        f"{item.get_key_element()}={item.get_value_element_as_str()}"
        for item in OverridesParser.create().parse_overrides(list(common))
        if not item.is_sweep_override()
    }
    own = ",".join(text.lstrip("+") for text in overrides if text not in shared)
    return re.sub(r"[^\w.,=@-]+", "_", own.replace("[", "").replace("]", ""))


def _parsed(text: str, faults: list[str]) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError):  # the latter by numbers and nesting without bound
        text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        faults.append(f"expected `key=value`, but got `{text}` (quote values with special characters: 'key=\"a b\"')")
        return None


def _has_sign(override: Override) -> bool:
    return override.type is not None and override.type.name != "CHANGE"


def _text(override: Override) -> str:
    return str(override.input_line)


def _is_written_out(sweep: Override) -> bool:
    return sweep.is_discrete_sweep() and sweep.value_type is not ValueType.GLOB_CHOICE_SWEEP


def _is_accepted(override: Override, configs: Configs, multirun: bool, faults: list[str]) -> bool:
    """Whether Hydra can be given this override; if not, the reason is added to the faults."""
    group, text = override.key_or_group, _text(override)
    values = text.split("=", 1)[-1]
    found: list[str] = []
    if group.startswith("hydra"):
        return True
    if override.is_sweep_override() and not multirun:
        found.append(
            f"expected one value, but got `{text}`: add -m to run one after another, or write [{values}] for a list"
        )
    elif override.is_sweep_override() and not _is_written_out(override):
        found.append(f"expected the values of a sweep to be written out, but got `{text}`: {group}=1,2,3")
    elif group == "benchmark" and override.package is None:
        found.append(f"expected `benchmark` to say what for: benchmark@train={values} or benchmark@test={values}")
    elif group == "probe" and override.package is None:
        found.append(f"expected `probe` to say for which format: probe@probe.mc={values} or probe@probe.oe={values}")
    elif group in ("train", "test") and not isinstance(override.value(), dict):
        found.append(f"expected `{group}` to be chosen as a group: benchmark@{group}={values}")
    elif configs.is_chosen_from(override):
        found += _unknown_choices(override, configs)
    faults += found
    return not found


def _unknown_choices(override: Override, configs: Configs) -> Iterator[str]:
    """Every choice of a config group that is no file of it."""
    group = override.key_or_group
    known = configs.groups.get(group, [])
    for choice in override.sweep_iterator() if override.is_sweep_override() else [override.value()]:
        for name in choice if isinstance(choice, list) else [choice]:
            if name is None and not override.is_delete():
                yield f"expected `{_text(override)}` to name a file of conf/{group}, but got null: {nearest('', known)}"
            elif name is not None and str(name) not in known:
                yield f"unknown choice `{group}={name}`: {nearest(str(name), known)}"


def _help(shape: type, overrides: Sequence[str], config_name: str) -> str:
    config = composed(config_name, overrides, with_hydra=True)
    words, searched = config.hydra.help, list(config.hydra.searchpath)
    with open_dict(config):
        del config["hydra"]
    return help_text(shape, _plain(config), Configs(searched).groups, words.header, words.footer)


def _without_sweeps(overrides: Sequence[Override], texts: Sequence[str]) -> Iterator[list[str]]:
    """Command lines without sweeps that together hold every value of every sweep."""
    values = [
        [f"{text.split('=', 1)[0]}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [text]
        for override, text in zip(overrides, texts, strict=True)
    ]
    first = [choices[0] for choices in values]
    yield first
    for index, choices in enumerate(values):
        for other in choices[1:]:
            yield [*first[:index], other, *first[index + 1 :]]


def _plain(config: DictConfig) -> Settings:
    try:
        settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(f"a setting refers to one that does not exist: {one_line(error)}") from error
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items() if key != "hydra"}
