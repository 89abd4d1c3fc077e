"""Whether two mathematical expressions are equal, by `math-verify` in a process of its own.

Its own time limits are signals, which work in the main thread only and do not stop one long operation (a tower of
powers). A process can be asked from any thread, and be ended.
"""

import atexit
import json
import logging
import re
import resource
import select
import subprocess
import sys
import threading
from functools import cache
from itertools import product
from pathlib import Path
from typing import IO, Any, NamedTuple

from ccps.core.errors import expected
from ccps.reasoning.plain_mathematics import readings

SECONDS = 10.0
# A formula between dollar signs, which are no currency.
_FORMULA = re.compile(r"(?<!\\)\$([^$]+)(?<!\\)\$")
_BASE = re.compile(r"([0-9A-Za-z]{1,64})_\{?\s*(\d{1,2})\s*\}?")
_WORDS = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*")
_SECONDS_TO_START = 120.0
_BYTES = 4 << 30


class Equality(NamedTuple):
    """What came of a comparison."""

    same: bool | None
    """None if it could not be made."""
    reason: str = ""
    """Why not."""


class Comparer:
    """Compares expressions in a process that starts with the first question and ends with this one. Thread-safe."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def compare(self, gold: str, answer: str, *, seconds: float = SECONDS) -> Equality:
        """Compare an answer with the right one within some seconds; see `same_mathematics`."""
        with self._lock:
            process = self._process or self._start()
            try:
                _pipe(process.stdin).write(json.dumps([gold, answer]).encode() + b"\n")
                _pipe(process.stdin).flush()
                reply = _line(process, seconds)
            except BrokenPipeError:
                reply = b""
            if reply:
                return Equality(*json.loads(reply))
            self._end()
            return Equality(None, "comparing broke off" if reply == b"" else f"comparing took over {seconds:g} s")

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "ccps.reasoning.mathematics"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if not _line(process, _SECONDS_TO_START):
            self._end()
            raise expected(
                "`math-verify`", "ready to compare answers", "no start", "Run `pip install 'math-verify[antlr4_9_3]'`."
            )
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def same_mathematics(gold: str, answer: str) -> Equality:
    r"""Whether an answer equals the right one as mathematics: `\frac{1}{2}`, `0.5`, `1/2`, `½` and `50%` are the same.

    Source: `math-verify` (https://github.com/huggingface/Math-Verify), floats to six decimals; plain forms are ours,
    see `ccps.reasoning.plain_mathematics`, and so are units of measurement, which the library drops: two that differ
    make two quantities ("5 cm", "5 m"), one that only one side names makes none, and nothing is converted. So with
    currencies, and with the base of a number (`101_2`, `101_3`).

    Args:
        gold: the right answer, LaTeX or plain.
        answer: the answer, LaTeX or plain.

    Returns:
        True, False, or None with a reason where one of them is no mathematics, or comparing takes too long.

    Raises:
        UserError: `math-verify` is not installed, or does not start.
    """
    # Here and not above: the process that compares runs this module, and needs nothing of the room.
    from ccps.grading.measures import quantity
    from ccps.grading.signs import units

    if gold.strip() == answer.strip():
        return Equality(True)
    gold, answer = _in_digits(gold), _in_digits(answer)
    if _contradict(*(units(_FORMULA.sub(r"\1", text)) - {"%", "‰"} for text in (gold, answer))):
        return Equality(False)
    in_bases = _in_base(gold), _in_base(answer)
    if None not in in_bases:
        return Equality(in_bases[0] == in_bases[1])
    wanted, given = quantity(gold), quantity(answer)
    if wanted and given:
        if not wanted.unit.is_one_with(given.unit):
            return Equality(False)
        gold, answer = wanted.number, given.number
    return _comparer().compare(gold, answer)


def _in_digits(text: str) -> str:
    """A number in words, in digits; anything else as it stands."""
    from ccps.grading.normalise import normalise

    number = normalise(text) if _WORDS.fullmatch(text.strip(" .$")) else ""
    return number if number.isdigit() else text


def _contradict(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two texts name currencies, and not the same."""
    return bool(ours) and bool(theirs) and ours != theirs


def _in_base(text: str) -> int | None:
    """A whole number that is written with its base; None if it is none."""
    number = _BASE.fullmatch(text.strip(" $"))
    try:
        return int(number[1], int(number[2])) if number else None
    except ValueError:
        return None


@cache
def _comparer() -> Comparer:
    comparer = Comparer()
    atexit.register(comparer.close)
    return comparer


def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """The next line; nothing in it if the process has ended, None if it is late."""
    pipe = _pipe(process.stdout)
    ready, _, _ = select.select([pipe], [], [], seconds)
    return pipe.readline() if ready else None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _serve() -> None:
    """Answer every line of the input by one of the output; what the libraries print goes elsewhere."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES if most == resource.RLIM_INFINITY else min(_BYTES, most), most))
    replies, sys.stdout = sys.stdout, sys.stderr
    logging.disable()
    from math_verify import parse, verify

    def parsed(text: str) -> list[Any]:
        found = (parse(f"\\boxed{{{one.strip().strip('$')}}}", parsing_timeout=None) for one in readings(text))
        return [one for one in found if one]

    def compare(gold: str, answer: str) -> Equality:
        golds, answers = parsed(gold), parsed(answer)
        for found, name in ((golds, "the right answer"), (answers, "the answer")):
            if not found:
                return Equality(None, f"{name} cannot be read as mathematics")
        pairs = product(golds, answers)
        # An inequality may be answered by its interval, and the other way round.
        how = {"timeout_seconds": None, "raise_on_error": True, "allow_set_relation_comp": True}
        return Equality(any(verify(*pair, **how) for pair in pairs))

    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        try:
            reply = compare(*json.loads(line))
        # Whatever two expressions provoke in the libraries: they were not compared, and the next ones may be.
        except Exception as error:
            reply = Equality(None, f"comparing failed ({type(error).__name__})")
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    _serve()
