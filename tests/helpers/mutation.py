"""Whether tests notice faults: small ones are put into a room, one at a time, and its tests are run.

python tests/helpers/mutation.py metrics --sample 100     a hundred of the faults of `mutants`, drawn with a fixed seed

mutmut itself draws no sample and starts Python for each mutant, which takes longer here than the tests. So everything
is imported once, and each mutant is a fork of this process: it puts the faulty code into the function's objects,
wherever they have been imported to, and runs those tests of the room that reach the faulty line, the fastest first, up
to the first that fails. One that takes many times as long as without the fault has noticed it too.
"""

import argparse
import gc
import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import coverage
import pytest
from mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
ROOMS = ("metrics", "grading", "perturbation", "faithful", "analysis")
SEED = 23
PLAIN = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:logging"]


class Reached(NamedTuple):
    """What the tests of a room reach, as they are."""

    tests: dict[Path, dict[int, set[str]]]
    """By file and line the tests that run it."""
    seconds: dict[str, float]
    """CPU time of each test."""


class Recorder:
    """Notes for each test its time and the lines that it runs."""

    def __init__(self, tracer: coverage.Coverage) -> None:
        self.tracer = tracer
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.tracer.switch_context(item.nodeid)
        start = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - start
        self.tracer.switch_context("")
        return result


def reach(room: str, more: Sequence[str]) -> Reached:
    """Run the tests of a room once, which also imports all that they need.

    Raises:
        SystemExit: a test fails already.
    """
    tracer = coverage.Coverage(data_file=None, branch=False, include=[f"{ROOT}/ccps/{room}/*"], config_file=False)
    recorder = Recorder(tracer)
    tracer.start()
    status = pytest.main([*PLAIN, f"tests/unit/{room}", *more, "-m", "not slow"], plugins=[recorder])
    tracer.stop()
    if status:
        sys.exit(f"the tests of {room} fail as they are")
    data = tracer.get_data()
    lines = {
        Path(file): {line: {test for test in tests if test} for line, tests in data.contexts_by_lineno(file).items()}
        for file in data.measured_files()
    }
    return Reached(lines, recorder.seconds)


def put_into(code: CodeType, function: str, file: Path) -> bool:
    """Give every function object of this name and file its code out of `code`; whether there was one that took it."""
    new = {found.co_firstlineno: found for found in _codes(code) if found.co_qualname == function}
    taken = False
    for live in gc.get_objects():
        if not isinstance(live, FunctionType) or live.__code__.co_filename != str(file):
            continue
        other = new.get(live.__code__.co_firstlineno)
        if (
            other is not None
            and live.__code__.co_qualname == function
            and len(other.co_freevars) == len(live.__code__.co_freevars)
        ):
            live.__code__ = other
            taken = True
    return taken


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def outcome(mutant: Mutant, reached: Reached) -> str:
    """`killed`, `slow` (killed by its time), `survived`, `unreached`, or `void` where it cannot be put in."""
    lines = reached.tests.get(mutant.file, {})
    tests = sorted(lines.get(mutant.line, set()), key=reached.seconds.__getitem__)
    if not tests:
        return "unreached"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os._exit(_in_child(mutant, tests, reached))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "slow"
    return {0: "survived", 77: "void"}.get(os.waitstatus_to_exitcode(status), "killed")


def _in_child(mutant: Mutant, tests: Sequence[str], reached: Reached) -> int:
    limit = int(5 + 5 * sum(reached.seconds[test] for test in tests))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        if not put_into(mutant.code(), mutant.function, mutant.file):
            return 77
        return int(pytest.main([*PLAIN, "-x", "--tb=no", "-p", "no:warnings", *tests]))
    except BaseException:
        return 1


def main() -> None:
    """Draw faults of a room, try them, and list those that no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--sample", type=int, default=300, help="how many faults (300)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further fault after so long")
    parser.add_argument("--tests", nargs="*", default=[], help="tests beside those of the room")
    asked = parser.parse_args()
    os.chdir(ROOT)
    start = time.monotonic()
    every = [one for file in sorted((ROOT / "ccps" / asked.room).rglob("*.py")) for one in mutants(file)]
    drawn = random.Random(SEED).sample(every, min(asked.sample, len(every)))
    reached = reach(asked.room, asked.tests)
    counts: dict[str, int] = {}
    for mutant in drawn:
        if time.monotonic() - start > asked.seconds:
            break
        found = outcome(mutant, reached)
        counts[found] = counts.get(found, 0) + 1
        if found in ("survived", "unreached", "void"):
            print(f"{found}: {str(mutant).replace(f'{ROOT}/', '')}", flush=True)
    tried = sum(counts.values()) - counts.get("void", 0)
    killed = counts.get("killed", 0) + counts.get("slow", 0)
    print(
        f"{asked.room}: {killed} of {tried} noticed ({killed / max(tried, 1):.0%}), of {len(every)} there are; {counts}"
    )


if __name__ == "__main__":
    main()
