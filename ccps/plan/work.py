"""Operations and bytes of what a model and its head do, counted from sizes alone.

A product of `[n, k]` with `[k, m]` takes 2·n·k·m operations. A pass over tokens multiplies each with all dense weights
and reads these once; attention multiplies every query with every key of its row, and the weights that result with the
values (what lies in the future included, which some implementations leave out). All between is bound by memory.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ccps.plan.shape import ModelShape

MAX_SCRATCH_BYTES = 256 * 2**20
_FLOAT32 = 4
# Reads and writes of an entry of the vocabulary: around the unmoved state, and at each radius (an exponential, two
# logarithms, and sums).
_START, _RADIUS = 12, 10
# Passes over the entries that look for where a line is overtaken.
_FLIP = 10


class Part(NamedTuple):
    """Work of one kind.

    Attributes:
        kind: see `ccps.settings.plan.KINDS`.
        dtype: in which is multiplied.
        flop: floating-point operations.
        moved: bytes to and from memory.
    """

    kind: str
    dtype: str
    flop: float
    moved: float


@dataclass(frozen=True)
class Work:
    """What is done one after another.

    Attributes:
        parts: of it.
        layer_calls: how often a layer is called, however much it is given.
    """

    parts: tuple[Part, ...] = ()
    layer_calls: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.parts + other.parts, self.layer_calls + other.layer_calls)

    def times(self, factor: float) -> "Work":
        """So many times as much of it."""
        parts = tuple(part._replace(flop=factor * part.flop, moved=factor * part.moved) for part in self.parts)
        return Work(parts, factor * self.layer_calls)

    @property
    def flop(self) -> float:
        """All operations."""
        return sum(part.flop for part in self.parts)

    @property
    def moved(self) -> float:
        """All bytes."""
        return sum(part.moved for part in self.parts)


class Amount(NamedTuple):
    """How much passes read.

    Attributes:
        tokens: padding included, since it is computed too.
        pairs: of a query and a key that it looks at, or that is masked.
        keys: whose cache a pass reads, all passes together.
        passes: how many there are.
        most: tokens of the largest pass.
        held: tokens in the caches of the largest batch.
    """

    tokens: float = 0.0
    pairs: float = 0.0
    keys: float = 0.0
    passes: float = 0.0
    most: float = 0.0
    held: float = 0.0

    def joined(self, other: "Amount") -> "Amount":
        """Both, one after the other."""
        return Amount(
            self.tokens + other.tokens,
            self.pairs + other.pairs,
            self.keys + other.keys,
            self.passes + other.passes,
            max(self.most, other.most),
            max(self.held, other.held),
        )

    def scaled(self, factor: float) -> "Amount":
        """So many batches of the same size."""
        tokens, pairs, keys, passes = (factor * value for value in self[:4])
        return Amount(tokens, pairs, keys, passes, self.most, self.held)


def read_batch(rows: int, width: int, before: int = 0) -> Amount:
    """One pass over a batch of padded rows, after tokens that are in the cache."""
    keys = before + width
    return Amount(rows * width, rows * width * keys, rows * keys, 1, rows * width, rows * keys)


def write_batch(rows: int, before: int, steps: int) -> Amount:
    """A pass for each token that is written after so many, all rows of a batch together."""
    keys = steps * before + steps * (steps + 1) / 2
    return Amount(rows * steps, rows * keys, rows * keys, steps, rows, rows * (before + steps))


def decoder(shape: ModelShape, amount: Amount, kind: str = "read") -> Work:
    """The layers of a model: products, attention, and what lies between them."""
    products = Part(kind, shape.dtype, 2 * shape.dense * amount.tokens, amount.passes * shape.dense * shape.item)
    attention = Part(
        kind,
        shape.dtype,
        4 * shape.layers * shape.heads * shape.head_width * amount.pairs,
        shape.cache_bytes * amount.keys,
    )
    between = Part(kind, shape.dtype, 0.0, shape.elementwise_bytes * amount.tokens)
    return Work((products, attention, between), shape.layers * amount.passes)


def own_logits(shape: ModelShape, states: float, passes: float, kind: str = "read") -> Work:
    """The model's own head on some states, in the model's type."""
    flop, weights = 2 * states * shape.vocabulary * shape.width, shape.vocabulary * shape.width * shape.item
    return Work((Part(kind, shape.dtype, flop, passes * weights + states * shape.vocabulary * shape.item),))


def features(
    shape: ModelShape, tokens: float, radii: int, *, swept: bool = False, scratch: int = MAX_SCRATCH_BYTES
) -> Work:
    """Stability features: three products with the head in float32, then all of the vocabulary at each radius."""
    kind = "sweep" if swept else "vocabulary"
    entries = _FLOAT32 * shape.vocabulary * tokens * (_START + _RADIUS * radii)
    return _ray(shape, tokens, scratch) + Work((Part(kind, "float32", 0.0, entries),))


def flip_radii(shape: ModelShape, tokens: float, scratch: int = MAX_SCRATCH_BYTES) -> Work:
    """Exact radii at which another token overtakes: the same products, and passes that look for it."""
    entries = _FLOAT32 * shape.vocabulary * tokens * (_START + _FLIP)
    return _ray(shape, tokens, scratch) + Work((Part("vocabulary", "float32", 0.0, entries),))


def _ray(shape: ModelShape, tokens: float, scratch: int) -> Work:
    """L0 = W·h, Wᵀ(p − e), S = W·d: the head is read once for each product of a block of tokens."""
    weights = shape.vocabulary * shape.width
    blocks = tokens / max(1, scratch // (2 * _FLOAT32 * shape.vocabulary))
    moved = _FLOAT32 * 3 * (weights * max(blocks, min(1.0, tokens)) + tokens * shape.vocabulary)
    return Work((Part("head", "float32", 3 * 2 * tokens * weights, moved),))
