"""A few kills and damages, in a process that has no threads or connections of other tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_jobs_that_are_killed_damaged_or_out_of_room() -> None:
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command = [*pytest, "-m", "forks and not slow", "tests/faults"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert ended.returncode == 0, ended.stdout  # 5 where there are none
