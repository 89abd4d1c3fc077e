"""From what the user named to a local checkpoint folder with a fingerprint.

Whatever the source, the loader sees one thing: a folder of safetensors with tokenizer and config. Weights in pickle
formats are never read.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ccps.assets import catalogue as assets
from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.core.quiet import quiet_transformers
from ccps.llm.config_sizes import check_sizes
from ccps.llm.gguf_rope import rope_scaling
from ccps.llm.memory import is_out_of_memory
from ccps.llm.templates import depends_on_clock
from ccps.settings.model import ModelConfig

_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_HUB_COPIES = ["consolidated*"]  # a second copy of the weights in Mistral's repositories
_CONVERSION_VERSION = 3
_NOTE = "source.json"
"""What a copy of a GGUF file was made of."""
# Characters of what a library says; some list every architecture there is.
_LONGEST = 500


def resolve_checkpoint(name: str, config: ModelConfig) -> Path:
    """Return the local folder that holds the model, downloading or converting it if need be.

    Args:
        name: the model's key in the configuration, for messages.
        config: where the model lies; any source but `random`.

    Raises:
        UserError: nothing lies at the location, or it cannot be downloaded.
    """
    resolvers: dict[str, Callable[[str, ModelConfig], Path]] = {
        "hub": _from_hub,
        "folder": _from_folder,
        "gguf": _from_gguf_file,
        "asset": lambda name, config: _from_gguf(name, assets.fetch(config.location), config.dtype),
    }
    return resolvers[config.source](name, config)


def stored_checkpoint(config: ModelConfig) -> Path | None:
    """The folder that `resolve_checkpoint` would return, if nothing has to be downloaded or converted for it.

    Args:
        config: where the model lies; any source but `random`.
    """
    if config.source == "hub":
        return _stored_of_hub(config)
    if config.source == "folder":
        folder = local_path(config.location)
        return folder if (folder / "config.json").is_file() else None
    if config.source == "gguf":
        file = local_path(config.location)
    else:
        asset = assets.find(config.location)
        file = assets.cache_folder() / asset.name / asset.filename
    folder = _copy_of_gguf(file, config.dtype) if file.is_file() else file
    return folder if (folder / "config.json").is_file() and _is_copy(folder, file) else None


def _stored_of_hub(config: ModelConfig) -> Path | None:
    """The snapshot in the hub's cache, if all files that its index names are there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(config.location, revision=config.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    folder = Path(found)
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return folder if any(folder.glob("*.safetensors")) else None
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return folder if all((folder / str(name)).is_file() for name in named) else None


# Weights, configuration, tokenizer and chat template.
_DECISIVE = {".safetensors", ".json", ".jinja", ".model", ".txt", ".tiktoken", ".bpe", ".spm"}
_MORE_TEMPLATES = "additional_chat_templates/*.jinja"


def fingerprint(folder: Path, *, with_code: bool = False) -> str:
    """Hash the files of a checkpoint folder that decide what the model computes.

    Hashes of files are remembered, so a checkpoint is read whole only once, see `_digests`.

    Args:
        folder: a checkpoint folder.
        with_code: whether Python code in it is run, and so decides too.

    Returns:
        16 hexadecimal digits.
    """
    decisive = _DECISIVE | {".py"} if with_code else _DECISIVE
    files = [path for path in sorted(folder.iterdir()) if path.suffix in decisive and path.name != _NOTE]
    files += sorted(folder.glob(_MORE_TEMPLATES))
    names = [path.relative_to(folder).as_posix() for path in files]
    digests = dict(zip(names, _digests(files), strict=True))
    return hashlib.blake2b(json.dumps(digests, sort_keys=True).encode(), digest_size=8).hexdigest()


def _digests(files: Sequence[Path]) -> list[str]:
    """Hashes of files, remembered by place, size and both times.

    The time of modification alone may be that of another file: copies and archives bring it along. When it was changed
    on this disk the system notes by itself.
    """
    memory_file = assets.cache_folder() / "fingerprints.json"
    memory = known = read_memory(memory_file)
    stamps = []
    for path in files:
        status = path.stat()
        times = f"{status.st_mtime_ns}|{status.st_ctime_ns}|{status.st_ino}"
        stamps.append(f"{path.resolve()}|{status.st_size}|{times}")
        if stamps[-1] not in memory:
            with path.open("rb") as file:
                memory = {**memory, stamps[-1]: hashlib.file_digest(file, "blake2b").hexdigest()[:32]}
    if memory != known:
        write_memory(memory_file, memory)
    return [memory[stamp] for stamp in stamps]


