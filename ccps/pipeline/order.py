"""Which stages can follow each other, by their names alone: before questions are loaded or models looked for."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ccps.core.errors import UserError
from ccps.core.text import listed

Reads = Mapping[str, Collection[str]]
"""What each stage reads, whatever the settings are, by name; a stage that is not there may read anything."""


def check_order(asked: Collection[str], reads: Reads, artifacts: Path) -> None:
    """Refuse a list of stages of which one reads what nobody asks for and no run has ever made.

    What settings decide, and whether an artifact is that of these settings, a job finds out (`Job.run`).

    Args:
        asked: names of the stages.
        reads: what they read.
        artifacts: folder of all artifacts.

    Raises:
        UserError: naming the first such stage, and all that is missing.
    """
    missing: dict[str, str] = {}
    waiting = list(asked)
    while waiting:
        stage = waiting.pop(0)
        for read in reads.get(stage, ()):
            if read not in asked and read not in missing and not any((artifacts / read).glob("*/manifest.json")):
                missing[read] = stage
                waiting.append(read)
    if missing:
        first, reader = next(iter(missing.items()))
        names = listed([f"`{name}`" for name in missing])
        raise UserError(
            f"Expected the stage `{first}` to have been run before `{reader}`, but got no artifact of it in "
            f"{artifacts}. Add {names} to `stages`, or leave `stages` out to run all."
        )
