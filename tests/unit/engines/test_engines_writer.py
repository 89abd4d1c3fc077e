"""An engine in the place of the model: the same answers and states, or a refusal."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ccps.asking.samples import uniforms
from ccps.core.errors import UserError
from ccps.engines import (
    Continuation,
    Deviation,
    EngineConfig,
    EngineWriter,
    OwnWriter,
    VllmEngine,
    deviation_cost,
    deviation_summary,
    measure_deviation,
)
from ccps.llm import LanguageModel, Passage, common_prefix, compute_prefix, final_states, follow
from ccps.llm.forward import Prefix

LIMIT = 7
CONFIG = EngineConfig("wrapped")


@pytest.fixture
def prefix(checkpoint: LanguageModel, asked: list[list[int]]) -> Prefix:
    found = compute_prefix(checkpoint, asked[0][: common_prefix(asked)])
    assert found is not None
    return found


@pytest.mark.parametrize("with_prefix", [False, True])
def test_an_engine_writes_what_the_model_writes(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], prefix: Prefix, with_prefix: bool
) -> None:
    shared = prefix if with_prefix else None
    own = OwnWriter(checkpoint).write(asked, LIMIT, shared, keep_context=True)
    found = EngineWriter(checkpoint, wrapped(checkpoint), CONFIG).write(asked, LIMIT, shared, keep_context=True)
    for ours, theirs in zip(own.answers, found.answers, strict=True):
        assert (ours.tokens, ours.ended) == (theirs.tokens, theirs.ended)
        torch.testing.assert_close(ours.states, theirs.states, rtol=1e-4, atol=1e-4)
    # Both can be read on: the last token of each answer, and one more.
    ids = torch.tensor([[answer.tokens[-1], 70] for answer in own.answers])
    assert own.context is not None
    assert found.context is not None
    after = [follow(checkpoint, context, ids).final for context in (own.context, found.context)]
    torch.testing.assert_close(*after, rtol=1e-4, atol=1e-4)


def test_an_empty_answer_has_no_states_and_can_be_read_on(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = wrapped(checkpoint)
    first = engine.write(asked[:1], 1)[0].tokens[0]
    empty = Continuation([], [-0.5], ended=True)
    full = Continuation([first], [engine.write(asked[:1], 1)[0].log_probs[0]], ended=False)
    writer = EngineWriter(checkpoint, engine, CONFIG)
    monkeypatch.setattr(engine, "write", lambda *_: [empty])
    written = writer.write(asked[1:2], LIMIT, keep_context=True)
    assert written.answers[0].states.shape == (0, 32)
    assert writer.deviation is None  # nothing was there to compare, so the gate is still shut
    assert written.context is not None
    ahead = follow(checkpoint, written.context, torch.tensor([[first]])).final[0]
    plain = final_states(checkpoint, [Passage([*asked[1], first])])[0]
    torch.testing.assert_close(ahead, plain, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(engine, "write", lambda *_: [full])
    writer.write(asked[:1], LIMIT)
    assert writer.deviation is not None
    assert writer.deviation.tokens == 1  # type: ignore[unreachable]


def test_the_deviation_is_that_of_log_softmax_of_the_head(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]]
) -> None:
    written = wrapped(checkpoint).write(asked, 80)  # more tokens than are compared at once
    states = final_states(checkpoint, [Passage(p, one.tokens) for p, one in zip(asked, written, strict=True)])
    shifts = [0.01 * index for index in range(len(written))]
    moved = [
        one._replace(log_probs=[number + shift for number in one.log_probs])
        for one, shift in zip(written, shifts, strict=True)
    ]
    counts = [len(one.tokens) for one in written]
    deviation = measure_deviation(checkpoint, states, moved)
    assert deviation is not None
    assert deviation.tokens == sum(counts) > 256
    assert deviation.largest == pytest.approx(0.04, abs=1e-4)
    assert deviation.mean == pytest.approx(float(np.average(shifts, weights=counts)), abs=1e-4)
    exact = measure_deviation(checkpoint, states, written)
    assert exact is not None
    assert exact.largest < 1e-4
    assert measure_deviation(checkpoint, states[:1], [Continuation([], [-1.0], ended=True)]) is None


def one_wrong(numbers: list[float]) -> list[float]:
    return [numbers[0] - 1.5, *numbers[1:]]


def all_tempered(numbers: list[float]) -> list[float]:
    return [0.8 * number for number in numbers]


def no_number(numbers: list[float]) -> list[float]:
    return [math.nan, *numbers[1:]]


@pytest.mark.parametrize("lie", [one_wrong, all_tempered, no_number])
def test_an_engine_that_lies_is_refused(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], lie: Callable[[list[float]], list[float]]
) -> None:
    writer = EngineWriter(checkpoint, wrapped(checkpoint, lie), CONFIG)
    refused = r"(?s)engine `wrapped` to be those of model `tiny`.*nothing it wrote was kept.*engine=transformers"
    with pytest.raises(UserError, match=refused):
        writer.write(asked, LIMIT)
    with pytest.raises(UserError, match=refused):
        writer.sample(asked, uniforms(3, ["a", "b", "c", "d", "e"], 2, LIMIT), 1.0, 1.0)
    assert writer.deviation is None


def test_an_engine_of_other_weights_is_refused(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], tiny_model: Callable[..., LanguageModel]
) -> None:
    other = tiny_model("llama", seed=1)
    with pytest.raises(UserError, match="other weights"):
        EngineWriter(checkpoint, wrapped(other), CONFIG).write(asked, LIMIT)


def test_either_tolerance_refuses(checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]]) -> None:
    for largest, mean in ((1.4, 9.0), (9.0, 0.2)):
        writer = EngineWriter(checkpoint, wrapped(checkpoint, one_wrong), EngineConfig("wrapped", 0.4, largest, mean))
        with pytest.raises(UserError, match=r"differences of up to 1\.5, 0\.214 in the mean of 35 tokens"):
            writer.write(asked, LIMIT)
    writer = EngineWriter(checkpoint, wrapped(checkpoint, one_wrong), EngineConfig("wrapped", 0.4, 1.6, 0.22))
    writer.write(asked, LIMIT)
    assert writer.deviation is not None
    assert writer.deviation.largest == pytest.approx(1.5, abs=1e-4)
    assert writer.deviation.mean == pytest.approx(1.5 / LIMIT, abs=1e-4)


def test_only_the_first_tokens_are_compared(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EngineWriter(checkpoint, wrapped(checkpoint), CONFIG)
    writer.write(asked[:2], LIMIT)
    deviation = writer.deviation
    monkeypatch.setattr("ccps.engines.deviation.measure_deviation", lambda *_: pytest.fail("compared again"))
    monkeypatch.setattr("ccps.engines.writer.final_states", lambda *_: pytest.fail("read again"))
    writer.write(asked[2:], LIMIT)
    writer.sample(asked[:1], uniforms(3, ["a"], 2, LIMIT), 1.0, 1.0)
    assert writer.deviation is deviation


def test_no_more_than_a_batch_of_samples_is_compared(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]]
) -> None:
    names = ["a", "b", "c", "d", "e"]
    numbers = uniforms(3, names, 3, LIMIT)
    whole, part = (EngineWriter(checkpoint, wrapped(checkpoint), CONFIG) for _ in range(2))
    found = whole.sample(asked, numbers, 1.3, 0.95)
    filled = [
        (len(prompt) + len(one.tokens) - 1, len(one.tokens))
        for prompt, row in zip(asked, found, strict=True)
        for one in row
        if one.tokens
    ]
    read = sorted(filled, key=lambda row: row[0])
    budget = 4 * read[3][0]
    first = [read[i] for i in range(len(read)) if (i + 1) * read[i][0] <= budget]
    assert 4 <= len(first) < len(read)
    assert part.sample(asked, numbers, 1.3, 0.95, max_batch_tokens=budget) == found
    assert whole.deviation is not None
    assert part.deviation is not None
    assert whole.deviation.tokens == sum(tokens for _, tokens in read)
    assert part.deviation.tokens == sum(tokens for _, tokens in first)


def test_samples_depend_on_nothing_but_their_own_numbers(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], prefix: Prefix
) -> None:
    names = ["a", "b", "c", "d", "e"]
    engine = wrapped(checkpoint)
    writer = EngineWriter(checkpoint, engine, CONFIG)
    many = writer.sample(asked, uniforms(3, names, 3, LIMIT), 1.3, 0.95, prefix)
    few = writer.sample(asked[3:0:-2], uniforms(3, ["d", "b"], 2, LIMIT), 1.3, 0.95, prefix)
    assert few == [many[3][:2], many[1][:2]]
    assert many[0] != writer.sample(asked[:1], uniforms(4, ["a"], 3, LIMIT), 1.3, 0.95, prefix)[0]
    seeds = engine.calls[0][1].seeds
    assert len(set(seeds)) == 15
    assert all(0 <= seed < 2**53 for seed in seeds)
    # The log-probability is that of the model as it is, whatever the temperature.
    for prompt, row in zip(asked, many, strict=True):
        for one in row:
            tokens = [*one.tokens, *(checkpoint.end_tokens if one.ended else ())]
            states = final_states(checkpoint, [Passage(prompt, tokens)])[0]
            own = checkpoint.head.logits(states).log_softmax(-1)[range(len(tokens)), tokens]
            assert one.log_prob == pytest.approx(float(own.sum()), abs=1e-3)


def test_samples_of_nothing_leave_the_gate_shut(
    checkpoint: LanguageModel, wrapped: Any, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = wrapped(checkpoint)
    monkeypatch.setattr(engine, "write", lambda prompts, *_: [Continuation([], [-2.0], ended=True)] * len(prompts))
    writer = EngineWriter(checkpoint, engine, CONFIG)
    assert writer.sample(asked[:1], uniforms(3, ["a"], 2, LIMIT), 1.0, 1.0) == [[([], -2.0, True)] * 2]
    assert writer.deviation is None


def test_vllm_in_the_place_of_the_model(installed: Any, checkpoint: LanguageModel, asked: list[list[int]]) -> None:
    writer = EngineWriter(checkpoint, VllmEngine(checkpoint, 0.3), EngineConfig("vllm"))
    own = OwnWriter(checkpoint).write(asked, LIMIT)
    assert [one.tokens for one in writer.write(asked, LIMIT).answers] == [one.tokens for one in own.answers]
    assert writer.deviation is not None
    assert writer.deviation.largest < 1e-4


def test_the_summary_is_over_what_shards_have_noted() -> None:
    noted = [deviation_cost(deviation) for deviation in (Deviation(0.3, 0.01, 90), None, Deviation(0.2, 0.03, 10))]
    assert noted[1] == {}
    costs = [{"seconds": 1.0, **cost} for cost in noted]
    assert deviation_summary(costs) == {"engine_parity_max": 0.3, "engine_parity_mean": pytest.approx(0.02)}
    assert deviation_summary(costs[1:2]) == {}
