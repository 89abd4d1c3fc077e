"""Drawing against closed forms and the library's own nucleus; sampling against the plainest loop there is."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import TopPLogitsWarper

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, compute_prefix
from ccps.llm.sample import Sampled, draw, log_probs, sample

PROMPTS = [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 8, 9, 10, 11, 12, 13], [5, 6, 20, 21, 22]]
SMALL_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}


def grid(rows: int, n: int) -> Tensor:
    """Uniform numbers at equal distances: what is drawn with them has the shares of the distribution."""
    return ((torch.arange(n, dtype=torch.float64) + 0.5) / n).expand(rows, n)


def shares(tokens: Tensor, vocabulary: int) -> Tensor:
    return torch.stack([torch.bincount(row, minlength=vocabulary) / len(row) for row in tokens])


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        # Cumulative sums in the order of the ids: 0.2, 0.7, 1.0.
        (1.0, {0.0: 0, 0.199: 0, 0.201: 1, 0.699: 1, 0.701: 2, 0.999: 2}),
        # The nucleus is tokens 1 and 2, with 0.625 and 0.375 of its probability.
        (0.75, {0.0: 1, 0.624: 1, 0.626: 2, 0.999: 2}),
        (0.4, {0.0: 1, 0.999: 1}),
    ],
)
def test_draw_inverts_the_cumulative_distribution(top_p: float, expected: dict[float, int]) -> None:
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    tokens = draw(logits, torch.tensor([list(expected)], dtype=torch.float64), 1.0, top_p)
    assert tokens.tolist() == [list(expected.values())]


def test_a_token_without_probability_is_never_drawn() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]])
    edges = torch.tensor([[0.0, np.nextafter(0.5, 0), 0.5, np.nextafter(1, 0)]], dtype=torch.float64)
    assert draw(logits, edges, 1.0, 1.0).tolist() == [[1, 1, 3, 3]]


@pytest.mark.parametrize(("vocabulary", "spread"), [(50, 3.0), (3000, 0.5)])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 0.95), (0.7, 0.5), (2.0, 1.0)])
def test_shares_are_those_of_the_librarys_nucleus(
    vocabulary: int, spread: float, temperature: float, top_p: float
) -> None:
    """The larger vocabulary is so flat that its nucleus has more than a thousand tokens."""
    logits = torch.randn(2, vocabulary, generator=torch.Generator().manual_seed(0)) * spread
    logits[1] *= 20  # and a row whose nucleus is small, in the same batch
    kept = TopPLogitsWarper(top_p)(None, logits / temperature) if top_p < 1 else logits / temperature
    n = 200_000
    got = shares(draw(logits, grid(2, n), temperature, top_p), vocabulary)
    # A token's share of the grid is off by one point at either end at most.
    assert (got - kept.softmax(dim=-1)).abs().max() <= 2 / n + 1e-6
    assert not got[kept == -math.inf].any()


def test_log_probs_are_those_of_the_whole_distribution() -> None:
    logits = torch.randn(3, 20, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([[0, 5], [19, 19], [7, 3]])
    torch.testing.assert_close(log_probs(logits, tokens), logits.log_softmax(dim=-1).gather(1, tokens))


def plainly(lm: LanguageModel, prompt: list[int], numbers: np.ndarray, temperature: float, top_p: float) -> Sampled:
    """One sample: the whole prompt again for every token, by a call of the whole model."""
    written: list[int] = []
    total = 0.0
    for number in numbers:
        with torch.inference_mode():
            logits = lm.model(input_ids=torch.tensor([[*prompt, *written]]), use_cache=False).logits[:, -1]
        token = int(draw(logits, torch.tensor([[number]]), temperature, top_p))
        total += float(logits.double().log_softmax(dim=-1)[0, token])
        if token in lm.end_tokens:
            return Sampled(written, total, True)
        written.append(token)
    return Sampled(written, total, False)


def assert_same(got: list[list[Sampled]], wanted: list[list[Sampled]]) -> None:
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in wanted]
    assert [[one.ended for one in row] for row in got] == [[one.ended for one in row] for row in wanted]
    for row, other in zip(got, wanted, strict=True):
        assert [one.log_prob for one in row] == pytest.approx([one.log_prob for one in other], abs=1e-3)


@pytest.mark.parametrize(
    ("architecture", "sizes"),
    [("llama", {}), ("gpt2", SMALL_GPT2), ("cohere", {"logit_scale": 0.25})],  # cohere scales its logits
)
@pytest.mark.parametrize("shared", [0, 2])
def test_samples_are_those_of_a_plain_loop(
    architecture: str, sizes: dict[str, float], shared: int, tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model(architecture, **sizes)
    # Long and varied enough that some samples end early.
    lm = replace(lm, end_tokens=tuple(range(0, 259, 24)))
    numbers = np.random.default_rng(0).random((len(PROMPTS), 3, 10))
    got = sample(lm, PROMPTS, numbers, 1.3, 0.9, compute_prefix(lm, PROMPTS[0][:shared]))
    wanted = [[plainly(lm, prompt, numbers[i, j], 1.3, 0.9) for j in range(3)] for i, prompt in enumerate(PROMPTS)]
    assert_same(got, wanted)
    ended = {one.ended for row in got for one in row}
    assert ended == {True, False}
    assert len({tuple(one.tokens) for row in got for one in row}) > 6


@pytest.mark.parametrize("shared", [0, 1])
def test_prompts_of_which_nothing_but_the_last_token_is_their_own(
    shared: int, tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model("llama")
    prompts = [[5, 6], [5, 9]] if shared else [[6], [9]]
    numbers = np.random.default_rng(1).random((2, 2, 5))
    got = sample(lm, prompts, numbers, 1.0, 1.0, compute_prefix(lm, [5] * shared))
    wanted = [[plainly(lm, prompts[i], numbers[i, j], 1.0, 1.0) for j in range(2)] for i in range(2)]
    assert_same(got, wanted)


def test_other_prompts_and_samples_of_the_batch_change_nothing(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    numbers = np.random.default_rng(2).random((len(PROMPTS), 4, 8))
    together = sample(lm, PROMPTS, numbers, 1.0, 0.95)
    for index, prompt in enumerate(PROMPTS):
        assert_same(sample(lm, [prompt], numbers[index : index + 1], 1.0, 0.95), together[index : index + 1])
        assert_same(sample(lm, [prompt], numbers[index : index + 1, 2:3], 1.0, 0.95), [together[index][2:3]])


def test_the_end_of_the_turn_counts_for_the_probability_and_not_for_the_text(
    tiny_model: Callable[..., LanguageModel],
) -> None:
    lm = tiny_model("llama")
    numbers = np.full((1, 1, 6), 0.5)
    [[endless]] = sample(replace(lm, end_tokens=()), PROMPTS[:1], numbers, 1.0, 1.0)
    assert not endless.ended
    assert len(endless.tokens) == 6
    [[first]] = sample(replace(lm, end_tokens=()), PROMPTS[:1], numbers[:, :, :1], 1.0, 1.0)
    [[empty]] = sample(replace(lm, end_tokens=(endless.tokens[0],)), PROMPTS[:1], numbers, 1.0, 1.0)
    assert (empty.tokens, empty.ended) == ([], True)
    assert empty.log_prob == pytest.approx(first.log_prob, abs=1e-5)
    assert empty.log_prob < 0


def test_broken_logits_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", seed=8)
    norm = lm.model.model.norm.weight
    with torch.no_grad():
        norm[0] = float("nan")
    try:
        with pytest.raises(UserError, match="NaN or infinity in 2 of 2 rows"):
            sample(lm, PROMPTS[:1], np.full((1, 2, 3), 0.5), 1.0, 1.0)
    finally:
        with torch.no_grad():
            norm[0] = 1.0
