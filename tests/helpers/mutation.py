"""Whether tests notice faults: small ones are put into a room, one at a time, and its tests are run.

python tests/helpers/mutation.py metrics --sample 100     a hundred of the faults of `mutants`, drawn with a fixed seed

mutmut itself draws no sample and starts Python for each mutant, which takes longer here than the tests. So everything
is imported once, and each mutant is a fork of this process: it puts the faulty code into the function's objects,
wherever they have been imported to, and runs those tests of the room that reach the faulty line, the fastest first, up
to the first that fails. One that takes many times as long as without the fault has noticed it too.

What was found of each is written down at once (`outputs/mutation/ROOM.jsonl`). The same command goes on from there:
what was noticed is not tried again, the rest is. A larger sample holds the smaller one. Remove the file to begin anew.
"""

import argparse
import functools
import gc
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import coverage
import hypothesis
import pytest
from mutants import Mutant, mutants
from scipy.stats import binomtest

ROOT = Path(__file__).parents[2]
ROOMS = ("metrics", "grading", "perturbation", "faithful", "analysis")
SEED = 23
KILLED = ("killed", "slow")
PLAIN = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist"]


class Reached(NamedTuple):
    """What the tests of a room reach, as they are."""

    tests: dict[Path, dict[int, set[str]]]
    """By file and line the tests that run it; one without a name is the import of the module."""
    seconds: dict[str, float]
    """CPU time of each test."""


class Steady:
    """Has hypothesis draw the same each time, and look for no simpler example once it has found one."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("faults", deadline=None, database=None, derandomize=True, phases=phases)
        hypothesis.settings.load_profile("faults")


class Recorder:
    """Notes for each test its time and the lines that it runs."""

    def __init__(self, tracer: coverage.Coverage) -> None:
        self.tracer = tracer
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        forget()  # each test reaches what it would reach alone
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
    status = pytest.main([*PLAIN, f"tests/unit/{room}", *more, "-m", "not slow"], plugins=[Steady(), recorder])
    tracer.stop()
    if status:
        sys.exit(f"the tests of {room} fail as they are")
    data = tracer.get_data()
    lines = {
        Path(file): {line: set(tests) for line, tests in data.contexts_by_lineno(file).items()}
        for file in data.measured_files()
    }
    return Reached(lines, recorder.seconds)


def forget() -> None:
    """Empty the caches of the package's functions."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "ccps":
            for value in vars(module).values():
                if type(value) is functools._lru_cache_wrapper:
                    value.cache_clear()


def live_functions(root: Path) -> list[FunctionType]:
    """Those of a folder in memory; by exact type: to ask others what they are would wake modules that load late."""
    gc.collect()
    gc.unfreeze()  # what is frozen is not listed
    functions = [one for one in gc.get_objects() if type(one) is FunctionType]
    gc.freeze()  # what looks for garbage would go through all of it again, and a fork that does so copy it
    return [one for one in functions if one.__code__.co_filename.startswith(str(root))]


def put_into(code: CodeType, function: str, file: Path, functions: Sequence[FunctionType]) -> bool:
    """Give every function object of this name and file its code out of `code`; whether there was one that took it."""
    new = {found.co_firstlineno: found for found in _codes(code) if found.co_qualname == function}
    taken = False
    for live in functions:
        if live.__code__.co_filename != str(file):
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


def outcome(mutant: Mutant, reached: Reached, live: Sequence[FunctionType]) -> str:
    """`killed`, `slow` (killed by its time), `survived`, `unreached`, or `void` where it cannot be put in.

    What runs when a module is imported has run by now, so faults of it are void.
    """
    lines = reached.tests.get(mutant.file, {})
    # Bytecode gives a part of a statement its own line or that of what stands around it.
    found = next((here for line in range(mutant.line, mutant.first - 1, -1) if (here := lines.get(line))), set())
    tests = sorted(found - {""}, key=reached.seconds.__getitem__)
    if not tests:
        return "void" if found else "unreached"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os._exit(_in_child(mutant, tests, reached, live))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "slow" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM) else "killed"
    return {0: "survived", 77: "void"}.get(os.waitstatus_to_exitcode(status), "killed")


def _in_child(mutant: Mutant, tests: Sequence[str], reached: Reached, live: Sequence[FunctionType]) -> int:
    limit = int(5 + 5 * sum(reached.seconds[test] for test in tests))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(20 * limit)  # one that waits for ever computes nothing
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        if not put_into(mutant.code(), mutant.function, mutant.file, live):
            return 77
        forget()  # what the code without the fault has answered
        return int(pytest.main([*PLAIN, "-x", "--tb=no", "-p", "no:warnings", *tests], plugins=[Steady()]))
    except BaseException:
        return 1


class Ledger:
    """What was found of each fault, by its number in the draw, kept in a file that grows by a line each time.

    Args:
        file: of a room.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.found: dict[str, str] = dict(json.loads(line) for line in lines)

    def note(self, fault: str, found: str) -> None:
        """Write one down."""
        self.found[fault] = found
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([fault, found], ensure_ascii=False) + "\n")


def sentence(room: str, found: Sequence[str], of: int) -> str:
    """How many were noticed, with the 95 % Wilson interval of the share."""
    counts = Counter(found)
    tried = len(found) - counts["void"]
    killed = sum(counts[name] for name in KILLED)
    if not tried:
        return f"{room}: none tried"
    low, high = binomtest(killed, tried).proportion_ci(method="wilson")
    share = f"{killed / tried:.1%} [{low:.1%}, {high:.1%}]"
    return f"{room}: {killed} of {tried} noticed ({share}), of {of} there are, seed {SEED}; {dict(counts)}"


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
    random.Random(SEED).shuffle(every)
    drawn = {f"{place} {str(one).replace(f'{ROOT}/', '')}": one for place, one in enumerate(every[: asked.sample])}
    ledger = Ledger(ROOT / "outputs" / "mutation" / f"{asked.room}.jsonl")
    if any(ledger.found.get(fault) not in KILLED for fault in drawn):
        reached = reach(asked.room, asked.tests)
        live = live_functions(ROOT)
        for fault, mutant in drawn.items():
            if ledger.found.get(fault) in KILLED or time.monotonic() - start > asked.seconds:
                continue
            ledger.note(fault, outcome(mutant, reached, live))
    found = {fault: ledger.found[fault] for fault in drawn if fault in ledger.found}
    for fault, how in found.items():
        if how not in KILLED:
            print(f"{how}: {fault}")
    print(sentence(asked.room, list(found.values()), len(every)), flush=True)


if __name__ == "__main__":
    main()