def has_clock(folder: Path) -> bool:
    """Whether the chat template in a checkpoint folder asks what day it is."""
    files = [
        *folder.glob("*.jinja"),
        *folder.glob(_MORE_TEMPLATES),
        folder / "tokenizer_config.json",
    ]
    return any(depends_on_clock(file.read_text(encoding="utf-8", errors="replace")) for file in files if file.is_file())


def read_memory(memory_file: Path) -> dict[str, str]:
    """What was remembered in a file of the cache; nothing where it cannot be read."""
    try:
        memory = json.loads(memory_file.read_text())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def write_memory(memory_file: Path, memory: dict[str, str]) -> None:
    """Remember in a file of the cache, whole or not at all."""
    partial = memory_file.with_suffix(f".{os.getpid()}.partial")
    with contextlib.suppress(OSError):  # without it something is only found out again next time
        memory_file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(memory, indent=1))
        partial.replace(memory_file)


# Weights of the decoder; towers for images and heads for training may lie beside them unread.
_OF_DECODER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.\d+\.")
_OTHER_MODALITIES = re.compile(r"vision|visual|image|audio|speech|mtp")


def read_weights(folder: Path | str, dtype: str, **options: Any) -> Any:
    """Read a causal language model all of whose weights are in its files; of a model that also sees, the whole.

    Raises:
        ValueError: weights are missing, and transformers would put random ones in their place; or there are layers that
            its configuration does not know, and the model would be cut short.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    kind: Any = AutoModelForCausalLM
    if "gguf_file" not in options:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=options.get("trust_remote_code", False))
        if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and config.get_text_config() is not config:
            kind = AutoModelForImageTextToText
    loaded: Any = kind.from_pretrained(folder, dtype=getattr(torch, dtype), output_loading_info=True, **options)
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} weights are missing from its files, {missing[0]} among them")
    beyond = sorted(key for key in info["unexpected_keys"] if _is_cut(key))
    if beyond:
        raise ValueError(
            f"{len(beyond)} weights of layers are in its files unknown to its config.json, {beyond[0]} among them"
        )
    return model


def in_short(error: BaseException) -> str:
    """What a library says of a file, in a line or two; its kind where it says nothing."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said.rstrip(".") if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _is_cut(key: str) -> bool:
    """Whether an unread weight is one of the decoder's layers."""
    return _OF_DECODER.search(key) is not None and _OTHER_MODALITIES.search(key) is None


def _from_hub(name: str, config: ModelConfig) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                config.location, revision=config.revision, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_COPIES
            )
        )
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not to be had"
        raise UserError(
            f"Model `{name}`: the hub has no readable `{config.location}`"
            f"{f' at revision {config.revision}' if config.revision else ''} ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no details'}). "
            "Check the id and your access to it (some models need a licence to be accepted and HF_TOKEN), or use a "
            f"local copy: model.{name}.source=folder model.{name}.location=PATH."
        ) from error
    return _with_safetensors(folder)


def check_there(name: str, config: ModelConfig) -> None:
    """Make sure that something lies where a model on this machine should.

    Raises:
        UserError: there is no such folder or file.
    """
    there = local_path(config.location)
    if config.source == "folder" and not (there / "config.json").is_file():
        raise expected(
            f"`model.{name}.location`",
            "a checkpoint folder with a config.json",
            repr(config.location),
            "Give the folder that `save_pretrained` wrote.",
        )
    if config.source == "gguf" and not there.is_file():
        raise expected(
            f"`model.{name}.location`", "a GGUF file", repr(config.location), "Give the path of a .gguf file."
        )


def _from_folder(name: str, config: ModelConfig) -> Path:
    check_there(name, config)
    return _with_safetensors(local_path(config.location))


