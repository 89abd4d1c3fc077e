import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, find_model, load, load_model, memory
from ccps.llm.memory import OutOfMemory, attempt, in_parts

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB."


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing collected where nothing is to be: that takes a tenth of a second each time."""
    memory._say_once.cache_clear()
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda garbage_collection: None)


def with_room_for(most: Any, work: Callable[..., Any] = lambda item: 10 * item) -> tuple[Any, list[Any]]:
    """Work that fails on more than so many items at once, and the batches it was given."""
    batches = []

    def do(items: Any) -> list[Any]:
        batches.append(list(items))
        if len(items) > most:
            raise torch.OutOfMemoryError(CUDA)
        return [work(item) for item in items]

    return do, batches


def test_a_batch_that_fits_is_worked_off_whole(capsys: pytest.CaptureFixture[str]) -> None:
    do, batches = with_room_for(5)
    assert in_parts(do, [1, 2, 3], "m") == [10, 20, 30]
    assert batches == [[1, 2, 3]]
    assert capsys.readouterr().out == ""


def test_a_batch_that_does_not_is_halved_until_it_does() -> None:
    do, batches = with_room_for(2)
    assert in_parts(do, [1, 2, 3, 4, 5, 6, 7], "m") == [10, 20, 30, 40, 50, 60, 70]
    assert batches == [[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4], [1, 2], [3, 4], [5, 6, 7], [5, 6], [7]]


@given(items=st.lists(st.integers(), max_size=40), most=st.integers(1, 40))
def test_nothing_is_lost_and_the_order_is_kept(items: list[int], most: int) -> None:
    do, batches = with_room_for(most)
    assert in_parts(do, items, "m") == [10 * item for item in items]
    assert [item for batch in batches if len(batch) <= most for item in batch] == items


def test_it_is_said_once_for_each_model(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second", "first"):
        in_parts(with_room_for(1)[0], [1, 2, 3, 4], name)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0].split() for line in lines] == [["memory", "first"], ["memory", "second"]]
    assert all("halved" in line and "answering.max_batch_tokens" in line for line in lines)


def test_one_item_that_does_not_fit_is_refused_with_a_way_out() -> None:
    do, batches = with_room_for(0)
    with pytest.raises(UserError, match=r"memory for model `m`.*“CUDA out of memory.*”.*\+model\.m\.quantisation=int8"):
        in_parts(do, [1, 2], "m")
    assert batches == [[1, 2], [1]]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(CUDA),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        MemoryError(),
    ],
)
def test_every_way_of_saying_so_is_understood(error: Any) -> None:
    def fail() -> None:
        raise error

    assert isinstance(attempt(fail), OutOfMemory)


def test_the_allocator_of_the_cpu_is_understood() -> None:
    failure = attempt(lambda: torch.empty(2**50))
    assert isinstance(failure, OutOfMemory)
    assert "can't allocate memory" in failure.reason


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("x"), UserError("x")])
def test_other_errors_pass(error: Any) -> None:
    def fail(items: Any) -> list[Any]:
        raise error

    with pytest.raises(type(error), match=str(error)):
        in_parts(fail, [1, 2], "m")


def test_no_tensor_of_the_failed_try_is_alive_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    kept: list[Any] = []
    gc.disable()  # even cycles are to go without being waited for
    try:

        def do(items: Any) -> Any:
            assert [one() for one in kept] == [None] * len(kept)
            large = torch.ones(1000)
            large.cycle = [large]  # type: ignore[attr-defined]
            if len(items) > 1:
                kept.append(weakref.ref(large))
                raise torch.OutOfMemoryError(CUDA)
            return list(items)

        assert in_parts(do, [1, 2, 3, 4], "m") == [1, 2, 3, 4]
        assert len(kept) == 3
    finally:
        gc.enable()


def test_a_model_that_does_not_fit_is_refused_with_a_way_out(
    tiny_config: Callable[..., ModelConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError(CUDA)

    monkeypatch.setattr(load, "random_model", fail)
    with pytest.raises(UserError, match=r"memory for model `big`.*“CUDA out of memory.*”.*device_map=auto.*memory\.md"):
        load_model(find_model("big", tiny_config("llama")))


def test_a_checkpoint_that_does_not_fit_is_not_called_broken(
    tiny_model: Callable[..., LanguageModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = tiny_model("llama")
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr(load, "read_weights", lambda *_, **__: torch.empty(2**50))
    config = ModelConfig(source="folder", location=str(tmp_path))
    with pytest.raises(UserError, match=r"memory for model `big`.*can't allocate memory"):
        load_model(find_model("big", config))
