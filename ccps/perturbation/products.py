"""Products of a head with states and with pulls on its rows, in float32 or by parts in bfloat16.

A float32 product of a bfloat16 head casts it, a run of rows at a time. Where a device multiplies bfloat16 and returns
the float32 sums, the head stays as it is and the other operand x is taken apart,

    x = x1 + x2 + x3      x1 = bf16(x)      x2 = bf16(x − x1)      x3 = bf16(x − x1 − x2)

and W x = W x1 + W x2 + W x3: each number of a part is one of bfloat16, each single product of two such is exact in
float32, and what three parts leave out is below 2⁻²⁴ of x, as float32's own rounding is. States that are bfloat16 to
begin with are one part.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_CAST_BYTES = 64 * 2**20
_PARTS = 3
_RUN = 32_768  # rows at a time, so that what parts give takes little memory


class Products(NamedTuple):
    """How a head is multiplied."""

    project: Callable[[Tensor, Tensor, Tensor], None]
    """From states `[tokens, d]` and a weight `[vocab, d]` to `[tokens, vocab]`, into the third argument, float32."""
    pull_back: Callable[[Tensor, Tensor], Tensor]
    """From values `[tokens, vocab]` and a weight to `[tokens, d]`, float32."""


def _cast_project(states: Tensor, weight: Tensor, out: Tensor) -> None:
    for rows, block in _float32_blocks(weight):
        torch.mm(states, block.t(), out=out[:, rows])


def _cast_pull_back(values: Tensor, weight: Tensor) -> Tensor:
    result = values.new_zeros((values.shape[0], weight.shape[1]))
    for rows, block in _float32_blocks(weight):
        result.addmm_(values[:, rows], block)
    return result


def _float32_blocks(weight: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Give a float32 weight whole, and cast another a run of rows at a time: no second copy of the head."""
    vocab, width = weight.shape
    size = vocab if weight.dtype == torch.float32 else max(1, _CAST_BYTES // (4 * width))
    for start in range(0, vocab, size):
        rows = slice(start, min(start + size, vocab))
        yield rows, weight[rows].float()


def _split_project(states: Tensor, weight: Tensor, out: Tensor) -> None:
    whole = states.bfloat16()
    in_parts = [whole] if torch.equal(whole.float(), states) else list(parts(states))
    for run, columns in zip(weight.split(_RUN), out.split(_RUN, dim=1), strict=True):
        columns.copy_(_summed(in_parts, run.t()))


def _split_pull_back(values: Tensor, weight: Tensor) -> Tensor:
    result = values.new_zeros((values.shape[0], weight.shape[1]))
    for run, columns in zip(weight.split(_RUN), values.split(_RUN, dim=1), strict=True):
        result += _summed(parts(columns), run)
    return result


def _summed(in_parts: Iterable[Tensor], weight: Tensor) -> Tensor:
    """Multiply bfloat16 parts with a bfloat16 weight, and sum up in float32."""
    return torch.stack([_in_float32(part, weight) for part in in_parts]).sum(0)


def parts(values: Tensor) -> Iterator[Tensor]:
    """Take float32 numbers apart into bfloat16 parts that add up to them, but for 2⁻²⁴ of each."""
    for _ in range(_PARTS):
        part = values.bfloat16()
        yield part
        values = values - part.float()


def _in_float32(values: Tensor, weight: Tensor) -> Tensor:
    """Multiply bfloat16 matrices; on a CPU, which would round the sums, by float32 copies of the same numbers."""
    if values.device.type == "cuda":
        return torch.mm(values, weight, torch.float32)
    return values.float() @ weight.float()


CAST = Products(_cast_project, _cast_pull_back)
"""Float32 throughout."""

SPLIT = Products(_split_project, _split_pull_back)
"""By parts in bfloat16, for devices that return float32 sums; the weight is bfloat16."""
