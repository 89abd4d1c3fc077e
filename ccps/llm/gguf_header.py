"""What a GGUF file says of itself, walked through before libraries believe it.

They read past its end without a word, count up to 2⁶⁴ where it says so, make a model of as many layers as it names, and
leave out what they know no place for. So every length is held against the bytes that are left, every tensor against the
end of the file, and every size against the tensors. The layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ccps.core.errors import UserError, expected

_MAGIC, _VERSIONS, _ALIGNMENT, _MOST_DIMENSIONS = b"GGUF", (2, 3), 32, 4
_LONGEST_NAME = 1 << 16
_STRING, _ARRAY = 8, 9
# Formats of the scalars, by their numbers; all is little-endian.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_BLOCK = re.compile(r"blk\.(\d+)\.")
# Counts and sizes that a model is made of. How long a text may be is none, unless each position has a vector.
_SIZE = re.compile(r"(?!(?:.*\.|.*_)?context_length$).*(?:length|count|count_kv|size|rank)")
_VOCABULARY = ("token_embd.weight", "output.weight")
_POSITIONS = "position_embd.weight"


class _FaultError(Exception):
    """What is wrong with a file, as it goes on after "but got"."""


class _Tensor(NamedTuple):
    """Where a tensor lies.

    Attributes:
        dimensions: sizes, the one whose elements lie beside each other first.
        kind: number of its quantisation.
        offset: in bytes, from where the data begin.
    """

    dimensions: tuple[int, ...]
    kind: int
    offset: int


class _Bytes:
    """Bytes that are taken in their order, and never beyond their end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int, what: str) -> bytes:
        return self.data[self.skip(n, what) : self.at]

    def skip(self, n: int, what: str) -> int:
        """Go on by some bytes; returns where they begin."""
        self.check(n, what)
        self.at += n
        return self.at - n

    def check(self, n: int, what: str) -> None:
        if n > len(self.data) - self.at:
            raise _FaultError(f"a file of {len(self.data):,} bytes that ends before {what}")

    def number(self, kind: str, what: str) -> Any:
        (value,) = struct.unpack(f"<{kind}", self.take(struct.calcsize(kind), what))
        return value

    def text(self, what: str) -> str:
        written = self.take(self.number("Q", what), what)
        try:
            return written.decode()
        except UnicodeDecodeError as error:
            raise _FaultError(f"{what} that is no UTF-8") from error

    def name(self, what: str) -> str:
        found = self.text(what)
        if not 0 < len(found) <= _LONGEST_NAME:
            raise _FaultError(f"{what} of {len(found)} characters")
        return found


def check_gguf(file: Path) -> None:
    """Make sure that a GGUF file is whole, and that the model which it describes is the one that it holds.

    Raises:
        UserError: naming the first fault.
    """
    try:
        _check(file)
    except _FaultError as fault:
        raise not_gguf(file, str(fault)) from fault


def not_gguf(file: Path, got: str) -> UserError:
    """The error that a file is no GGUF model that can be read."""
    return expected(
        f"{file}",
        "a GGUF model that transformers can read",
        got,
        "Download or convert it again, or use a checkpoint folder of the same model (source=folder).",
    )


def _check(file: Path) -> None:
    size = file.stat().st_size
    if not size:
        raise _FaultError("an empty file")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        source = _Bytes(data)
        if source.take(4, "its first word") != _MAGIC:
            raise _FaultError("a file of another kind")
        version = source.number("I", "its version")
        if not version & 0xFFFF:
            raise _FaultError("a big-endian file")
        if version not in _VERSIONS:
            raise _FaultError(f"a file of version {version}")
        n_tensors, n_values = source.number("Q", "its counts"), source.number("Q", "its counts")
        values = _values(source, n_values)
        tensors = _tensors(source, n_tensors)
        _check_places(tensors, source.at, values.get("general.alignment", _ALIGNMENT), size)
    _check_model(values, tensors)


def _values(source: _Bytes, n: int) -> dict[str, Any]:
    """What the file states, by name; of a list, `range` of its length."""
    found: dict[str, Any] = {}
    for _ in range(n):
        name = source.name("the name of a value")
        if name in found:
            raise _FaultError(f"`{name}` twice")
        found[name] = _value(source, source.number("I", f"`{name}`"), f"`{name}`")
    return found


def _value(source: _Bytes, kind: int, what: str) -> Any:
    if kind == _STRING:
        return source.text(what)
    if kind == _ARRAY:
        return _array(source, what)
    if kind not in _SCALARS:
        raise _FaultError(f"{what} of the unknown type {kind}")
    return source.number(_SCALARS[kind], what)


