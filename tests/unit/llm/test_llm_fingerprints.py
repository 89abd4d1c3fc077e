import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from saved_models import WEIGHTS, in_folder

from ccps.llm import ModelConfig, find_model
from ccps.llm.fingerprints import fingerprint


def flip_last_byte(file: Any) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_fingerprint_is_the_same_again_and_for_a_copy(folder: Any, saved: Any, own_cache: Path) -> None:
    first = fingerprint(folder)
    assert fingerprint(folder) == first
    assert fingerprint(saved) == first
    (own_cache / "fingerprints.json").unlink()
    assert fingerprint(folder) == first


@pytest.mark.parametrize("file", [WEIGHTS, "config.json", "tokenizer.json", "chat_template.jinja"])
def test_fingerprint_changes_with_one_byte(folder: Any, file: str) -> None:
    before = fingerprint(folder)
    flip_last_byte(folder / file)
    assert fingerprint(folder) != before


def test_fingerprint_changes_though_size_and_time_of_a_file_stay(folder: Any) -> None:
    before = fingerprint(folder)
    times = (folder / WEIGHTS).stat().st_atime_ns, (folder / WEIGHTS).stat().st_mtime_ns
    flip_last_byte(folder / WEIGHTS)
    os.utime(folder / WEIGHTS, ns=times)
    assert fingerprint(folder) != before
    flip_last_byte(folder / WEIGHTS)
    assert fingerprint(folder) == before


def test_further_templates_are_part_of_the_fingerprint(folder: Any) -> None:
    before = fingerprint(folder)
    more = folder / "additional_chat_templates"
    more.mkdir()
    (more / "brief.jinja").write_text("a")
    first = fingerprint(folder)
    (more / "brief.jinja").write_text("b")
    assert len({before, first, fingerprint(folder)}) == 3


def test_code_is_part_of_the_fingerprint_where_it_is_run(folder: Any) -> None:
    without, with_none = fingerprint(folder), fingerprint(folder, with_code=True)
    (folder / "modeling_own.py").write_text("a = 1")
    first = fingerprint(folder, with_code=True)
    (folder / "modeling_own.py").write_text("a = 2")
    assert len({with_none, first, fingerprint(folder, with_code=True)}) == 3
    assert fingerprint(folder) == without


def test_fingerprint_follows_a_link_to_what_it_leads_to(folder: Any, tmp_path: Path) -> None:
    before = fingerprint(folder)
    moved = (folder / WEIGHTS).rename(tmp_path / "weights")
    (folder / WEIGHTS).symlink_to(moved)
    assert fingerprint(folder) == before
    flip_last_byte(moved)
    assert fingerprint(folder) != before


def test_fingerprint_changes_with_a_new_file_and_a_new_name(folder: Any) -> None:
    before = fingerprint(folder)
    (folder / "adapter.safetensors").write_bytes(b"")
    added = fingerprint(folder)
    (folder / "adapter.safetensors").rename(folder / "other.safetensors")
    assert len({before, added, fingerprint(folder)}) == 3


def test_note_on_the_origin_is_not_part_of_the_fingerprint(folder: Any) -> None:
    before = fingerprint(folder)
    (folder / "source.json").write_text("{}")
    assert fingerprint(folder) == before


def test_dtype_is_part_of_what_a_model_is(folder: Any, tiny_config: Callable[..., ModelConfig]) -> None:
    assert find_model("m", in_folder(folder)).fingerprint != find_model("m", in_folder(folder, "bfloat16")).fingerprint
    assert (
        find_model("m", tiny_config("llama")).fingerprint
        != find_model("m", tiny_config("llama", dtype="bfloat16")).fingerprint
    )


def test_name_of_a_model_is_not_part_of_what_it_is(folder: Any, tiny_config: Callable[..., ModelConfig]) -> None:
    assert find_model("a", in_folder(folder)).fingerprint == find_model("b", in_folder(folder)).fingerprint
    assert find_model("a", tiny_config("llama")).fingerprint == find_model("b", tiny_config("llama")).fingerprint


def test_each_setting_of_a_random_model_is_part_of_what_it_is(tiny_config: Callable[..., ModelConfig]) -> None:
    configs = [tiny_config("llama"), tiny_config("qwen2"), tiny_config("llama", seed=1)]
    configs.append(tiny_config("llama", num_hidden_layers=3))
    assert len({find_model("m", config).fingerprint for config in configs}) == 4


def test_unchanged_files_are_not_read_again(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint(folder)

    def unread(*args: Any) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(hashlib, "file_digest", unread)
    assert fingerprint(folder) == first


@pytest.mark.parametrize("memory", ["", "{", "[]", "null", "\udcff"])
def test_broken_memory_of_fingerprints_only_costs_time(folder: Any, own_cache: Path, memory: str) -> None:
    first = fingerprint(folder)
    (own_cache / "fingerprints.json").write_bytes(memory.encode(errors="surrogateescape"))
    assert fingerprint(folder) == first
    assert len(json.loads((own_cache / "fingerprints.json").read_text())) == len(list(folder.iterdir()))


def test_memory_that_cannot_be_written_only_costs_time(folder: Any, own_cache: Path) -> None:
    first = fingerprint(folder)
    (own_cache / "fingerprints.json").unlink()
    (own_cache / "fingerprints.json").mkdir()
    assert fingerprint(folder) == first


def test_processes_that_fingerprint_at_once_do_not_share_a_draft(
    folder: Any, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint(folder)
    for pid in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        monkeypatch.setattr(Path, "replace", lambda self, target: None)
        (own_cache / "fingerprints.json").write_text("{}")
        fingerprint(folder)
    assert len(list(own_cache.glob("*.partial"))) == 2
