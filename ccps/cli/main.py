"""From a command line to a command, and from its answer to the terminal."""

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import NoReturn

from ccps import __version__
from ccps.cli.command import COMMANDS, Answer, Command
from ccps.core.visible import visible
from experiments.ending import in_words, speak_anywhere

_HELP = ("-h", "--help", "help")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command `ccps`.

    It ends as the entry points do: 2 and a message for what the user can mend, 70 for a fault of ours.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    speak_anywhere()
    with in_words():
        if not given or given[0] in _HELP:
            print(overview())
        elif given[0] in ("-V", "--version"):
            print(f"ccps {__version__}")
        else:
            _end(_done(COMMANDS.find(given[0]), given[1:]))


def overview() -> str:
    """The page of all commands."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "ccps: know when a language model is right, and whether it says what it believes.",
            "",
            *(f"  ccps {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "`ccps COMMAND --help` shows examples; every command takes --json.",
        ]
    )


def parser_of(command: Command) -> ArgumentParser:
    """What reads the arguments of a command, and prints its help."""
    width = max(map(len, command.examples))
    examples = "\n".join(f"  {line:<{width}}   {what}" for line, what in command.examples.items())
    parser = ArgumentParser(
        prog=f"ccps {command.name}",
        description="\n\n".join(part for part in (f"{command.summary}.", command.description) if part),
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    parser.add_argument("--json", action="store_true", help="answer in JSON, and with nothing else, on stdout")
    return parser


def _done(command: Command, given: Sequence[str]) -> Answer:
    parser = parser_of(command)
    arguments, rest = parser.parse_known_args(given)
    if rest and not command.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    if not arguments.json:
        answer = command.run(arguments)
        for line in answer.lines:
            print(visible(line))
        return answer
    with _stdout_kept() as stdout:
        answer = command.run(arguments)
        text = json.dumps(answer.data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _write(stdout, text.encode())
    return answer


def _end(answer: Answer) -> None:
    if answer.code:
        _leave(answer.code)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.exit(code)


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


@contextmanager
def _stdout_kept() -> Iterator[int]:
    """Send to stderr all that this process, or one that it starts, writes to stdout; gives what stdout was."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield kept
    finally:
        os.dup2(kept, 1)
        os.close(kept)
