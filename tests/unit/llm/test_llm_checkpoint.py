import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.utils._paths import filter_repo_objects
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, Passage, checkpoint, final_states, find_model, load_model
from ccps.llm.checkpoint import fingerprint, resolve_checkpoint

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tiny_model: Callable[..., LanguageModel], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A whole checkpoint; copy it before changing anything."""
    lm = tiny_model("llama")
    folder = tmp_path_factory.mktemp("saved")
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Any, tmp_path: Path) -> Any:
    return shutil.copytree(saved, tmp_path / "checkpoint")


def in_folder(path: Path, dtype: str = "float32") -> ModelConfig:
    return ModelConfig(source="folder", location=str(path), dtype=dtype)


def load(path: Path) -> Any:
    return load_model(find_model("mine", in_folder(path)))


def flip_last_byte(file: Any) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


# --- a folder that save_pretrained wrote ---


def test_saved_model_is_the_model(folder: Any, tiny_model: Callable[..., LanguageModel]) -> None:
    original, read = tiny_model("llama"), load(folder)
    passages = [Passage([1, 2, 3], [4, 5])]
    assert torch.equal(final_states(read, passages)[0], final_states(original, passages)[0])
    assert torch.equal(read.head.weight, original.head.weight)
    assert read.tokenizer("héllo")["input_ids"] == original.tokenizer("héllo")["input_ids"]
    assert read.files.folder == folder


def test_dtype_is_that_of_the_settings(folder: Any) -> None:
    model = load_model(find_model("mine", in_folder(folder, "bfloat16"))).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_tied_weights_are_not_taken_for_missing_ones(tiny_model: Callable[..., LanguageModel], tmp_path: Path) -> None:
    lm = tiny_model("llama", tie_word_embeddings=True)
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / WEIGHTS)
    assert torch.equal(load(tmp_path).head.weight, lm.head.weight)


def test_missing_weights_are_never_made_up(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"`mine`.*1 weights are missing.*model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:5].clone()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (WEIGHTS, b""),
        (WEIGHTS, b"garbage" * 100),
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": "nonsuch"}'),
        ("tokenizer.json", b"{"),
    ],
)
def test_broken_files_are_named_with_a_way_out(folder: Any, file: str, content: Any) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=r"(?s)`mine` cannot be loaded from .*checkpoint.*point `location` at a whole"):
        load(folder)


def test_cut_weights_are_refused(folder: Any) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


def test_missing_tokenizer_is_refused(folder: Any) -> None:
    for file in folder.glob("tok*"):
        file.unlink()
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


def test_broken_weights_show_in_the_logits(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match="`mine` returns NaN or infinite logits"):
        load(folder)


def test_folder_without_config_is_refused(folder: Any) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"`model\.mine\.location` to be a checkpoint folder with a config\.json, but"):
        find_model("mine", in_folder(folder))


def test_folder_with_pickled_weights_only_is_refused(folder: Any) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"checkpoint in safetensors format.*pickled weights are not read"):
        find_model("mine", in_folder(folder))


# --- other sources ---


def test_unknown_source_is_refused() -> None:
    with pytest.raises(UserError, match=r"`model\.m\.source` to be one of hub, folder, gguf, .*but got 'cloud'"):
        find_model("m", ModelConfig(source="cloud", location="x"))


def test_unknown_dtype_is_refused() -> None:
    with pytest.raises(UserError, match=r"`model\.m\.dtype` to be one of bfloat16, float16, float32, but got 'int4'"):
        find_model("m", ModelConfig(source="random", location="llama", dtype="int4"))


def test_unknown_asset_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="smollm2-135m-instruct"):
        find_model("m", ModelConfig(source="asset", location="smollm2"))


@pytest.mark.parametrize("location", ["nobody/has-this", "not a valid id!"])
def test_hub_without_a_network_says_how_to_do_without(location: str) -> None:
    with pytest.raises(UserError, match=r"Model `m`: the hub has no readable .*model\.m\.source=folder"):
        find_model("m", ModelConfig(source="hub", location=location))


def test_hub_fetches_what_is_needed_once_and_no_pickles(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    asked: dict[Any, Any] = {}

    def snapshot_download(location: Any, **options: Any) -> str:
        asked.update(options, location=location)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    found = find_model("m", ModelConfig(source="hub", location="org/name", revision="abc", dtype="float32"))
    assert (found.folder, asked["location"], asked["revision"]) == (folder, "org/name", "abc")
    offered = ["config.json", "model-00001-of-00002.safetensors", "consolidated.safetensors", "pytorch_model.bin"]
    patterns = {name: asked[name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(offered, **patterns)) == offered[:2]


def test_hub_repository_with_pickled_weights_only_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    (folder / WEIGHTS).unlink()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda location, **options: str(folder))
    with pytest.raises(UserError, match="checkpoint in safetensors format"):
        find_model("m", ModelConfig(source="hub", location="org/name"))


# --- GGUF ---


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

    monkeypatch.setattr(checkpoint, "_convert_gguf", convert)
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
        (folder / "source.json").write_text(json.dumps({"content": checkpoint._digests([file])[0]}))

    monkeypatch.setattr(checkpoint, "_convert_gguf", convert)
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

    monkeypatch.setattr(checkpoint, "_convert_gguf", full)
    with pytest.raises(UserError, match=r"could not be converted.*No space left.*CCPS_CACHE"):
        resolve_checkpoint("m", gguf(tmp_path / "model.gguf"))
    monkeypatch.setattr(checkpoint, "_convert_gguf", lambda file, folder, dtype: folder.mkdir())
    assert resolve_checkpoint("m", gguf(tmp_path / "model.gguf")).is_dir()


# --- fingerprints ---


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
