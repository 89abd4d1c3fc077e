"""What a run says to the person in front of it: one line per step, no more."""

from rich.console import Console
from rich.text import Text

console = Console(highlight=False, soft_wrap=True)


def say(step: str, title: str, sentence: str = "", *, state: str = "done") -> None:
    """Print the one line of a step: what it was about, what became of it, and what there is to know."""
    rest = " · ".join(part for part in (title, state, sentence) if part)
    console.print(Text.assemble((f"{step:<9}", "bold"), " ", rest))


def duration(seconds: float) -> str:
    """Write seconds as people do: 0.4 s, 12 s, 3 min 05 s, 2 h 07 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
