"""All graders by name."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from ccps.core.errors import UserError, expected
from ccps.grading.base import Grader
from ccps.grading.config import GraderConfig, setting_faults
from ccps.grading.judge import LlmJudge
from ccps.grading.open_ended import Contains, Normalised, TokenF1
from ccps.grading.rules import Given, Letter, Substring

GRADERS: Mapping[str, type[Grader]] = {
    grader.name: grader for grader in (Substring, Letter, Given, Normalised, Contains, TokenF1, LlmJudge)
}


def check_grader(config: GraderConfig) -> None:
    """Refuse settings that no grader can be made of, all faults in one message, a line each.

    Raises:
        UserError: naming every setting that is at fault.
    """
    if config.name not in GRADERS:
        near = difflib.get_close_matches(config.name, GRADERS, n=1)
        raise expected("`name`", f"one of {', '.join(GRADERS)}", repr(config.name), f"Choose {(near or ['one'])[0]}.")
    faults = list(setting_faults(config))
    if faults:
        raise UserError("\n".join(str(fault) for fault in faults))


def make_grader(config: GraderConfig, cache: Path) -> Grader:
    """Build a grader.

    Args:
        config: its settings.
        cache: folder in which a judge keeps its judgements; made when it is needed.

    Raises:
        UserError: naming every setting that is at fault.
    """
    check_grader(config)
    return GRADERS[config.name].make(config, cache)