def _array(source: _Bytes, what: str) -> range:
    kind, n = source.number("I", what), source.number("Q", what)
    if kind in _SCALARS:
        source.skip(n * struct.calcsize(_SCALARS[kind]), f"the end of {what}")
    elif kind == _STRING:
        source.check(n * 8, f"the end of {what}")
        for _ in range(n):
            source.skip(source.number("Q", what), f"the end of {what}")
    else:
        raise _FaultError(f"lists in {what}" if kind == _ARRAY else f"{what} of the unknown type {kind}")
    return range(n)


def _tensors(source: _Bytes, n: int) -> dict[str, _Tensor]:
    found: dict[str, _Tensor] = {}
    for _ in range(n):
        name = source.name("the name of a tensor")
        what = f"the tensor `{name}`"
        if name in found:
            raise _FaultError(f"{what} twice")
        n_dimensions = source.number("I", what)
        if not 0 < n_dimensions <= _MOST_DIMENSIONS:
            raise _FaultError(f"{what} of {n_dimensions} dimensions")
        dimensions = tuple(source.number("Q", what) for _ in range(n_dimensions))
        found[name] = _Tensor(dimensions, source.number("I", what), source.number("Q", what))
    return found


def _check_places(tensors: Mapping[str, _Tensor], end: int, alignment: Any, size: int) -> None:
    """Make sure that all of each tensor lies in the file."""
    from gguf import GGML_QUANT_SIZES

    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise _FaultError(f"tensors that lie {alignment!r} bytes apart")
    begin = -(-end // alignment) * alignment
    sizes = {int(kind): block for kind, block in GGML_QUANT_SIZES.items()}
    for name, tensor in tensors.items():
        if tensor.kind not in sizes:
            raise _FaultError(f"the tensor `{name}` of the unknown type {tensor.kind}")
        per_block, n_bytes = sizes[tensor.kind]
        if tensor.dimensions[0] % per_block:
            raise _FaultError(f"the tensor `{name}` of {tensor.dimensions[0]} columns in blocks of {per_block}")
        if begin + tensor.offset + math.prod(tensor.dimensions) // per_block * n_bytes > size:
            raise _FaultError(f"a file of {size:,} bytes that ends before the end of the tensor `{name}`")


def _check_model(values: Mapping[str, Any], tensors: Mapping[str, _Tensor]) -> None:
    """Make sure that the model which is stated is the one of the tensors."""
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise _FaultError("no `general.architecture`")
    embedding = tensors.get(_VOCABULARY[0])
    if embedding is None or len(embedding.dimensions) != 2:
        raise _FaultError(f"no matrix `{_VOCABULARY[0]}`")
    width, rows = embedding.dimensions
    prefix = f"{architecture}."
    own = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    layers = {int(found[1]) for name in tensors if (found := _BLOCK.match(name))}
    if layers != set(range(len(layers))):
        raise _FaultError(f"layers {min(layers)} to {max(layers)}, of which some are missing")
    if own.get("block_count") != len(layers):
        raise _FaultError(f"{len(layers)} layers where `block_count` is {own.get('block_count')}")
    if own.get("embedding_length") != width:
        raise _FaultError(f"embeddings of {width} numbers where `embedding_length` is {own.get('embedding_length')}")
    tokens = values.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, range):
        raise _FaultError("a tokenizer without a list of tokens")
    if len(tokens) > rows:
        raise _FaultError(f"a tokenizer of {len(tokens):,} tokens and {rows:,} embeddings")
    if _POSITIONS in tensors and own.get("context_length") != tensors[_POSITIONS].dimensions[-1]:
        raise _FaultError(f"{tensors[_POSITIONS].dimensions[-1]} positions where `context_length` is another number")
    _check_sizes(own, tensors, rows)


def _check_sizes(own: Mapping[str, Any], tensors: Mapping[str, _Tensor], rows: int) -> None:
    """Make sure that no count or size is larger than any tensor: one that is would be made in memory first."""
    largest = max((max(one.dimensions) for name, one in tensors.items() if name not in _VOCABULARY), default=rows)
    sizes = {name: value for name, value in own.items() if _SIZE.fullmatch(name) and type(value) is int}
    for name, value in sizes.items():
        if value > (most := rows if name == "vocab_size" else largest):
            raise _FaultError(f"`{name}` of {value:,}, and no tensor of more than {most:,}")
    heads = max(sizes.get("attention.head_count", 1), sizes.get("attention.head_count_kv", 1))
    for of in ("attention.key_length", "attention.value_length"):
        if heads * sizes.get(of, 1) > largest:
            raise _FaultError(f"{heads} heads of `{of}` {sizes.get(of, 1)}, and no tensor of so many")
