"""What a run says to the person in front of it: one line per step, no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ccps.core.visible import visible


class _Console(Console):
    """Leaves it to the entry point what a run does whose output nobody reads any more."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the error is handled; rich would exit with 1."""
        raise


console = _Console(highlight=False, soft_wrap=True)


def say(step: str, title: str, sentence: str = "", *, state: str = "done") -> None:
    """Print the one line of a step: what it was about, what became of it, and what there is to know."""
    rest = " · ".join(part for part in (title, state, sentence) if part)
    console.print(Text.assemble((f"{step:<9}", "bold"), " ", visible(rest)))


def show(text: str) -> None:
    """Print lines as they are."""
    console.print(Text(visible(text)))


@contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of some work is done, on a terminal and while it lasts; yields what is told how much more is."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=total)
        yield lambda steps: shown.advance(task, steps)
