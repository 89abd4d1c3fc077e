import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import INPUTS, whole, written

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError

HOLD = """
import sys
from pathlib import Path
from ccps.core.artifacts import Artifact
with Artifact.at(Path(sys.argv[1]), "extract", {}).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_artifact_held_by_another_process_names_its_pid(tmp_path: Path) -> None:
    artifact = Artifact.at(tmp_path, "extract", {})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        (artifact.folder / ".00000.partial").mkdir()
        with (
            pytest.raises(UserError, match=rf"\(pid {holder.pid}\) is writing .*{artifact.key}.*Wait"),
            artifact.writing(),
        ):
            pass
        assert (artifact.folder / ".00000.partial").is_dir(), "what the holder is writing was removed"
        holder.kill()
    with artifact.writing():
        assert (artifact.folder / ".lock").read_text() == str(os.getpid())


def test_lock_is_given_back_after_an_error(artifact: Any) -> None:
    with pytest.raises(ValueError, match="mine"), artifact.writing():
        raise ValueError("mine")
    with artifact.writing():
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_written_without(
    artifact: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    locked = written(Artifact.at(tmp_path / "locked", "extract", INPUTS))

    def no_locks(*args: Any) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert whole(written(artifact)) == whole(locked)
