"""What all entry points share: settings checked before anything loads, errors without tracebacks, exit code 2."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.errors import UserError

CONF = Path(__file__).parents[1] / "conf"


def launch(main: Callable[[dict[str, Any]], None], config_name: str = "config") -> None:
    """Run an entry point under Hydra.

    Every fault of the command line is reported at once, before anything heavy is imported.

    Args:
        main: receives the composed settings as plain values.
        config_name: primary file in `conf/`.
    """
    arguments = sys.argv[1:]
    flags = [argument for argument in arguments if argument.startswith("-")]
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    try:
        sys.argv[1:] = [*flags, *checked_overrides(overrides, config_name)]
    except UserError as error:
        _exit(error)

    @hydra.main(version_base=None, config_path=str(CONF), config_name=config_name)
    def task(config: DictConfig) -> None:
        try:
            main(_plain(config))
        except UserError as error:
            _exit(error)
        except KeyboardInterrupt:
            print("\nStopped. Run the same command again to go on from the last whole shard.", file=sys.stderr)
            sys.exit(130)

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    task()


def checked_overrides(overrides: Sequence[str], config_name: str) -> list[str]:
    """Check a command line against `conf/` and the schema.

    Args:
        overrides: Hydra overrides (`seeds=[1,2]`, `model=[smollm2_135m]`, …).
        config_name: primary file in `conf/`.

    Returns:
        The overrides in the form in which Hydra takes them.

    Raises:
        UserError: with every fault in one message.
    """
    from ccps.stages.schema import fault_list, to_config

    faults: list[str] = []
    parsed = [item for text in overrides if (item := _parsed(text, faults))]
    accepted = [item for item in parsed if not _is_group(item) or _group_fits(item, faults)]
    # With `++` Hydra takes unknown keys too, so that the schema finds all of them and not only the first.
    forced = [_text(item) if _is_group(item) or _has_sign(item) else f"++{_text(item)}" for item in accepted]
    probe = [_first_of_sweep(item, text) for item, text in zip(accepted, forced, strict=True)]
    try:
        with initialize_config_dir(str(CONF), version_base=None):
            settings = _plain(compose(config_name, overrides=probe))
        to_config(settings)
    except UserError as error:
        faults += [line.removeprefix("  - ") for line in str(error).splitlines() if line.startswith("  - ")] or [
            str(error)
        ]
    except (HydraException, OmegaConfBaseException) as error:
        faults.append(" ".join(str(error).split()))
    if faults:
        raise UserError(fault_list(faults))
    return forced


def _parsed(text: str, faults: list[str]) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        faults.append(f"expected `key=value`, but got `{text}` (quote values with special characters: 'key=\"a b\"')")
        return None


def _is_group(override: Override) -> bool:
    return (CONF / override.key_or_group).is_dir() or override.key_or_group.startswith("hydra")


def _has_sign(override: Override) -> bool:
    return override.type is not None and override.type.name != "CHANGE"


def _text(override: Override) -> str:
    return str(override.input_line)


def _group_fits(override: Override, faults: list[str]) -> bool:
    """Whether every choice of a config group is a file of it."""
    from ccps.stages.schema import nearest

    group = override.key_or_group
    if group.startswith("hydra") or override.value() is None:
        return True
    value = override.value()
    sweep = override.is_sweep_override()
    choices = [
        str(item) for item in (override.sweep_iterator() if sweep else value if isinstance(value, list) else [value])
    ]
    known = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    unknown = [choice for choice in choices if choice.strip("[]'\"") not in known and not choice.startswith("[")]
    faults += [f"unknown choice `{group}={choice}`: {nearest(choice, known)}" for choice in unknown]
    return not unknown


def _first_of_sweep(override: Override, text: str) -> str:
    if not override.is_sweep_override():
        return text
    key, first = text.split("=", 1)[0], next(iter(override.sweep_iterator()))
    return f"{key}={first}"


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(f"A setting refers to one that does not exist: {' '.join(str(error).split())}.") from error
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items() if key != "hydra"}


def _exit(error: UserError) -> NoReturn:
    print(error, file=sys.stderr)
    sys.exit(2)
