"""A run that is killed, and run again."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from output_tables import NOT_CONTENT, contents, stored
from tiny import Tiny, write_questions


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    write_questions(tmp_path / "trees.jsonl", 16, seed=3)
    write_questions(tmp_path / "boats.jsonl", 4, seed=4)
    settings = ["answering.shard_questions=1", "answering.max_batch_tokens=1", "stages=[answer,grade,extract]"]
    killed, whole = Tiny(tmp_path / "killed", tmp_path), Tiny(tmp_path / "whole", tmp_path)
    with subprocess.Popen(killed.command(*settings), stdout=subprocess.DEVNULL) as process:
        while not list(killed.artifacts.glob("answer/*/00000")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    left = list(killed.artifacts.glob("answer/*/0*"))
    assert 1 <= len(left) < 16
    assert not list(killed.artifacts.glob("*/*/manifest.json"))
    stamps = {path: path.stat().st_mtime_ns for path in left}

    killed.run(*settings)
    whole.run(*settings)
    assert {path: path.stat().st_mtime_ns for path in left} == stamps  # kept, not computed again
    assert len(list(killed.artifacts.glob("answer/*/0*"))) == 16 + 4
    assert stored(killed) == stored(whole)
    for stage in stored(whole):
        own, other = (contents(place.artifacts / stage, without=NOT_CONTENT) for place in (killed, whole))
        assert own == other
