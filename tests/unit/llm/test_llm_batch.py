"""Prompts laid out: what is refused, what is shared, and which of them share a batch."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, common_prefix, lay_out, plan_batches, work_off

PROMPTS = [[1, 2, 3], [1, 2, 4, 5, 6], [1, 2, 5, 6], [1, 2, 3, 4]]
NAMES = ["a", "b", "c", "d"]


def test_context_window_counts_all_that_may_follow(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=8)
    assert lay_out(lm, ["a"], [[1] * 6], 2).room == [2]
    with pytest.raises(UserError, match=r"`tiny-llama`.*at most 8 tokens.*9 tokens for question b \(1 are"):
        lay_out(lm, ["a", "b"], [[1] * 6, [1] * 7], 2)
    with pytest.raises(UserError, match=r"9 tokens for question b \(1 are"):
        lay_out(lm, ["a", "b"], [[1] * 6, [1] * 6], [0, 1], after=2)
    # Even where nothing is to follow, one token is predicted.
    with pytest.raises(UserError, match="9 tokens"):
        lay_out(lm, ["a"], [[1] * 8], 0)


def test_what_all_begin_with_is_read_once(tiny_model: Callable[..., LanguageModel]) -> None:
    layout = lay_out(tiny_model("llama"), NAMES, PROMPTS, 3)
    assert layout.shared == 2
    assert [layout.own(index) for index in range(4)] == [1, 3, 2, 2]
    prefix = layout.read_shared()
    assert prefix is not None
    assert prefix.tokens == [1, 2]
    assert lay_out(tiny_model("llama"), NAMES[:2], [[1], [2]], 3).read_shared() is None
    assert lay_out(tiny_model("llama"), [], [], 3).read_shared() is None


def test_batches_are_of_like_length_and_of_one_kind(tiny_model: Callable[..., LanguageModel]) -> None:
    layout = lay_out(tiny_model("llama"), NAMES, PROMPTS, [3, 3, 3, 0])
    assert layout.batches(10) == [[3, 0], [2], [1]]
    assert layout.batches(10, kinds=["x", "y", "x", "y"]) == [[0, 2], [3], [1]]
    assert layout.batches(10, rows=2) == [[3], [0], [2], [1]]
    assert layout.batches(20, rows=2) == layout.batches(10)


def test_results_come_in_the_order_of_the_positions_and_a_batch_that_does_not_fit_is_halved() -> None:
    seen: list[list[int]] = []

    def work(batch: list[int]) -> list[int]:
        seen.append(batch)
        if len(batch) > 2:
            raise torch.OutOfMemoryError("full")
        return [index * index for index in batch]

    assert work_off(work, [[3, 0, 1], [2]], "m") == [0, 1, 4, 9]
    assert seen == [[3, 0, 1], [3, 0], [1], [2]]


TOKENS = st.lists(st.integers(0, 2), max_size=8)


@given(st.lists(TOKENS, min_size=1, max_size=6))
def test_common_prefix_is_the_longest_that_leaves_a_token_to_each(sequences: list[list[int]]) -> None:
    fitting = [
        n
        for n in range(min(map(len, sequences)))
        if all(sequence[:n] == sequences[0][:n] and len(sequence) > n for sequence in sequences)
    ]
    assert common_prefix(sequences) == max(fitting, default=0)


def test_common_prefix_of_nothing_and_of_the_empty() -> None:
    assert common_prefix([]) == 0
    assert common_prefix([[], [1]]) == 0


LENGTHS = st.lists(st.integers(0, 40), max_size=40)


@given(LENGTHS, st.integers(1, 120))
def test_batches_hold_every_index_once_within_the_bound(lengths: list[int], bound: int) -> None:
    batches = plan_batches(lengths, bound)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert batch
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= bound
    widths = [lengths[index] for batch in batches for index in batch]
    assert widths == sorted(widths)


@given(LENGTHS, st.integers(1, 120))
def test_no_batch_could_take_the_first_of_the_next(lengths: list[int], bound: int) -> None:
    batches = plan_batches(lengths, bound)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > bound


@given(LENGTHS, st.integers(1, 120), st.floats(0, 1))
def test_no_more_of_a_batch_is_padding_than_may_be(lengths: list[int], bound: int, most: float) -> None:
    batches = [[lengths[index] for index in batch] for batch in plan_batches(lengths, bound, most)]
    assert sorted(width for batch in batches for width in batch) == sorted(lengths)

    def is_allowed(batch: list[int]) -> bool:
        size = len(batch) * batch[-1]
        return len(batch) == 1 or (size <= bound and size - sum(batch) <= most * size)

    assert all(map(is_allowed, batches))
    assert not any(is_allowed([*batch, following[0]]) for batch, following in pairwise(batches))


@given(LENGTHS, st.integers(1, 120), st.randoms(use_true_random=False))
def test_plan_depends_on_the_lengths_alone(lengths: list[int], bound: int, shuffler: random.Random) -> None:
    assert plan_batches(lengths, bound) == plan_batches(tuple(lengths), bound)
    shuffled = shuffler.sample(lengths, len(lengths))
    widths = [[lengths[index] for index in batch] for batch in plan_batches(lengths, bound)]
    assert [[shuffled[index] for index in batch] for batch in plan_batches(shuffled, bound)] == widths