def _with_safetensors(folder: Path) -> Path:
    if not any(folder.glob("*.safetensors")):
        raise expected(
            f"`{folder}`",
            "a checkpoint in safetensors format",
            "a folder without *.safetensors files",
            "Save the model again with `save_pretrained(folder)`; pickled weights are not read.",
        )
    if (folder / "adapter_config.json").is_file():
        raise expected(
            f"`{folder}`",
            "a checkpoint without an adapter",
            "one with adapter_config.json, which would be put on top of the model without a word",
            "Merge the adapter (`merge_and_unload`, `save_pretrained`), or move its files elsewhere.",
        )
    for index in folder.glob("*.index.json"):
        _check_index(index)
    _check_generation(folder / "generation_config.json")
    check_sizes(folder / "config.json")
    return folder


def _check_generation(file: Path) -> None:
    """Refuse a damaged file that says what ends a turn: transformers would go on without it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise expected(f"{file}", "JSON", in_short(error), "Save the model again, or remove the file.") from error
    if not isinstance(found, dict):
        got = f"a {type(found).__name__}"
        raise expected(f"{file}", "a JSON object", got, "Save the model again, or remove the file.")


def _check_index(index: Path) -> None:
    """Make sure that an index names safetensors of its own folder alone."""
    try:
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise expected(f"{index}", "an index of weights", f"{error!r}", "Save the model again.") from error
    elsewhere = [str(name) for name in files if not str(name).endswith(".safetensors") or Path(str(name)).name != name]
    if elsewhere and index.name.startswith("model.safetensors"):
        raise expected(
            f"{index}",
            "an index of safetensors in its own folder",
            f"{elsewhere[0]!r}",
            "Save the model again with `save_pretrained(folder)`; pickled weights, and files elsewhere, are not read.",
        )


def _from_gguf_file(name: str, config: ModelConfig) -> Path:
    check_there(name, config)
    return _from_gguf(name, local_path(config.location), config.dtype)


def _from_gguf(name: str, file: Path, dtype: str) -> Path:
    """Dequantise a GGUF file once into the cache; loading the copy takes a second instead of a minute."""
    folder = _copy_of_gguf(file, dtype)
    if _is_copy(folder, file):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits, and finds the copy of the first
            if not _is_copy(folder, file):
                shutil.rmtree(folder, ignore_errors=True)
                say(
                    "model",
                    name,
                    f"dequantising {file.name} to {dtype}; the copy in {folder.parent} is used from now on",
                    state="once",
                )
                _convert_gguf(file, folder, dtype)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The GGUF file {file} could not be converted into {folder.parent} ({error}). "
            "Free some space there or set CCPS_CACHE to a larger disk, and run again."
        ) from error
    return folder


def _copy_of_gguf(file: Path, dtype: str) -> Path:
    """Where the copy of a GGUF file lies in the cache, once it has been made."""
    status = file.stat()
    identity = f"{_CONVERSION_VERSION}|{file.resolve()}|{status.st_size}|{status.st_mtime_ns}|{dtype}"
    digest = hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()
    return assets.cache_folder() / "models" / f"{file.stem}-{dtype}-{digest}"


def _is_copy(folder: Path, file: Path) -> bool:
    """Whether a folder is a whole copy of what is in a GGUF file now."""
    if not folder.is_dir():
        return False
    note = folder / _NOTE
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return True  # made before contents were noted
    return bool(noted == _digests([file])[0])


def _convert_gguf(file: Path, folder: Path, dtype: str) -> None:
    from transformers import AutoTokenizer

    # Tokenizer first: it fails fast on a file that is no GGUF model.
    try:
        with quiet_transformers():
            tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
            model = read_weights(file.parent, dtype, gguf_file=file.name, trust_remote_code=False)
    except ImportError as error:
        raise UserError(f"Reading {file} needs a package that is missing: {error}") from error
    except UserError:
        raise
    except Exception as error:  # of a damaged header every reader says something else
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"Expected {file} to be a GGUF model that transformers can read, but got: {in_short(error)}. "
            "Use a checkpoint folder of the same model instead (source=folder)."
        ) from error
    if (scaling := rope_scaling(file)) is not None:
        model.config.rope_parameters = dict(scaling)
    # The copy holds plain weights: what says "quantised" must go, or loading would quantise them again.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    # How the file was opened is no part of the model, but would be written down and change its fingerprint.
    tokenizer.init_kwargs.pop("local_files_only", None)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # a killed process may have left it
    try:
        with quiet_transformers():
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
        note = {"gguf": file.name, "dtype": dtype, "content": _digests([file])[0]}
        (partial / _NOTE).write_text(json.dumps(note), encoding="utf-8")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
