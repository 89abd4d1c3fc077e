"""What to do when memory runs out: less at a time, and say so."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import torch

from ccps.core.console import say
from ccps.core.errors import UserError, expected

Item = TypeVar("Item")
Result = TypeVar("Result")

# What is said where memory runs out in an error that is no `torch.OutOfMemoryError`: by CUDA and MPS, by cuBLAS when it
# finds no room for its workspace, and by the allocator of the CPU.
_SIGNS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: ")


class OutOfMemory(NamedTuple):
    """That memory ran out.

    Attributes:
        reason: what the allocator said, in its first two sentences.
    """

    reason: str


def attempt(work: Callable[[], Result]) -> Result | OutOfMemory:
    """Do what may run out of memory; if it does, leave nothing of it behind.

    Returns:
        What the work returned, or that memory ran out; then no tensor of the failed try is alive any more.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        failure = OutOfMemory(_beginning(error))
    # Only here the error is gone, whose traceback held on to every tensor of the functions that failed.
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)
    return failure


def in_parts(work: Callable[[list[Item]], list[Result]], batch: Sequence[Item], model: str) -> list[Result]:
    """Work off a batch; if memory runs out, first one half of it, then the other, and so on down to single items.

    The results are those of a plan that had these halves for batches. In bfloat16 they may differ from those of the
    whole batch in their last bits, as with any other size of batch.

    Args:
        work: gives one result for each item of a batch, in their order.
        batch: the items.
        model: name of the model that works, for messages.

    Returns:
        One result for each item, in their order.

    Raises:
        UserError: there is too little memory for one item.
    """
    items = list(batch)
    done = attempt(lambda: work(items))
    if not isinstance(done, OutOfMemory):
        return done
    if len(items) < 2:
        raise no_room(model, done)
    _say_once(model)
    half = (len(items) + 1) // 2
    return in_parts(work, items[:half], model) + in_parts(work, items[half:], model)


def no_room(model: str, failure: OutOfMemory) -> UserError:
    """The refusal to go on with a model that leaves too little memory."""
    return expected(
        f"the memory for model `{model}`",
        "enough for the weights and one question at a time",
        f"“{failure.reason}”",
        f"Hold the weights in fewer bits (+model.{model}.quantisation=int8), spread them over GPUs and CPU memory "
        f"(+model.{model}.device_map=auto), or leave out the longest questions; see docs/memory.md.",
    )


@cache
def _say_once(model: str) -> None:
    sentence = "like every other that does not fit; a lower answering.max_batch_tokens saves the first try"
    say("memory", model, sentence, state="a batch did not fit and is halved")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in _SIGNS)


def _beginning(error: Exception) -> str:
    """What failed and how much was asked for; CUDA goes on with advice of its own."""
    return ". ".join(str(error).strip().split(". ")[:2]) or type(error).__name__
