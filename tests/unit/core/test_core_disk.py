import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import fail_halfway, write
from safetensors import SafetensorError

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError

FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL, ids=["system", "safetensors"])
def test_full_disk_is_told_keeps_whole_shards_and_frees_the_half_one(artifact: Any, error: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        with pytest.raises(UserError, match=r"Cannot write to .*: No space left on device.*paths\.artifacts.*are kept"):
            fail_halfway(artifact, 1, error)
        assert artifact.has_shard(0)
        assert not artifact.has_shard(1)
        assert list(artifact.folder.glob(".*.partial")) == []


@pytest.mark.parametrize(
    ("file", "act"),
    [
        (".manifest.partial", lambda artifact: artifact.finish(1, {})),
        ("costs.0.jsonl", lambda artifact: artifact.add_cost(0, seconds=1.0)),
        ("inputs.json", lambda artifact: artifact.writing().__enter__()),
    ],
)
def test_full_disk_is_told_wherever_it_strikes(artifact: Any, file: str, act: Callable[..., Any]) -> None:
    with artifact.writing():
        write(artifact, 0)
    (artifact.folder / file).unlink(missing_ok=True)
    (artifact.folder / file).symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"Cannot write to .*: No space left on device"):
        act(artifact)
    assert not artifact.complete


def test_root_that_is_not_writable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(UserError, match="Permission denied"), Artifact.at(tmp_path, "fit", {}).writing():
        pass


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "elsewhere"), OSError(errno.ENOENT, "gone"), SafetensorError("odd header")]
)
def test_errors_from_elsewhere_are_not_blamed_on_the_artifact(artifact: Any, error: Any) -> None:
    with pytest.raises(type(error), match=str(error.args[-1])), artifact.writing():
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad disk"), OSError("no number"), SafetensorError("odd header")])
def test_other_errors_inside_a_shard_stay_what_they_are(artifact: Any, error: Any) -> None:
    with artifact.writing(), pytest.raises(type(error), match=str(error.args[-1])), artifact.shard(0):
        raise error
