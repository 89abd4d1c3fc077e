"""Every entry point told to stop in the midst of a real run: it ends, says how to go on, and loses at most a shard."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import faults
import pandas as pd
import pytest
from toy_entries import NAMES, ToyEntry, toy_entries
from toy_jobs import contents, different, in_process

pytestmark = [pytest.mark.forks, pytest.mark.slow]

CODES = {
    signal.SIGTERM: 143,
    signal.SIGINT: 130,
    signal.SIGHUP: 129,
    signal.SIGUSR1: 138,
    signal.SIGUSR2: 140,
}
# Every entry point by every signal.
TOLD = [(name, number) for name in NAMES for number in CODES]


class Undisturbed(NamedTuple):
    """A run to its end.

    Attributes:
        entry: that was run.
        output: what it wrote, but times, costs and the record of the run.
        seconds: of computing.
    """

    entry: ToyEntry
    output: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ToyEntry]:
    return toy_entries(tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="module")
def undisturbed(
    entries: dict[str, ToyEntry], tmp_path_factory: pytest.TempPathFactory, computed: Callable[[], float]
) -> Callable[[str], Undisturbed]:
    """An entry point by its name, run once for all tests."""
    done: dict[str, Undisturbed] = {}

    def run(name: str) -> Undisturbed:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            before = computed()
            ended = in_process(lambda: entries[name].run(folder / "run"), folder / "log")
            assert ended.code == 0, ended.said
            done[name] = Undisturbed(entries[name], written(folder / "run"), computed() - before)
        return done[name]

    return run


def written(folder: Path) -> dict[str, bytes]:
    """What an entry point has written, without the times that it took."""
    found = contents(folder / "output")
    if "probes.csv" in found:
        table = pd.read_csv(folder / "output" / "probes.csv", dtype=str, keep_default_na=False)
        found["probes.csv"] = table.drop(columns="seconds").to_csv(index=False).encode()
    return found


def whole_shards(folder: Path) -> dict[Path, int]:
    """Every file of a shard that is whole, and which one it is to the file system."""
    return {path: path.stat().st_ino for path in (folder / "artifacts").glob("*/*/0*/*")}


@pytest.mark.parametrize(("name", "number"), TOLD, ids=lambda value: getattr(value, "name", value))
def test_a_run_that_is_stopped_goes_on(
    name: str,
    number: signal.Signals,
    undisturbed: Callable[[str], Undisturbed],
    tmp_path: Path,
    dice: Random,
    record_property: Callable[[str, object], None],
) -> None:
    entry, output, seconds = undisturbed(name)
    folder, log, moment = tmp_path / "run", tmp_path / "log", tmp_path / "moment"
    at = dice.uniform(0.2, 0.7) * seconds

    def told() -> None:
        moment.write_text(f"{len({path.parent for path in whole_shards(folder)})} {time.monotonic()}")

    ended = in_process(lambda: entry.run(folder), log, lambda: faults.be_told_after(at, number, told))
    shards, clock = moment.read_text().split()
    record_property("seconds until it had ended", time.monotonic() - float(clock))
    assert ended.code == CODES[number], ended.said
    assert ended.said.strip().splitlines()[-1] == entry.last_words
    assert "Traceback" not in ended.said
    kept = whole_shards(folder)
    assert len({path.parent for path in kept}) - int(shards) in (0, 1)  # it begins no other one
    left = written(folder)
    assert entry.measures or left in ({}, output)

    ended = in_process(lambda: entry.run(folder), log)
    assert ended.code == 0, ended.said
    assert kept.items() <= whole_shards(folder).items()  # and none of them is made anew
    found = written(folder)
    assert found.keys() == output.keys() if entry.measures else different(found, output) == []
