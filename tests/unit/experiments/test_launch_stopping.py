"""Whatever tells a run to end ends it, soon, with a word on how to go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WAITS = """
import runpy, sys, time
from experiments import launch as shared
entry, sys.argv = sys.argv[1], sys.argv[1:2]
def wait(settings):
    print("begun", flush=True)
    time.sleep(600)
started = shared.launch
shared.launch = lambda main, check, *shape, **named: started(wait, lambda settings: None, *shape, **named)
runpy.run_module(entry, run_name="__main__")
"""
LOSES = """
import os, signal, sys, time
from experiments.launch import launch
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
def wait(settings):
    Last()
    time.sleep(600)
sys.argv = ["reproduce", "experiment=smoke"]
launch(wait, lambda settings: None)
"""
GO_ON = "Stopped. Run the same command again to go on from the last whole shard."

ENDS = [
    (signal.SIGINT, 130),
    (signal.SIGTERM, 143),
    (signal.SIGHUP, 129),
    (signal.SIGUSR1, 138),  # schedulers warn by these
    (signal.SIGUSR2, 140),
]


def told(number: signal.Signals, *, entry: str = "reproduce", ignored: bool = False) -> tuple[int, str]:
    """Exit code and last words of a run that gets a signal when it has begun."""
    way = signal.SIG_IGN if ignored else signal.SIG_DFL
    run = subprocess.Popen(
        [sys.executable, "-c", WAITS, f"experiments.{entry}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, way),
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "begun\n"
    run.send_signal(number)
    if ignored:
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(timeout=1)
        run.terminate()
    _, said = run.communicate(timeout=60)
    return run.returncode, said


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_a_signal_ends_a_run(number: signal.Signals, code: int) -> None:
    returned, said = told(number)
    assert returned == code
    assert said.strip() == GO_ON


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("sweep", GO_ON),
        ("faithful", GO_ON),
        ("probes", GO_ON),
        ("bench", "Stopped. The parts that are done stand on the page; `parts=[…]` measures the others."),
        ("rollouts", "Stopped. Nothing was written; the same command begins anew."),
    ],
)
def test_a_signal_ends_every_entry_point(entry: str, words: str) -> None:
    returned, said = told(signal.SIGTERM, entry=entry)
    assert returned == 143
    assert said.strip() == words


def test_a_signal_that_falls_into_the_end_of_an_object_ends_a_run() -> None:
    command = [sys.executable, "-c", LOSES]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 143
    assert ended.stderr.strip() == GO_ON


def test_an_ignored_hangup_is_left_alone() -> None:
    returned, _ = told(signal.SIGHUP, ignored=True)
    assert returned == 143
