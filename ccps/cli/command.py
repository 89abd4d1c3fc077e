"""What a command is, and where they all are."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccps.core.registry import Registry


@dataclass(frozen=True)
class Answer:
    """What a command says.

    Attributes:
        data: for machines (`--json`): JSON-like values.
        lines: for people.
        code: that the process ends with.
    """

    data: Mapping[str, Any]
    lines: Sequence[str] = ()
    code: int = 0


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as it is typed.
        place: among the others on the page of all.
        summary: what it is for, in a few words.
        examples: command lines, each with what it does.
        arguments: adds what it takes to its parser; `--json` is there already.
        run: does it. What it prints meanwhile goes to stderr where `--json` is given.
        description: what else there is to know.
        takes_rest: whether it takes what its parser does not know, as `arguments.rest`: settings and flags of Hydra.
    """

    name: str
    place: int
    summary: str
    examples: Mapping[str, str]
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], Answer]
    description: str = ""
    takes_rest: bool = False


COMMANDS = Registry[Command]("command", "ccps.cli.commands", place=lambda command: command.place)
"""Every command by its name; each is a file in `ccps/cli/commands/`, which imports what takes time when it is run."""


def register(command: Command) -> Command:
    """Add a command."""
    return COMMANDS.register(command.name, command)
