"""Traces of tiny random models: what is drawn against plain sampling, what is read against one plain pass."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ccps.asking.follow_up import QUERY, FollowUp
from ccps.asking.samples import uniforms
from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.engines import OwnWriter
from ccps.llm import LanguageModel, common_prefix, ids_after_answer, prompt_ids
from ccps.llm.forward import Prefix
from ccps.llm.sample import Sampled, sample
from ccps.reasoning.generate import ReadTrace, TraceReader, TraceWriter
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.traces import TraceSettings

IDS = ["a", "b", "c", "d"]
QUESTIONS = [[{"role": "user", "content": "Why? " * (n + 1)}] for n in range(len(IDS))]
SETTINGS = TraceSettings(max_new_tokens=12, seed=7, temperature=1.1, top_p=0.9, states=["pre_norm", "final"])


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    """Some traces end early."""
    return replace(tiny_model("llama"), end_tokens=tuple(range(0, 259, 8)))


def prompts(lm: LanguageModel) -> list[list[int]]:
    return [prompt_ids(lm.tokenizer, messages) for messages in QUESTIONS]


def writer(lm: LanguageModel, settings: TraceSettings = SETTINGS, **more: Any) -> TraceWriter:
    return TraceWriter(lm, OwnWriter(lm), IDS, prompts(lm), settings, **more)


def drawn_and_read(traces: TraceWriter, batch: Sequence[int], follow_up: FollowUp | None = None) -> list[ReadTrace]:
    reader = TraceReader(traces.lm, traces.settings, follow_up)
    return reader.read(traces.draw(batch))


def all_traces(traces: TraceWriter) -> dict[str, Trace]:
    found = [trace for batch in traces.batches for trace in traces.draw(batch)]
    return {trace.id: trace for trace in found}


def test_traces_are_drawn_with_the_numbers_of_their_question(lm: LanguageModel) -> None:
    found = all_traces(writer(lm))
    ended = set()
    for name, prompt in zip(IDS, prompts(lm), strict=True):
        [[wanted]] = sample(lm, [prompt], uniforms(7, [name], 1, 12), 1.1, 0.9)
        got = found[name]
        assert (got.token_ids, got.ended, got.prompt_ids) == (wanted.tokens, wanted.ended, prompt)
        assert got.question_id == name
        ended.add(got.ended)
    assert ended == {True, False}


def test_text_and_offsets_are_those_of_the_ids(lm: LanguageModel) -> None:
    for trace in all_traces(writer(lm)).values():
        assert trace.token_ids is not None
        assert trace.offsets is not None
        assert trace.text == lm.tokenizer.decode(trace.token_ids, skip_special_tokens=True)
        assert len(trace.offsets) == len(trace.token_ids)
        assert trace.misaligned == ""


@pytest.mark.parametrize("max_batch_tokens", [1, 150, 100_000])
def test_batches_change_nothing(lm: LanguageModel, max_batch_tokens: int) -> None:
    one = all_traces(writer(lm, replace(SETTINGS, max_batch_tokens=max_batch_tokens)))
    other = all_traces(writer(lm))
    assert {name: trace.token_ids for name, trace in one.items()} == {
        name: trace.token_ids for name, trace in other.items()
    }


def test_neighbouring_batches_are_drawn_together_unless_their_limits_differ(
    tiny_model: Callable[..., LanguageModel],
) -> None:
    lengths = [len(prompt) for prompt in prompts(tiny_model("llama"))]
    lm = replace(tiny_model("llama", max_position_embeddings=max(lengths) + 5), end_tokens=())
    traces = writer(lm, replace(SETTINGS, max_new_tokens=9, max_batch_tokens=1))
    batches = traces.batches
    assert [len(batch) for batch in batches] == [1, 1, 1, 1]
    groups = traces.joined(batches)
    assert [index for group in groups for index in group] == [index for batch in batches for index in batch]
    assert [[traces.layout.room[index] for index in group] for group in groups] == [[9, 9, 9], [5]]
    apart = {trace.id: trace.token_ids for batch in batches for trace in traces.draw(batch)}
    assert {trace.id: trace.token_ids for group in groups for trace in traces.draw(group)} == apart


def test_the_first_traces_of_a_question_are_the_same_whatever_their_number(lm: LanguageModel) -> None:
    many = all_traces(writer(lm, replace(SETTINGS, traces_per_question=3)))
    one = all_traces(writer(lm))
    assert set(many) == {name + more for name in IDS for more in ("", "#2", "#3")}
    assert {name: many[name].token_ids for name in IDS} == {name: one[name].token_ids for name in IDS}
    assert many["b#3"].question_id == "b"
    assert len({tuple(trace.token_ids or ()) for trace in many.values()}) > len(IDS)


def test_every_question_is_in_one_batch_that_fits_the_limit(lm: LanguageModel) -> None:
    settings = replace(SETTINGS, traces_per_question=2, max_batch_tokens=150)
    traces = writer(lm, settings)
    assert sorted(index for batch in traces.batches for index in batch) == list(range(len(IDS)))
    assert len(traces.batches) > 1
    for batch in traces.batches:
        width = max(map(traces.layout.own, batch)) + 12
        assert len(batch) == 1 or 2 * len(batch) * width <= 150


def test_a_trace_that_would_run_beyond_the_window_is_cut_off_there(tiny_model: Callable[..., LanguageModel]) -> None:
    lengths = [len(prompt) for prompt in prompts(tiny_model("llama"))]
    lm = replace(tiny_model("llama", max_position_embeddings=max(lengths) + 5), end_tokens=())
    traces = writer(lm, replace(SETTINGS, max_new_tokens=9))
    found = all_traces(traces)
    written = {name: len(trace.token_ids or ()) for name, trace in found.items()}
    assert written == {name: min(9, max(lengths) + 5 - n) for name, n in zip(IDS, lengths, strict=True)}
    assert sorted(written.values()) == [5, 9, 9, 9]
    assert not any(trace.ended for trace in found.values())
    for batch in traces.batches:
        assert len({traces.layout.room[index] for index in batch}) == 1
    [[wanted]] = sample(lm, [traces.layout.prompts[3]], uniforms(7, ["d"], 1, 5), 1.1, 0.9)
    assert found["d"].token_ids == wanted.tokens
    [cut] = drawn_and_read(traces, [3])
    assert cut.reading is not None
    assert cut.reading.pre_norm is not None
    assert len(cut.reading.pre_norm) == max(lengths) + 5


def test_a_prompt_without_room_for_a_trace_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    longest = max(len(prompt) for prompt in prompts(tiny_model("llama")))
    writer(tiny_model("llama", max_position_embeddings=longest + 1))
    with pytest.raises(UserError, match=r"question d \(1 are too long\)"):
        writer(tiny_model("llama", max_position_embeddings=longest))


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "`faithful.traces.temperature` to be from 0.001 to 1000"),
        ({"temperature": math.inf}, "`faithful.traces.temperature` to be from 0.001 to 1000"),
        ({"top_p": 0.0}, "`faithful.traces.top_p` to be above 0 and at most 1"),
        ({"max_new_tokens": 0}, "`faithful.traces.max_new_tokens` to be from 1 to"),
        ({"alternatives": 0}, "`faithful.traces.alternatives` to be from 1 to"),
        ({"traces_per_question": 0}, "`faithful.traces.traces_per_question` to be from 1 to"),
        ({"max_batch_tokens": 0}, "`faithful.traces.max_batch_tokens` to be from 1 to"),
        ({"seed": -1}, "`faithful.traces.seed` to be from 0 to"),
        ({"states": ["middle"]}, "`faithful.traces.states` to be ones of pre_norm, post_norm, final"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    check(TraceSettings(), "faithful.traces")
    with pytest.raises(UserError, match=message):
        check(replace(TraceSettings(), **changes), "faithful.traces")


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UserError) as error:
        check(TraceSettings(top_p=2.0, seed=-1), "faithful.traces")
    assert "traces.top_p" in str(error.value)
    assert "traces.seed" in str(error.value)
