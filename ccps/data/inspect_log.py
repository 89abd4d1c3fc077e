"""Records out of a log of Inspect (`.eval` or `.json`, version 2): what was asked, answered and scored.

A record has `id`, `epoch`, `question`, `answers` (by scorer), `correct` (by scorer: 1, 0, or None where a sample was
not scored), `metadata`, and for multiple choice `options` and `right` (a letter), else `accepted`.
"""

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from string import ascii_uppercase
from typing import Any

import pyarrow as pa

from ccps.core.errors import UserError
from ccps.data.tables import Row

_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<26xHH")
_ATTACHMENT = "attachment://"
# What Inspect counts as 1 and 0; a partial answer (P) is neither.
_VALUES: Mapping[object, object] = {"C": 1, "I": 0, "N": 0}


def read_log(data: bytes, path: PurePath | str) -> Iterator[Row]:
    """Yield the samples of a log in the order of its data set, then of their epochs.

    Args:
        data: the file.
        path: of it; its ending says which of the two forms it has.

    Raises:
        UserError: it is no such log, or a sample has no single question.
    """
    header, samples = _of_archive(data, path) if str(path).endswith(".eval") else _of_json(data)
    if not samples:
        raise UserError(
            f"Expected {path} to hold samples, but got a log without any (status: {header.get('status')}). Pass the "
            "log of a run that has ended, written with its samples."
        )
    ids = [str(one) for one in header.get("eval", {}).get("dataset", {}).get("sample_ids") or []]
    order = {name: place for place, name in enumerate(ids)}
    for sample in sorted(samples, key=lambda one: (order.get(str(one["id"]), len(order)), one["epoch"])):
        label = f"sample {sample['id']} (epoch {sample['epoch']})"
        try:
            yield label, _record(sample)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"Expected {label} of {path} to be a question with one answer, but got: {error}. Leave it "
                "out of the log."
            ) from error


def _of_json(data: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    log = json.loads(data)
    return log, log.get("samples") or []


def _of_archive(data: bytes, path: PurePath | str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # A sample that was written twice, by scoring it anew, counts as it stands last.
            entries = {entry.filename: entry for entry in archive.infolist()}
            names = [name for name in entries if re.fullmatch(r"samples/.+\.json", name)]
            header = json.loads(_content(archive, data, entries["header.json"])) if "header.json" in entries else {}
            return header, [json.loads(_content(archive, data, entries[name])) for name in names]
    except zipfile.BadZipFile as error:
        raise UserError(f"Expected {path} to be a log of Inspect, but got: {error}. Replace the file.") from error


def _content(archive: zipfile.ZipFile, data: bytes, entry: zipfile.ZipInfo) -> bytes:
    """A file of the archive; Inspect compresses by Zstandard, which `zipfile` reads from Python 3.14 on."""
    if entry.compress_type != _ZSTANDARD:
        return archive.read(entry)
    name, extra = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
    start = entry.header_offset + _LOCAL_HEADER.size + name + extra
    with pa.CompressedInputStream(pa.BufferReader(data[start : start + entry.compress_size]), "zstd") as stream:
        return bytes(stream.read())


def _record(sample: Mapping[str, Any]) -> dict[str, Any]:
    scores: Mapping[str, Any] = sample.get("scores") or {}
    options, attachments = sample.get("choices"), sample.get("attachments") or {}
    record = {
        "id": sample["id"],
        "epoch": sample["epoch"],
        "question": _question(sample["input"], attachments),
        "correct": {name: _label(score["value"]) for name, score in scores.items()},
        "metadata": sample.get("metadata") or {},
    }
    completion = _resolved(str((sample.get("output") or {}).get("completion") or ""), attachments)
    # Without an answer a record is told as faulty where one is asked for: what broke off, what names no option.
    if options:
        answers = {name: _letter(score.get("answer"), options) for name, score in scores.items()}
        found = {name: letter for name, letter in answers.items() if letter}
        return record | {"options": list(options), "right": _target(sample["target"]), "answers": found}
    answers = {} if sample.get("error") else dict.fromkeys(scores, completion)
    return record | {"accepted": sample["target"], "answers": answers}


def _question(given: object, attachments: Mapping[str, str]) -> str:
    if isinstance(given, str):
        return _resolved(given, attachments)
    turns = [turn for turn in given if turn["role"] != "system"] if isinstance(given, list) else []
    if len(turns) != 1 or turns[0]["role"] != "user":
        raise ValueError(f"{len(turns)} turns, where one of the user is wanted")
    content = turns[0]["content"]
    parts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    if not isinstance(content, str) and len(parts) != len(content):
        raise ValueError("a question that is not text alone")
    return _resolved("\n".join(parts), attachments)


def _resolved(text: str, attachments: Mapping[str, str]) -> str:
    """Long texts stand in a list of their own, by their hash."""
    return attachments[text.removeprefix(_ATTACHMENT)] if text.startswith(_ATTACHMENT) else text


def _label(value: object) -> object:
    """What Inspect's own accuracy takes for 1 and 0; not scored is unknown, all else as it stands, to be refused."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return _VALUES.get(value, value) if isinstance(value, str) else value


def _letter(answer: object, options: Sequence[str]) -> str | None:
    written = str(answer or "").strip()
    return written.lower() if len(written) == 1 and written.upper() in ascii_uppercase[: len(options)] else None


def _target(target: object) -> str:
    letters = [target] if isinstance(target, str) else list(target) if isinstance(target, list) else []
    if len(letters) != 1:
        raise ValueError(f"{len(letters)} right options, where one is wanted")
    return str(letters[0]).strip().lower()
