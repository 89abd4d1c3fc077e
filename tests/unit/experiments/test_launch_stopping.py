"""Whatever tells a run to end ends it, soon, with a word on how to go on."""

import os
import select
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
from nursery import Nursery

from experiments.stopping import end_stopped

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


class Waiting:
    """A run that has begun and waits.

    Args:
        nursery: starts it.
        words: file for what it says on stderr.
        entry: which entry point.
        ignored: signals that it ignores from its start.
    """

    def __init__(
        self, nursery: Nursery, words: Path, entry: str = "reproduce", ignored: tuple[signal.Signals, ...] = ()
    ) -> None:
        self.nursery, self.words = nursery, words
        begun, out = os.pipe()
        with words.open("w") as err:
            self.process = nursery.start(WAITS, f"experiments.{entry}", out=out, err=err.fileno(), ignored=ignored)
        os.close(out)
        self.said = os.fdopen(begun)
        assert self.said.readline() == "begun\n"

    def told(self, number: signal.Signals) -> tuple[int, str]:
        """Exit code and last words after a signal."""
        os.kill(self.process, number)
        code = self.nursery.code()
        self.said.close()
        return code, self.words.read_text()

    def goes_on(self, seconds: float) -> bool:
        """Whether its output is still open after so long."""
        return not select.select([self.said], [], [], seconds)[0]


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_a_signal_ends_a_run(nursery: Nursery, tmp_path: Path, number: signal.Signals, code: int) -> None:
    returned, said = Waiting(nursery, tmp_path / "words").told(number)
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
def test_a_signal_ends_every_entry_point(nursery: Nursery, tmp_path: Path, entry: str, words: str) -> None:
    returned, said = Waiting(nursery, tmp_path / "words", entry).told(signal.SIGTERM)
    assert returned == 143
    assert said.strip() == words


def test_a_signal_that_falls_into_the_end_of_an_object_ends_a_run(nursery: Nursery, tmp_path: Path) -> None:
    words = tmp_path / "words"
    with words.open("w") as err:
        assert nursery.run(LOSES, out=err, err=err) == 143
    assert words.read_text().strip() == GO_ON


def test_an_ignored_hangup_is_left_alone(nursery: Nursery, tmp_path: Path) -> None:
    run = Waiting(nursery, tmp_path / "words", ignored=(signal.SIGHUP,))
    os.kill(run.process, signal.SIGHUP)
    assert run.goes_on(seconds=1)
    assert run.told(signal.SIGTERM)[0] == 143


def test_what_an_import_cut_short_has_left_of_torch_is_not_imported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # to import it raises, as it does after half an import
    monkeypatch.setitem(sys.modules, "torch.distributed", ModuleType("torch.distributed"))
    with pytest.raises(SystemExit) as ended:
        end_stopped()
    assert ended.value.code == 128 + signal.SIGINT
