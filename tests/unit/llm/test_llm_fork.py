"""Going on from forks against reading every prompt for itself, family by family."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from ccps.llm.branches import Branches, branching
from ccps.llm.fork import Fork, can_fork, fork, plant, read_trunk, read_trunks
from ccps.llm.forward import compute_prefix
from ccps.llm.sample import sample

TEXT = [5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26]
OTHER = [40, 41, 42, 43, 44]
PLACES = [4, 9, 1, 16]
PROMPTS = [*(TEXT[:place] for place in PLACES), OTHER, OTHER[:2]]
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}
GEMMA2 = {"head_dim": 8, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 16, "sliding_window": 64}
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("qwen2", {}),
    ("qwen3", {"head_dim": 16}),
    ("gpt2", GPT2),
    ("cohere", {"logit_scale": 0.25}),
    ("gemma2", GEMMA2),
    ("mistral", {"sliding_window": 64}),
    ("phi3", {"pad_token_id": 0}),
]


def numbers(rows: int, k: int = 3, limit: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, k, limit))


@pytest.mark.parametrize(("architecture", "changes"), FAMILIES)
def test_samples_are_those_of_reading_every_prompt(
    architecture: str, changes: dict[str, Any], tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model(architecture, **changes)
    lm = replace(lm, end_tokens=tuple(range(0, 259, 24)))
    assert can_fork(lm)
    uniforms = numbers(len(PROMPTS))
    got = fork(lm, plant(lm, PROMPTS), uniforms, 1.3, 0.9)
    wanted = sample(lm, PROMPTS, uniforms, 1.3, 0.9)
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in wanted]
    assert [[one.ended for one in row] for row in got] == [[one.ended for one in row] for row in wanted]
    for row, other in zip(got, wanted, strict=True):
        assert [one.log_prob for one in row] == pytest.approx([one.log_prob for one in other], abs=1e-3)
    assert {one.ended for row in got for one in row} == {True, False}  # so that the batch has shrunk
    assert len({tuple(one.tokens) for row in got for one in row}) > 9


def test_what_prompts_begin_with_is_read_once(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    forks = plant(lm, PROMPTS)
    assert [one.place for one in forks] == [*PLACES, 5, 2]
    assert len({id(one.trunk) for one in forks}) == 2
    assert [one.trunk.tokens for one in forks] == [TEXT] * 4 + [OTHER] * 2


@pytest.mark.parametrize(("architecture", "changes"), FAMILIES)
@pytest.mark.parametrize("shared", [1, 3])
def test_what_is_known_of_prompts_is_not_read_again(
    shared: int, architecture: str, changes: dict[str, Any], tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model(architecture, **changes)
    prompts, prefix = [TEXT[:4], TEXT, TEXT[:9], [*TEXT[:3], 50, 51]], compute_prefix(lm, TEXT[:shared])
    assert prefix is not None
    read: list[int] = []
    embedding = lm.model.get_input_embeddings()
    handle = embedding.register_forward_hook(lambda _, given, __: read.append(given[0].numel()))
    forks = plant(lm, prompts, prefix)
    handle.remove()
    assert sum(read) == (len(TEXT) - 1 - shared) + (4 - shared)
    uniforms = numbers(len(prompts))
    got, wanted = fork(lm, forks, uniforms, 1.3, 0.9), fork(lm, plant(lm, prompts), uniforms, 1.3, 0.9)
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in wanted]
    assert prefix.cache.get_seq_length() == shared  # it can be gone on from again


def test_a_prompt_that_is_known_but_for_its_last_token_is_not_read(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    trunk = read_trunk(lm, TEXT, prefix=compute_prefix(lm, TEXT[:-1]))
    wanted = read_trunk(lm, TEXT)
    torch.testing.assert_close(trunk.cache.layers[1].keys, wanted.cache.layers[1].keys, rtol=1e-4, atol=1e-4)


def test_reading_in_pieces_is_reading_at_once(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    whole, pieces = read_trunk(lm, TEXT), read_trunk(lm, TEXT, chunk=4)
    for one, other in zip(whole.cache.layers, pieces.cache.layers, strict=True):
        assert one.keys.shape[2] == len(TEXT) - 1
        torch.testing.assert_close(one.keys, other.keys, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 16, 1000])
def test_texts_read_together_are_what_they_are_alone(chunk: int, tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    texts = [OTHER, TEXT, TEXT[:1], OTHER[::-1], TEXT[::-1]]
    together = read_trunks(lm, texts, chunk=chunk)
    assert len({id(trunk.cache) for trunk in together}) == {1: 5, 16: 4, 1000: 3}[chunk]
    for trunk, text in zip(together, texts, strict=True):
        alone = read_trunk(lm, text)
        assert trunk.tokens == text
        for one, other in zip(trunk.cache.layers, alone.cache.layers if len(text) > 1 else [], strict=len(text) > 1):
            for mine, wanted in ((one.keys, other.keys), (one.values, other.values)):
                own = mine[trunk.row, :, : len(text) - 1]
                torch.testing.assert_close(own, wanted[0], rtol=1e-4, atol=1e-4)


def test_a_longer_cache_does_no_harm(tiny_model: Callable[..., LanguageModel]) -> None:
    """A trace that has been read to its end can be gone on from at any place."""
    lm = tiny_model("llama")
    trunk = read_trunk(lm, [*TEXT, 30, 31])._replace(tokens=TEXT)
    uniforms = numbers(1)
    [got], [wanted] = (fork(lm, forks, uniforms, 1.0, 0.9) for forks in ([Fork(trunk, 9)], plant(lm, [TEXT[:9]])))
    assert [one.tokens for one in got] == [one.tokens for one in wanted]


def test_rows_that_are_complete_stop_and_change_no_others(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=())
    uniforms = numbers(len(PROMPTS), k=4, limit=40)  # beyond the room that is made at first
    asked: list[int] = []

    def complete(tokens: list[int]) -> bool:
        asked.append(len(tokens))
        return tokens[-1] % 16 == 0

    endless = fork(lm, plant(lm, PROMPTS), uniforms, 1.3, 0.9)
    stopped = fork(lm, plant(lm, PROMPTS), uniforms, 1.3, 0.9, complete)
    lengths = set()
    for row, other in zip(stopped, endless, strict=True):
        for one, whole in zip(row, other, strict=True):
            end = next((n for n, token in enumerate(whole.tokens, 1) if token % 16 == 0), len(whole.tokens))
            assert one.tokens == whole.tokens[:end]
            assert not one.ended
            lengths.add(end)
    assert len(lengths) > 3
    assert len(asked) == sum(len(one.tokens) for row in stopped for one in row)


def test_other_forks_of_the_batch_change_nothing(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    uniforms = numbers(len(PROMPTS))
    together = fork(lm, plant(lm, PROMPTS), uniforms, 1.0, 0.95)
    for index in range(len(PROMPTS)):
        [alone] = fork(lm, plant(lm, [PROMPTS[index]]), uniforms[index : index + 1, 1:2], 1.0, 0.95)
        assert alone[0].tokens == together[index][1].tokens


def test_forks_of_one_trunk_need_not_stand_together(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    uniforms = numbers(len(PROMPTS))
    order = [4, 0, 5, 2, 1, 3]
    mixed = fork(lm, plant(lm, [PROMPTS[index] for index in order]), uniforms[order], 1.0, 0.95)
    straight = fork(lm, plant(lm, PROMPTS), uniforms, 1.0, 0.95)
    assert [[one.tokens for one in row] for row in mixed] == [[one.tokens for one in straight[i]] for i in order]


def test_nothing_to_do_is_nothing_done(tiny_model: Callable[..., LanguageModel]) -> None:
    assert fork(tiny_model("llama"), [], numbers(0), 1.0, 0.95) == []


def test_the_models_own_attention_comes_back(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    before = lm.model.config._attn_implementation
    with branching(lm):
        assert lm.model.config._attn_implementation != before
    assert lm.model.config._attn_implementation == before


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("bloom", {"n_head": 4, "n_layer": 2}),  # position biases, attention of its own
        ("gpt_oss", {"num_local_experts": 2, "num_experts_per_tok": 1, "head_dim": 8}),  # sinks
        ("mamba", {"state_size": 4, "num_heads": 4}),  # no keys and values at all
    ],
)
def test_other_kinds_of_attention_are_told_apart(
    architecture: str, changes: dict[str, Any], tiny_model: Callable[..., LanguageModel]
) -> None:
    assert not can_fork(tiny_model(architecture, **changes))


def test_attention_that_sees_too_little_is_told_apart(
    tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_trunk(self: Branches, layer: int, query: Any, keys: Any, values: Any, scale: float, _: Any) -> Any:
        repeated = [own.repeat_interleave(query.shape[1] // own.shape[1], dim=1) for own in (keys, values)]
        mixed = torch.nn.functional.scaled_dot_product_attention(query, *repeated, scale=scale)  # type: ignore[misc]
        return mixed.transpose(1, 2)

    lm = tiny_model("llama")
    assert can_fork(lm)
    monkeypatch.setattr(Branches, "attend", without_trunk)
    assert not can_fork(lm)


def test_forks_without_room_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("mistral", sliding_window=64)
    with pytest.raises(ValueError, match=r"room for 60 tokens in a context of 64.*reach token 76"):
        fork(lm, plant(lm, [TEXT]), numbers(1, limit=60), 1.0, 1.0)


def test_a_text_longer_than_a_sliding_window_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    with pytest.raises(UserError, match="keeps all of the 15 tokens"):
        read_trunk(tiny_model("mistral", sliding_window=8), TEXT)


def test_broken_logits_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", seed=8)
    norm = lm.model.model.norm.weight
    with torch.no_grad():
        norm[0] = float("nan")
    try:
        with pytest.raises(UserError, match="NaN or infinity in 2 of 2 rows"):
            fork(lm, plant(lm, [TEXT]), numbers(1, k=2), 1.0, 1.0)
    finally:
        with torch.no_grad():
            norm[0] = 1.0
