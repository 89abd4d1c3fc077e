from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import wandb

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.pipeline import mirror
from ccps.pipeline.mirror import close_logger, open_logger
from ccps.settings.run import LoggerConfig


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """Whether each run that would have been opened was offline; online ones fail."""
    calls: list[bool] = []

    def connected(arguments: dict[str, Any], folder: Path, *, offline: bool) -> None:
        calls.append(offline)
        if not offline:
            raise wandb.errors.CommError("connection refused")

    monkeypatch.setattr(mirror, "_connected", connected)
    return calls


def sign_in(monkeypatch: pytest.MonkeyPatch, answer: bool | Exception) -> None:
    def login(prompt: bool) -> bool:
        assert not prompt
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(wandb, "login", login)


def test_without_a_key_the_run_is_offline(
    opened: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_in(monkeypatch, False)
    open_logger(LoggerConfig("auto"), tmp_path, "name", {})
    assert opened == [True]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("answer", "tried"),
    [(wandb.errors.AuthenticationError("no network"), [True]), (True, [False, True])],
    ids=["key not accepted", "server gone afterwards"],
)
def test_an_unreachable_server_makes_the_run_offline_and_this_is_said(
    opened: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answer: bool | Exception,
    tried: list[bool],
) -> None:
    sign_in(monkeypatch, answer)
    open_logger(LoggerConfig("auto"), tmp_path, "name", {})
    assert opened == tried
    assert f"not reachable · kept offline in {tmp_path}" in capsys.readouterr().out


def test_online_that_cannot_be_is_refused(opened: list[bool], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be reached.*connection refused.*logger.mode=offline"):
        open_logger(LoggerConfig("online"), tmp_path, "name", {})
    assert opened == [False]


def test_offline_asks_nobody(opened: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sign_in(monkeypatch, RuntimeError("nobody should have asked"))
    open_logger(LoggerConfig("offline"), tmp_path, "name", {})
    assert opened == [True]


def test_disabled_writes_nothing(opened: list[bool], tmp_path: Path) -> None:
    assert open_logger(LoggerConfig("disabled"), tmp_path / "none", "name", {}) is None
    close_logger(None, failed=False)
    assert opened == []
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write W&B's files to .*paths.wandb"):
        open_logger(LoggerConfig("offline"), tmp_path / "file", "name", {})


@pytest.mark.parametrize(
    ("rows", "columns", "kept"), [(12_000, 2, 10_000), (12_000, 3, 8_333), (12_000, 80, 312), (7, 80, 7)]
)
def test_so_many_rows_of_a_table_go_to_wandb(tmp_path: Path, rows: int, columns: int, kept: int) -> None:
    artifact = Artifact.at(tmp_path, "extract", {})
    table = pa.table({f"c{number}": range(rows) for number in range(columns)} | {"ids": [[1]] * rows})
    with artifact.writing(), artifact.shard(0) as folder:
        pq.write_table(table, folder / ROWS)
    artifact.finish(1, {})
    found = mirror._table(artifact)
    assert found is not None
    assert found.column_names == [f"c{number}" for number in range(columns)]
    assert found["c0"].to_pylist() == list(range(kept))
