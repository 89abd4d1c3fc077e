"""All graders by name."""

from pathlib import Path
from typing import TypeVar

from ccps.core.registry import Registry
from ccps.core.settings import check
from ccps.grading.base import Grader
from ccps.settings.grading import GraderConfig

GRADERS = Registry[type[Grader]]("grader", "ccps.grading")

G = TypeVar("G", bound=Grader)


def register(grader: type[G]) -> type[G]:
    """Add a grader to `GRADERS`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    GRADERS.register(grader.name, grader)
    return grader


def check_grader(config: GraderConfig) -> None:
    """Refuse settings that no grader can be made of, all faults in one message, a line each.

    Raises:
        UserError: naming every setting that is at fault.
    """
    GRADERS.find(config.name, setting="name")
    check(config, "grader")


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
