"""The flags of Hydra's command line that entry points do not simply hand on."""

from argparse import Namespace
from collections.abc import Sequence

from ccps.core.errors import expected

_CONFIG_DIR = ("--config-dir", "-cd")


def check_flags(command: Namespace) -> None:
    """Refuse flags that Hydra takes one at a time, its own refusal being a traceback, and those that leave `conf/`.

    Raises:
        UserError: there are several, or one that is not for users.
    """
    for name in ("config_path", "config_name", "experimental_rerun"):
        if (value := getattr(command, name)) is not None:
            way_out = "Give a folder of configurations of yours by --config-dir, and choose from it: experiment=NAME."
            raise expected("the flags", f"without --{name.replace('_', '-')}", str(value), way_out)
    alone = {
        "--run": "run",
        "-m": "multirun",
        "--cfg": "cfg",
        "--info": "info",
        "--shell-completion": "shell_completion",
    }
    given = [flag for flag, name in alone.items() if getattr(command, name)]
    if len(given) > 1 and not command.help:
        raise expected("the flags", f"one of {', '.join(alone)}", " and ".join(given), "Leave the others out.")


def without_config_dir(arguments: Sequence[str]) -> list[str]:
    """Arguments but the folder of one's own, which stands among the overrides."""
    kept, is_folder = [], False
    for argument in arguments:
        flag, separator, _ = argument.partition("=")
        if not is_folder and flag not in _CONFIG_DIR:
            kept.append(argument)
        is_folder = flag in _CONFIG_DIR and not separator and not is_folder
    return kept
