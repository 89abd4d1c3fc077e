"""Copies of GGUF files in safetensors, made once and kept in the cache."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ccps.assets import catalogue as assets
from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.core.quiet import quiet_transformers
from ccps.core.text import in_short
from ccps.llm.fingerprints import NOTE, file_digests
from ccps.llm.gguf_header import check_gguf, not_gguf
from ccps.llm.gguf_rope import rope_scaling
from ccps.llm.gguf_unread import check_all_read
from ccps.llm.memory import is_out_of_memory
from ccps.llm.weights import read_weights

_CONVERSION_VERSION = 3


def from_gguf(name: str, file: Path, dtype: str) -> Path:
    """Dequantise a GGUF file once into the cache; loading the copy takes a second instead of a minute.

    Raises:
        UserError: it is no GGUF model that can be read, or the cache cannot be written.
    """
    folder = copy_of_gguf(file, dtype)
    if is_copy(folder, file):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits, and finds the copy of the first
            if not is_copy(folder, file):
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


def copy_of_gguf(file: Path, dtype: str) -> Path:
    """Where the copy of a GGUF file lies in the cache, once it has been made."""
    status = file.stat()
    identity = f"{_CONVERSION_VERSION}|{file.resolve()}|{status.st_size}|{status.st_mtime_ns}|{dtype}"
    digest = hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()
    return assets.cache_folder() / "models" / f"{file.stem}-{dtype}-{digest}"


def is_copy(folder: Path, file: Path) -> bool:
    """Whether a folder is a whole copy of what is in a GGUF file now."""
    if not folder.is_dir():
        return False
    note = folder / NOTE
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return True  # made before contents were noted
    return bool(noted == file_digests([file])[0])


def _convert_gguf(file: Path, folder: Path, dtype: str) -> None:
    from transformers import AutoTokenizer

    check_gguf(file)
    try:
        with quiet_transformers():
            scaling = rope_scaling(file)
            tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
            model = read_weights(file.parent, dtype, gguf_file=file.name, trust_remote_code=False)
        check_all_read(file, model)
    except ImportError as error:
        raise UserError(f"Reading {file} needs a package that is missing: {error}") from error
    except UserError:
        raise
    except Exception as error:  # of a damaged header every reader says something else
        if is_out_of_memory(error):
            raise
        raise not_gguf(file, in_short(error)) from error
    if scaling is not None:
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
        note = {"gguf": file.name, "dtype": dtype, "content": file_digests([file])[0]}
        (partial / NOTE).write_text(json.dumps(note), encoding="utf-8")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
