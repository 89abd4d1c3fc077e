"""Runs that are killed, at any moment and in each kind of write: the next one ends with the same pages and tables."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import faults
import pytest
from toy_jobs import Ended, Whole, assert_the_same, copy_artifacts

pytestmark = pytest.mark.forks

Run = Callable[..., Ended]

# More rounds than there are kinds of writes.
MOST_ROUNDS = 200
# What makes something whole, or says that it is: where a kill could leave what is neither old nor new.
DECIDING = {
    "open /costs.0.jsonl",
    "open /..N.partial",
    "os.rename /..N.partial",
    "os.rename /.N.partial",
    "open /.manifest.partial",
    "os.rename /.manifest.partial",
    "os.rename .output.new",
}


def kind_of(event: str) -> str:
    """What is done to which kind of file, in whichever stage."""
    action, path = event.split(" ", 1)
    return f"{action} {path.split('/KEY', 1)[-1] if '/KEY' in path else path.split('/', 1)[0]}"


def kill_in_each(kinds: set[str], name: Callable[[str], str], job: Whole, folder: Path, run: Run) -> None:
    """Kill a job before the first write of each kind, going on each time, until it ends by itself."""
    folder.mkdir()
    seen: list[str] = []
    log = folder.with_name("event")
    for _ in range(MOST_ROUNDS):
        ended = run(job, folder, lambda: faults.die_at(folder, kinds.difference(seen), name, log))
        if ended.code != -signal.SIGKILL:
            break
        seen.append(name(log.read_text(encoding="utf-8")))
    assert ended.code == 0, f"after {seen[-1:]}: {ended.said}"
    assert set(seen) == kinds
    assert_the_same(job, folder)


def test_killed_before_what_decides(whole: Callable[[str], Whole], tmp_path: Path, run: Run) -> None:
    job = whole("main")
    assert {kind_of(event) for event in job.events} >= DECIDING
    kill_in_each(DECIDING, kind_of, job, tmp_path / "run", run)


@pytest.mark.slow
def test_killed_in_each_kind_of_write(job: Whole, tmp_path: Path, run: Run) -> None:
    kill_in_each({kind_of(event) for event in job.events}, kind_of, job, tmp_path / "run", run)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(10))
def test_killed_at_a_random_moment(job: Whole, tmp_path: Path, run: Run, dice: Random, attempt: int) -> None:
    folder = tmp_path / "run"
    (folder / "output").mkdir(parents=True)
    notes = folder / "output" / "notes.txt"
    notes.write_text("the user's own")
    for share in [dice.random(), *([dice.random()] if attempt % 3 == 0 else [])]:  # some are killed twice
        ended = run(job, folder, lambda at=share: faults.die_after(at * job.seconds))
        assert ended.code in (0, -signal.SIGPROF), ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert notes.read_text() == "the user's own"
    notes.unlink()
    assert_the_same(job, folder)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(3))
def test_killed_in_the_midst_of_a_text(job: Whole, tmp_path: Path, run: Run, dice: Random, attempt: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    texts = sum(event.startswith("open") for event in job.events) // 2
    ended = run(job, folder, lambda: faults.tear(folder, 1 + dice.randrange(texts)))
    assert ended.code in (0, -signal.SIGKILL), ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert_the_same(job, folder)


@pytest.mark.slow
def test_two_at_once(job: Whole, tmp_path: Path, start_together: Callable[..., list[Ended]], run: Run) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for ended in start_together(job, folder, 2):
        refused = ended.code == 2 and "Another process (pid " in ended.said
        assert ended.code == 0 or refused, ended.said
        assert "Traceback" not in ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert_the_same(job, folder)


@pytest.mark.slow
def test_the_report_made_anew_of_the_same_artifacts_is_the_same(job: Whole, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "run"
    copy_artifacts(job, folder)
    (report,) = (folder / "artifacts").glob("*report/*")
    shutil.rmtree(report)
    for _ in range(2):  # made, then found
        ended = run(job, folder)
        assert ended.code == 0, ended.said
        assert_the_same(job, folder)
