"""Traces of tiny random models: what is read, against one plain pass."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from drawn_traces import IDS, QUESTIONS, SETTINGS, all_traces, drawn_and_read, prompts, writer

from ccps.asking.follow_up import QUERY, FollowUp
from ccps.asking.samples import uniforms
from ccps.core.errors import UserError
from ccps.llm import LanguageModel, common_prefix, ids_after_answer
from ccps.llm.forward import Prefix
from ccps.llm.sample import Sampled
from ccps.reasoning.generate import TraceReader, TraceWriter
from ccps.reasoning.trace import Trace


def test_the_question_at_the_end_needs_room_too(tiny_model: Callable[..., LanguageModel]) -> None:
    longest = max(len(prompt) for prompt in prompts(tiny_model("llama")))
    asked = len(FollowUp(tiny_model("llama"), QUESTIONS[0], ["self_evaluation"]).tokens)
    room = replace(tiny_model("llama", max_position_embeddings=longest + asked + 3), end_tokens=())
    follow_up = FollowUp(room, QUESTIONS[0], ["self_evaluation"])
    [last] = drawn_and_read(writer(room, after=asked), [3], follow_up)
    assert len(last.trace.token_ids or ()) == 3
    assert 0 < last.p_true < 1
    [longer] = drawn_and_read(writer(room), [3], follow_up)
    assert len(longer.trace.token_ids or ()) == 12
    assert math.isnan(longer.p_true)
    tight = tiny_model("llama", max_position_embeddings=longest + asked)
    with pytest.raises(UserError, match="question d"):
        writer(tight, after=asked)


def test_what_is_read_is_what_one_pass_says(lm: LanguageModel) -> None:
    for batch in writer(lm).batches:
        for trace, reading, asked in drawn_and_read(writer(lm), batch):
            tokens = list(trace.token_ids or ())
            with torch.inference_mode():
                output = lm.model(torch.tensor([[*trace.prompt_ids, *tokens]]), output_hidden_states=True)
            start = len(trace.prompt_ids) - 1
            logs = output.logits[0, start : start + len(tokens)].log_softmax(dim=-1)
            assert trace.top_log_probs is not None
            assert trace.log_probs is not None
            np.testing.assert_allclose(trace.top_log_probs, logs.topk(5).values.numpy(), atol=1e-4)
            np.testing.assert_allclose(trace.log_probs, logs[range(len(tokens)), tokens].numpy(), atol=1e-4)
            states = output.hidden_states[-1][0, start : start + len(tokens)]
            assert reading is not None
            torch.testing.assert_close(reading.final, states, rtol=1e-4, atol=1e-4)
            assert reading.pre_norm is not None
            assert reading.pre_norm.shape == (start + 1 + len(tokens), 32)
            assert reading.post_norm is None
            assert math.isnan(asked)


def test_asked_at_its_end_it_says_what_it_says_after_the_whole_conversation(
    tiny_model: Callable[..., LanguageModel],
) -> None:
    lm = tiny_model("llama")
    follow_up = FollowUp(lm, QUESTIONS[0], ["self_evaluation"])
    no, yes = (lm.tokenizer(letter)["input_ids"][0] for letter in "ab")
    for trace, reading, asked in drawn_and_read(writer(lm), [0, 1, 2], follow_up):
        after = ids_after_answer(lm.tokenizer, QUESTIONS[0], [{"role": "user", "content": QUERY}])
        with torch.inference_mode():
            logits = lm.model(torch.tensor([[*trace.prompt_ids, *(trace.token_ids or ()), *after]])).logits[0, -1]
        assert asked == pytest.approx(float(logits[[no, yes]].softmax(dim=0)[1]), abs=1e-4)
        assert reading is not None


class Scripted:
    """A writer that writes what it is told to, and keeps what it was asked."""

    deviation = None

    def __init__(self, *tokens: list[int]) -> None:
        self.tokens = tokens
        self.asked: list[npt.NDArray[np.float64]] = []

    def write(self, *_: Any, **__: Any) -> Any:
        raise AssertionError

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        uniforms: npt.NDArray[np.float64],
        temperature: float,
        top_p: float,
        prefix: Prefix | None = None,
        *,
        max_batch_tokens: int | None = None,
    ) -> list[list[Sampled]]:
        self.asked.append(uniforms)
        return [[Sampled(tokens, 0.0, True)] for tokens in self.tokens]


def test_another_writer_may_write_and_the_model_reads(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    text = "<think>\nOne.\n\nTwo 🤔</think>\n\n\\boxed{7}"
    ids = lm.tokenizer(text)["input_ids"]
    scripted: Any = Scripted(ids, [])
    traces = TraceWriter(lm, scripted, IDS[:2], prompts(lm)[:2], SETTINGS)
    [full, empty] = drawn_and_read(traces, [0, 1])
    assert np.array_equal(scripted.asked[0], uniforms(7, ["a", "b"], 1, 12))
    assert (full.trace.text, full.trace.misaligned) == (text, "")
    assert full.trace.top_log_probs is not None
    assert full.trace.top_log_probs.shape == (len(ids), 5)
    assert (empty.trace.text, empty.trace.token_ids, empty.trace.ended) == ("", [], True)
    assert empty.trace.top_log_probs is not None
    assert empty.trace.top_log_probs.shape == (0, 5)
    read = sum(map(traces.layout.own, range(len(traces.layout.prompts))))
    assert traces.cost([0, 1], [full.trace, empty.trace]) == read + len(ids)


def test_nothing_is_asked_after_a_trace_of_nothing(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    follow_up = FollowUp(lm, QUESTIONS[0], ["self_evaluation"])
    [empty] = drawn_and_read(TraceWriter(lm, Scripted([]), IDS[:1], prompts(lm)[:1], SETTINGS), [0], follow_up)
    assert math.isnan(empty.p_true)


def test_a_follow_up_that_asks_nothing_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    with pytest.raises(ValueError, match="`follow_up` to collect `self_evaluation`"):
        drawn_and_read(writer(lm), [0], FollowUp(lm, QUESTIONS[0], ["layer_states"]))


def test_a_trace_made_elsewhere_is_read_like_any(lm: LanguageModel) -> None:
    [own] = drawn_and_read(writer(lm), [2])
    foreign = Trace("x", "", "text", prompt_ids=own.trace.prompt_ids, token_ids=own.trace.token_ids)
    [got] = TraceReader(lm, SETTINGS).read([foreign])
    np.testing.assert_array_equal(got.trace.top_log_probs, own.trace.top_log_probs)
    assert got.trace.text == "text"


@pytest.mark.parametrize("state", ["pre_norm", "post_norm"])
def test_what_all_prompts_begin_with_is_read_once(lm: LanguageModel, state: Any) -> None:
    """A question at the end of each trace included."""
    follow_up = FollowUp(lm, QUESTIONS[0], ["self_evaluation"])
    settings = replace(SETTINGS, states=[state, "final"])
    one, other = (TraceReader(lm, settings, follow_up) for _ in range(2))
    one.read_shared(prompts(lm))
    shared = common_prefix(prompts(lm))
    assert one.start is not None
    assert one.start.prefix.length == shared > 3
    tokens: list[int] = []
    embedding = lm.model.get_input_embeddings()
    for trace in all_traces(writer(lm)).values():
        handle = embedding.register_forward_hook(lambda _, given, __: tokens.append(given[0].numel()))
        [got] = one.read([trace])
        handle.remove()
        [wanted] = other.read([trace])
        assert got.trace.top_log_probs is not None
        assert wanted.trace.top_log_probs is not None
        np.testing.assert_allclose(got.trace.top_log_probs, wanted.trace.top_log_probs, atol=1e-4)
        assert got.reading is not None
        assert wanted.reading is not None
        torch.testing.assert_close(getattr(got.reading, state), getattr(wanted.reading, state), rtol=1e-4, atol=1e-4)
        assert got.p_true == pytest.approx(wanted.p_true, abs=1e-4, nan_ok=True)
        written = len(trace.token_ids or ())
        asked = (len(follow_up.tokens) + 1) if written else 0
        assert sum(tokens) == len(trace.prompt_ids) - shared + written + asked
        tokens.clear()
    one.read_shared([])
    assert one.start is None


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"prompt_ids": [5]}, "no token ids"),
        ({"token_ids": [5]}, "no token ids of its prompt"),
        ({"prompt_ids": [5], "token_ids": [259]}, "token ids of another model"),
        ({"prompt_ids": [5] * 60, "token_ids": [6] * 5}, "more tokens than the context window holds"),
    ],
)
def test_what_the_model_cannot_read_is_refused(
    tiny_model: Callable[..., LanguageModel], known: dict[str, Any], reason: str
) -> None:
    reader = TraceReader(tiny_model("llama", max_position_embeddings=64), SETTINGS)
    assert reader.obstacle(Trace("x", "", "text", **known)) == reason
    with pytest.raises(UserError, match=f"trace x to be one that model `tiny-llama` can read, but got {reason}"):
        reader.read([Trace("x", "", "text", **known)])
    assert reader.obstacle(Trace("x", "", "text", prompt_ids=[5] * 60, token_ids=[6] * 4)) == ""


def test_where_there_is_no_room_to_ask_nothing_is_asked(tiny_model: Callable[..., LanguageModel]) -> None:
    asked = len(FollowUp(tiny_model("llama"), QUESTIONS[0], ["self_evaluation"]).tokens)
    lm = tiny_model("llama", max_position_embeddings=asked + 20)
    reader = TraceReader(lm, SETTINGS, FollowUp(lm, QUESTIONS[0], ["self_evaluation"]))
    for n, known in ((10, True), (11, False), (asked, False)):
        [got] = reader.read([Trace("x", "", "text", prompt_ids=[5] * 10, token_ids=[6] * n)])
        assert math.isnan(got.p_true) is not known


def test_what_is_kept_is_what_the_settings_say(lm: LanguageModel) -> None:
    settings = replace(SETTINGS, states=["post_norm"], alternatives=2)
    [got] = drawn_and_read(writer(lm, settings), [1])
    assert got.reading is not None
    assert (got.reading.pre_norm, got.reading.final) == (None, None)
    assert got.reading.post_norm is not None
    assert got.trace.top_log_probs is not None
    assert got.trace.top_log_probs.shape[1] == 2


@pytest.mark.parametrize("max_batch_tokens", [1, 150, 300, 100_000])
@pytest.mark.parametrize("states", [["pre_norm", "final"], ["post_norm"], []])
@pytest.mark.parametrize("shared", [True, False])
def test_traces_read_together_are_what_they_are_alone(
    lm: LanguageModel, max_batch_tokens: int, states: list[str], shared: bool
) -> None:
    """Also one of nothing among them, and one so long that there is no room to ask."""
    settings = replace(SETTINGS, states=states)
    follow_up = FollowUp(lm, QUESTIONS[0], ["self_evaluation"])
    traces = list(all_traces(writer(lm)).values())
    assert any(not trace.token_ids for trace in traces)
    traces.insert(1, replace(traces[1], id="long", token_ids=[9] * 150))
    window = max(len(trace.prompt_ids) + len(trace.token_ids or ()) for trace in traces) + 3
    small = copy.deepcopy(lm.model)
    small.config.max_position_embeddings = window
    lm = replace(lm, model=small)
    alone = TraceReader(lm, settings, follow_up)
    together = TraceReader(lm, replace(settings, max_batch_tokens=max_batch_tokens), follow_up)
    if shared:
        together.read_shared([trace.prompt_ids for trace in traces])
    found = together.read(traces)
    assert [one.trace.id for one in found] == [trace.id for trace in traces]
    for one, trace in zip(found, traces, strict=True):
        [wanted] = alone.read([trace])
        assert one.reading is not None
        assert wanted.reading is not None
        np.testing.assert_allclose(one.reading.top_log_probs, wanted.reading.top_log_probs, atol=1e-4)
        np.testing.assert_allclose(one.reading.log_probs, wanted.reading.log_probs, atol=1e-4)
        assert one.trace.log_probs is one.reading.log_probs
        for name in ("pre_norm", "post_norm", "final"):
            own, other = getattr(one.reading, name), getattr(wanted.reading, name)
            assert (own is None) == (other is None) == (name not in states)
            if own is not None:
                torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
        assert one.p_true == pytest.approx(wanted.p_true, abs=1e-4, nan_ok=True)
        assert math.isnan(one.p_true) == (not trace.token_ids or trace.id == "long")
    asked = [one.p_true for one in found if not math.isnan(one.p_true)]
    assert len({round(probability, 4) for probability in asked}) == len(asked) > 1


def test_short_traces_are_read_several_at_a_time(lm: LanguageModel) -> None:
    prompt = prompts(lm)[0]
    written = {"a": 11, "b": 12, "c": 12, "much longer": 12 + len(prompt)}
    traces = [Trace(name, "", "", prompt_ids=prompt, token_ids=[9] * n) for name, n in written.items()]
    reader = TraceReader(lm, SETTINGS, FollowUp(lm, QUESTIONS[0], ["self_evaluation"]))
    shapes: list[tuple[int, ...]] = []
    handle = lm.model.get_input_embeddings().register_forward_hook(lambda _, given, __: shapes.append(given[0].shape))
    reader.read(traces)
    handle.remove()
    assert reader.follow_up is not None
    asked = len(reader.follow_up.tokens) + 1
    assert shapes == [(3, len(prompt) + 12), (3, asked), (1, 2 * len(prompt) + 12), (1, asked)]
