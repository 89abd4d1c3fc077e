"""Artifacts that are not what was written, and disks that take nothing more: refused in one line, or without effect."""

import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import faults
import pytest
from toy_jobs import Ended, Whole, assert_the_same, copy_artifacts

pytestmark = pytest.mark.forks

Run = Callable[..., Ended]
Damage = Callable[[Path, Random], None]


def truncate(file: Path, dice: Random) -> None:
    file.write_bytes(file.read_bytes()[: dice.randrange(file.stat().st_size)])


def flip(file: Path, dice: Random) -> None:
    content = bytearray(file.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    file.write_bytes(content)


def remove(file: Path, dice: Random) -> None:
    file.unlink()


def edit(file: Path, dice: Random) -> None:
    """Make one figure another; a file without one is added to."""
    content = file.read_bytes()
    places = [found.start() for found in re.finditer(rb"[1-8]", content)]
    at = dice.choice(places) if places else len(content)
    file.write_bytes(content[:at] + b"9" + content[at + 1 :])


DAMAGES = (truncate, flip, remove, edit)


def last_line(ended: Ended) -> str:
    return ended.said.strip().splitlines()[-1]


def assert_refused(ended: Ended) -> None:
    assert ended.code == 2, ended.said
    assert "Traceback" not in ended.said
    assert re.search(r"is broken: .*Remove the folder|^Cannot write to |^Expected ", last_line(ended)), ended.said


def damage_and_run(job: Whole, folder: Path, run: Run, dice: Random, damage: Damage) -> None:
    """Damage a file, have part of the others made anew, and do as the refusal says until there is none."""
    copy_artifacts(job, folder)
    artifacts = sorted((folder / "artifacts").glob("[!.]*/*"))
    found = dice.choice([one for one in artifacts if not one.parent.name.endswith("report")])
    file = dice.choice([one for one in sorted(found.rglob("*")) if one.is_file() and one.stat().st_size])
    damage(file, dice)
    for other in artifacts:
        if other.parent.name.endswith("report") or (other != found and dice.random() < 0.3):
            shutil.rmtree(other)
    for _ in range(3):
        ended = run(job, folder)
        if ended.code == 0:
            break
        assert_refused(ended)
        told = re.search(r"\(rm -r '(.+)'\)", last_line(ended))
        assert told, ended.said
        assert Path(told[1]) == found, f"{file}: {ended.said}"
        shutil.rmtree(told[1])
    assert ended.code == 0, ended.said
    assert_the_same(job, folder)


@pytest.mark.parametrize("damage", [flip])
def test_a_damaged_artifact(
    whole: Callable[[str], Whole], tmp_path: Path, run: Run, dice: Random, damage: Damage
) -> None:
    damage_and_run(whole("faithful"), tmp_path / "run", run, dice, damage)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("attempt", range(3))
def test_damaged_artifacts(job: Whole, tmp_path: Path, run: Run, dice: Random, damage: Damage, attempt: int) -> None:
    damage_and_run(job, tmp_path / "run", run, dice, damage)


def fail_now_and_then(job: Whole, folder: Path, run: Run, starts: list[float], error: int) -> None:
    """Have a disk take nothing more from some moments on, one run after the other; the last has room."""
    folder.mkdir()
    for share in starts:
        number = 1 + int(share * len(job.events))
        ended = run(job, folder, lambda at=number: faults.fail_from(folder, at, error))
        if ended.code != 0:  # what it still had to write was less than that
            assert_refused(ended)
            assert str(folder) in last_line(ended)
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert_the_same(job, folder)


def test_a_full_disk(whole: Callable[[str], Whole], tmp_path: Path, run: Run) -> None:
    fail_now_and_then(whole("faithful"), tmp_path / "run", run, [0.0, 0.1, 0.3], errno.ENOSPC)


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
def test_disks_that_take_nothing_more(job: Whole, tmp_path: Path, run: Run, dice: Random, error: int) -> None:
    fail_now_and_then(job, tmp_path / "run", run, sorted(dice.random() for _ in range(4)), error)


@pytest.mark.slow
def test_a_limit_of_the_size_of_files(job: Whole, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for size in (2000, 60_000):
        ended = run(job, folder, lambda most=size: faults.no_file_above(most))
        assert ended.code != 0
        assert "Traceback" not in ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert_the_same(job, folder)
