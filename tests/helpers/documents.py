"""Documents as what they show: blocks of code, what these print, and whether that is what stands there."""

import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from commands import ended

ROOT = Path(__file__).parents[2]
_NUMBER = re.compile(r"(?<![\w.])[−-]?\d[\d,]*(?:\.\d+)?(?![\w])")
_TIME = re.compile(r"\d[\d.]*(?: h \d\d)? (?:s|min)\b")


class Block(NamedTuple):
    """A block of a document.

    Attributes:
        language: what stands behind its fence.
        text: what stands in it.
    """

    language: str
    text: str


def blocks(name: str) -> list[Block]:
    """The blocks of a document, in order; its name is that within the repository."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def run(block: Block, names: dict[str, Any], command: Callable[..., int] = ended) -> str:
    """Run a block of Python with `names`, which it adds to, or each `$ ccps …` of another; returns what it prints."""
    said = StringIO()
    with redirect_stdout(said):
        if block.language == "python":
            exec(compile(block.text, "block", "exec"), names)
        for line in re.findall(r"^\$ ccps (.*)$", block.text, re.MULTILINE):
            print(f"$ ccps {line}")
            assert command(*shlex.split(line)) == 0
    # That a model is fetched or converted is said once on a machine.
    return re.sub(r"^(?:model|asset) .*\n", "", said.getvalue(), flags=re.MULTILINE)


def unlike(printed: str, shown: str, within: float = 0.0) -> list[str]:
    """The lines that are not as they are shown, both of each.

    Args:
        printed: what was printed.
        shown: what the document shows; a line of "…" stands for any lines.
        within: by which share of itself, or of 1 where it is less, a number may differ. Times may differ by any.
    """
    found, wanted = printed.rstrip().splitlines(), shown.rstrip().splitlines()
    if "…" in wanted:
        place = wanted.index("…")
        tail = len(wanted) - place - 1
        found = [*found[:place], "…", *found[len(found) - tail :]]
    if len(found) != len(wanted):
        return [f"{len(found)} lines for {len(wanted)}", *found]
    return [
        f"{one!r} for {other!r}" for one, other in zip(found, wanted, strict=True) if not _alike(one, other, within)
    ]


def _alike(one: str, other: str, within: float) -> bool:
    one, other = (_TIME.sub("0 s", line) for line in (one, other))
    if _words(one) != _words(other):
        return False
    pairs = zip(_numbers(one), _numbers(other), strict=True)
    return all(abs(a - b) <= within * max(abs(b), 1) for a, b in pairs)


def _words(line: str) -> list[str]:
    return _NUMBER.sub("0", line).split()


def _numbers(line: str) -> list[float]:
    return [float(one.replace(",", "").replace("−", "-")) for one in _NUMBER.findall(line)]
