"""Traces of tiny random models: what is drawn, against plain sampling."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from drawn_traces import IDS, SETTINGS, all_traces, drawn_and_read, prompts, writer

from ccps.asking.samples import uniforms
from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from ccps.llm.sample import sample


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
