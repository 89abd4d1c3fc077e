import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from ccps.core.errors import UserError
from ccps.llm import ModelConfig, find_model, gguf_copy
from ccps.llm.checkpoint import resolve_checkpoint
from ccps.llm.fingerprints import file_digests


def gguf(path: Path) -> ModelConfig:
    return ModelConfig(source="gguf", location=str(path))


def test_missing_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`model\.m\.location` to be a GGUF file, but got .*none\.gguf"):
        find_model("m", gguf(tmp_path / "none.gguf"))


@pytest.mark.parametrize("content", [b"", b"no model" * 50, b"GGUF\x03\x00\x00\x00" + b"\x01" * 30])
def test_what_is_no_gguf_model_is_refused_and_leaves_nothing(tmp_path: Path, own_cache: Path, content: Any) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(UserError, match=r"Expected .*bad\.gguf to be a GGUF model.*source=folder"):
        find_model("m", gguf(tmp_path / "bad.gguf"))
    assert [path for path in (own_cache / "models").iterdir() if path.suffix != ".lock"] == []


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A slow stand-in for the conversion; collects the folders it was asked to make."""
    made = []

    def convert(file: Any, folder: Path, dtype: Any) -> None:
        made.append(folder)
        time.sleep(0.2)
        folder.mkdir()

    monkeypatch.setattr(gguf_copy, "_convert_gguf", convert)
    return made


def test_gguf_is_converted_once_even_if_two_ask_at_once(tmp_path: Path, conversions: list[Any]) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    found = []
    threads = [threading.Thread(target=lambda: found.append(resolve_checkpoint("m", gguf(file)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversions) == 1
    assert found == [conversions[0]] * 3


def test_another_file_or_dtype_is_another_copy(tmp_path: Path, conversions: list[Any]) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    first = resolve_checkpoint("m", gguf(file))
    as_float = resolve_checkpoint("m", ModelConfig(source="gguf", location=str(file), dtype="float32"))
    file.write_bytes(b"other weights")
    assert len({first, as_float, resolve_checkpoint("m", gguf(file))}) == 3


def test_a_file_that_took_the_place_of_another_of_its_size_and_time_is_converted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(file: Path, folder: Path, dtype: str) -> None:
        folder.mkdir()
        (folder / "weights").write_bytes(file.read_bytes())
        (folder / "source.json").write_text(json.dumps({"content": file_digests([file])[0]}))

    monkeypatch.setattr(gguf_copy, "_convert_gguf", convert)
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    assert (resolve_checkpoint("m", gguf(file)) / "weights").read_bytes() == b"weights"
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=times)
    assert (resolve_checkpoint("m", gguf(file)) / "weights").read_bytes() == b"WEIGHTS"


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device (os error 28)")],
)
def test_full_disk_during_conversion_is_told_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    (tmp_path / "model.gguf").write_bytes(b"weights")

    def full(file: Any, folder: Path, dtype: Any) -> None:
        raise error

    monkeypatch.setattr(gguf_copy, "_convert_gguf", full)
    with pytest.raises(UserError, match=r"could not be converted.*No space left.*CCPS_CACHE"):
        resolve_checkpoint("m", gguf(tmp_path / "model.gguf"))
    monkeypatch.setattr(gguf_copy, "_convert_gguf", lambda file, folder, dtype: folder.mkdir())
    assert resolve_checkpoint("m", gguf(tmp_path / "model.gguf")).is_dir()
