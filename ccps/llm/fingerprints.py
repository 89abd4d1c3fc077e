"""The fingerprint of a checkpoint: a hash of the files that decide what the model computes."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ccps.assets import catalogue as assets
from ccps.llm.cache_notes import read_memory, write_memory
from ccps.llm.templates import MORE_TEMPLATES

NOTE = "source.json"
"""What a copy of a GGUF file was made of; no part of the model."""

# Weights, configuration, tokenizer and chat template.
_DECISIVE = {".safetensors", ".json", ".jinja", ".model", ".txt", ".tiktoken", ".bpe", ".spm"}


def fingerprint(folder: Path, *, with_code: bool = False) -> str:
    """Hash the files of a checkpoint folder that decide what the model computes.

    Hashes of files are remembered, so a checkpoint is read whole only once, see `file_digests`.

    Args:
        folder: a checkpoint folder.
        with_code: whether Python code in it is run, and so decides too.

    Returns:
        16 hexadecimal digits.
    """
    decisive = _DECISIVE | {".py"} if with_code else _DECISIVE
    files = [path for path in sorted(folder.iterdir()) if path.suffix in decisive and path.name != NOTE]
    files += sorted(folder.glob(MORE_TEMPLATES))
    names = [path.relative_to(folder).as_posix() for path in files]
    digests = dict(zip(names, file_digests(files), strict=True))
    return hashlib.blake2b(json.dumps(digests, sort_keys=True).encode(), digest_size=8).hexdigest()


def file_digests(files: Sequence[Path]) -> list[str]:
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
