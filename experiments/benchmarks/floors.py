"""What a machine does at best, measured beside what is held against it, and the arithmetic that nothing avoids."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from ccps.llm import LanguageModel

_SIDE = {"cpu": 2048, "cuda": 8192}
_COPIED = {"cpu": 2**27, "cuda": 2**30}
_AT_ONCE = {"cpu": 1, "cuda": 10}  # so that reading the clock does not show


class Yardstick(NamedTuple):
    """Something that keeps a machine as busy as can be.

    Attributes:
        work: does it.
        amount: floating-point operations, or bytes, of doing it once.
    """

    work: Callable[[], object]
    amount: float


def matrix_products(device: torch.device, dtype: torch.dtype) -> Yardstick:
    """Products of large square matrices."""
    side, times = _SIDE[device.type], _AT_ONCE[device.type]
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)

    def work() -> None:
        for _ in range(times):
            torch.mm(left, right, out=out)

    return Yardstick(work, times * 2 * side**3)


def copies(device: torch.device) -> Yardstick:
    """Copies from memory to memory, far larger than any cache; each byte is read and written."""
    size, times = _COPIED[device.type], _AT_ONCE[device.type]
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)

    def work() -> None:
        for _ in range(times):
            target.copy_(source)

    return Yardstick(work, times * 2 * size)


def feature_operations(tokens: int, vocabulary: int, width: int) -> int:
    """Floating-point operations of the three matrix products of a ray: L0 = W·h, Wᵀ(p − e_t) and S = W·d."""
    return 3 * 2 * tokens * vocabulary * width


def feature_bytes(tokens: int, vocabulary: int, width: int) -> int:
    """Least bytes moved, float32: the head once for each product; L0 and S written once and read once."""
    return 4 * (3 * vocabulary * width + 4 * tokens * vocabulary)


def forward_operations(lm: LanguageModel, tokens: int) -> int:
    """Operations of a forward pass without the head: two for each weight and token; those of attention left out."""
    decoder = lm.model.get_decoder()
    weights: int = sum(weight.numel() for weight in decoder.parameters())
    embeddings: int = decoder.get_input_embeddings().weight.numel()
    return 2 * tokens * (weights - embeddings)
