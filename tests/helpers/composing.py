"""Settings as a command line composes them, for tests that run a job in their own process."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.launch import checked_overrides


def composed(overrides: Sequence[str], config_name: str, check: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What an entry point composes of a command line and has checked, which takes a third of a second each time.

    Args:
        overrides: without a sweep.
        config_name: primary file in `conf/`.
        check: of the entry point.
    """
    found: list[dict[str, Any]] = []

    def note(settings: dict[str, Any]) -> None:
        check(settings)
        found.append(settings)

    checked_overrides(overrides, config_name, note)
    [settings] = found
    return settings
