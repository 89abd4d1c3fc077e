"""Read what W&B keeps of an offline run: LevelDB's log format with one protobuf record in each entry.

https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

# Not exported by name: which version of protobuf is there decides where it lies.
Record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]

_HEADER = 7  # of the file, and of each piece: checksum (4 bytes), length (2), kind (1)
_BLOCK = 32768
_FULL, _LAST = 1, 4


def records(path: Path) -> Iterator[Any]:
    """Yield the records of a `.wandb` file."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts = _HEADER, b""
    while position + _HEADER <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        parts += data[position + _HEADER : position + _HEADER + length]
        position += _HEADER + length
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def history(path: Path) -> dict[str, Any]:
    """The last value logged under each name."""
    return {
        item.key or "/".join(item.nested_key): json.loads(item.value_json)
        for record in records(path)
        if record.WhichOneof("record_type") == "history"
        for item in record.history.item
    }
