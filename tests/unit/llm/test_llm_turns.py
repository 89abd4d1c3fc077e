"""Rows that come and go, against each text drawn by itself; and that a batch never holds more than it may."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from ccps.llm import LanguageModel, compute_prefix, turns
from ccps.llm.decode import CachedRows
from ccps.llm.room import RowsWithRoom, has_room
from ccps.llm.sample import DrawnRow, Sampled, drawing, sample
from ccps.llm.turns import Turn, write_in_turns

PROMPTS = [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 8, 9, 10, 11, 12, 13], [5, 6, 20, 21, 22], [5, 6], [5, 6, 44, 45, 46, 47]]
SMALL_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}
SMALL_GEMMA = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
LIMIT = 24


@dataclass
class Watched:
    """What was seated and read."""

    seats: list[tuple[int, int]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Rows and columns that are laid out, and how many rows stay and come; the texts are short, and so is the room."""
    monkeypatch.setattr(turns, "_ROOM", 4)
    seen, seat = Watched(), RowsWithRoom.seat

    def noted(rows: RowsWithRoom, places: Sequence[int], texts: Sequence[Sequence[int]], room: int) -> None:
        seat(rows, places, texts, room)
        seen.seats.append((len(places), len(texts)))
        seen.sizes.append((len(places) + len(texts), rows._columns))

    monkeypatch.setattr(RowsWithRoom, "seat", noted)
    return seen


@pytest.fixture(scope="module")
def known() -> dict[str, list[list[Sampled]]]:
    """What is drawn alone, by architecture."""
    return {}


def model(tiny_model: Callable[..., LanguageModel], architecture: str, **sizes: Any) -> LanguageModel:
    """One whose texts are now short, now long, and now cut off."""
    return replace(tiny_model(architecture, **sizes), end_tokens=tuple(range(0, 259, 12)))


def numbers(k: int, seed: int = 3) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).random((len(PROMPTS), k, LIMIT))


def alone(lm: LanguageModel, drawn: npt.NDArray[np.float64]) -> list[list[Sampled]]:
    """Each text drawn by itself, in a cache of transformers, without padding and without a prefix."""
    return [
        [sample(lm, [prompt], drawn[i : i + 1, j : j + 1], 1.3, 0.9)[0][0] for j in range(drawn.shape[1])]
        for i, prompt in enumerate(PROMPTS)
    ]


def assert_same(got: list[list[Sampled]], wanted: list[list[Sampled]]) -> None:
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in wanted]
    assert [[one.ended for one in row] for row in got] == [[one.ended for one in row] for row in wanted]
    for row, other in zip(got, wanted, strict=True):
        assert [one.log_prob for one in row] == pytest.approx([one.log_prob for one in other], abs=1e-3)


@pytest.mark.parametrize("budget", [1, 80, 130, 100_000])
@pytest.mark.parametrize("shared", [0, 1])
@pytest.mark.parametrize(("architecture", "sizes"), [("llama", {}), ("gpt2", SMALL_GPT2)])
def test_texts_are_those_drawn_alone(
    architecture: str,
    sizes: dict[str, int],
    shared: int,
    budget: int,
    tiny_model: Callable[..., LanguageModel],
    watched: Watched,
    known: dict[str, list[list[Sampled]]],
) -> None:
    lm, drawn = model(tiny_model, architecture, **sizes), numbers(3)
    prefix = compute_prefix(lm, PROMPTS[0][:shared])
    got = sample(lm, PROMPTS, drawn, 1.3, 0.9, prefix, max_batch_tokens=budget)
    if architecture not in known:
        known[architecture] = alone(lm, drawn)
    assert_same(got, known[architecture])
    lengths = [len(one.tokens) for row in got for one in row]
    assert min(lengths) < 10
    assert max(lengths) == LIMIT
    assert all(rows == 1 or rows * (columns - shared) <= budget for rows, columns in watched.sizes)
    most = max(rows for rows, _ in watched.sizes)
    assert most == {1: 1, 100_000: 18}.get(budget, most)
    assert (1 < most < 18) == (1 < budget < 100_000)


def test_who_came_last_goes_when_rows_have_grown_and_comes_back(
    tiny_model: Callable[..., LanguageModel], watched: Watched
) -> None:
    lm = replace(tiny_model("llama"), end_tokens=())
    assert_same(sample(lm, PROMPTS, numbers(2), 1.3, 0.9, max_batch_tokens=100), alone(lm, numbers(2)))
    come = [come for _, come in watched.seats]
    assert sum(come) > 12  # all 12 have come in, and some of them more than once
    assert any(stay and more for stay, more in watched.seats)  # beside rows that go on
    assert watched.sizes[0][0] > 2 * watched.sizes[-1][0]  # nothing ends before its limit, and there are fewer places


def test_each_text_has_a_limit_of_its_own(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=())
    drawn = numbers(1)[:, 0]
    limits = [1, 7, 24, 2, 20, 14]
    rows = [DrawnRow(numbers=own[:limit]) for own, limit in zip(drawn, limits, strict=True)]
    texts = [Turn(row, prompt, limit) for row, prompt, limit in zip(rows, PROMPTS, limits, strict=True)]
    with torch.inference_mode():
        write_in_turns(lm, texts, drawing(lm, 1.0, 1.0), 80)
    assert [len(row.tokens) for row in rows] == limits
    for row, prompt, own, limit in zip(rows, PROMPTS, drawn, limits, strict=True):
        [[wanted]] = sample(lm, [prompt], own[None, None, :limit], 1.0, 1.0)
        assert row.tokens == wanted.tokens


def test_prompts_of_one_token(tiny_model: Callable[..., LanguageModel]) -> None:
    lm, drawn = model(tiny_model, "llama"), numbers(2)[:2]
    got = sample(lm, [[6], [9]], drawn, 1.0, 1.0, max_batch_tokens=1000)
    wanted = [
        [sample(lm, [[first]], drawn[i : i + 1, j : j + 1], 1.0, 1.0)[0][0] for j in range(2)]
        for i, first in enumerate([6, 9])
    ]
    assert_same(got, wanted)


def test_samples_of_a_prompt_read_it_once(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=())
    read: list[int] = []
    handle = lm.model.get_input_embeddings().register_forward_hook(lambda _, ids, __: read.append(ids[0].numel()))
    try:
        sample(lm, [PROMPTS[2]], numbers(5)[:1, :, :3], 1.0, 1.0, max_batch_tokens=10_000)
    finally:
        handle.remove()
    assert read == [len(PROMPTS[2]) - 1, 5, 5, 5]


def test_a_model_that_forgets_is_given_fixed_batches(
    tiny_model: Callable[..., LanguageModel], watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = model(tiny_model, "gemma3_text", sliding_window=200, **SMALL_GEMMA)
    assert not has_room(lm)
    assert has_room(tiny_model("llama"))
    sizes: list[int] = []
    read = CachedRows.read

    def counted(rows: CachedRows, tokens: list[int]) -> Tensor:
        sizes.append(len(tokens))
        return read(rows, tokens)

    drawn = numbers(3)
    wanted = alone(lm, drawn)
    monkeypatch.setattr(CachedRows, "read", counted)
    assert_same(sample(lm, PROMPTS, drawn, 1.3, 0.9, max_batch_tokens=200), wanted)
    assert not watched.sizes
    assert max(sizes) == 6  # two prompts with 33 tokens at most, three samples each
    assert len(set(sizes)) > 2  # and smaller when some have ended
