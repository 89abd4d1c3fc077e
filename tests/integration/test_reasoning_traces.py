"""Traces of SmolLM2 and of toys of every family, against plain transformers; and through a file."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from one_trace import read_trace
from torch import Tensor, nn

from ccps.asking.follow_up import QUERY, FollowUp
from ccps.engines import OwnWriter
from ccps.faithful import deepconf_steps, misalignment, rcc, segment, step_token_indices
from ccps.llm import LanguageModel, ModelFiles, find_model, ids_after_answer, load_model, prompt_ids
from ccps.reasoning.generate import ReadTrace, TraceReader, TraceWriter
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.jsonl_writing import write_traces
from ccps.reasoning.offsets import token_offsets, with_offsets
from ccps.settings.faithful.traces import TraceSettings

QUESTIONS = [
    [{"role": "user", "content": text}] for text in ("What is 17 + 25? Think in paragraphs.", "Name three colours.")
]
SETTINGS = TraceSettings(max_new_tokens=40, max_batch_tokens=600, states=["pre_norm", "final"])
TEXT = (
    "<think>\nOkay 🤔, let me see… ∑ᵢ xᵢ² ≤ ½·π, so $\\frac{1}{2}$.\r\n\n语言模型 thinks: “naïve” 👩‍👩‍👧 — ⟨ψ|φ⟩.\n\n"
    "  Wait,  no.\t</think>\n\nSo \\boxed{42}. Ещё раз، مرحبا 안녕\u200b"
)


@pytest.fixture(scope="module")
def exact(smollm2_files: ModelFiles) -> LanguageModel:
    config = replace(smollm2_files.config, source="folder", location=str(smollm2_files.folder), dtype="float32")
    return load_model(find_model("smollm2_float32", config))


@pytest.fixture(scope="module")
def written(exact: LanguageModel) -> list[ReadTrace]:
    prompts = [prompt_ids(exact.tokenizer, messages) for messages in QUESTIONS]
    follow_up = FollowUp(exact, QUESTIONS[0], ["self_evaluation"])
    traces = TraceWriter(exact, OwnWriter(exact), ["sum", "colours"], prompts, SETTINGS, len(follow_up.tokens))
    reader = TraceReader(exact, SETTINGS, follow_up)
    return reader.read([trace for batch in traces.batches for trace in traces.draw(batch)])


def test_log_probs_and_states_are_those_of_one_plain_pass(exact: LanguageModel, written: list[ReadTrace]) -> None:
    for trace, reading, _ in written:
        tokens = list(trace.token_ids or ())
        first, n = len(trace.prompt_ids) - 1, len(tokens)
        with torch.inference_mode():
            output = exact.model(torch.tensor([[*trace.prompt_ids, *tokens]]), output_hidden_states=True)
        logs = output.logits[0, first : first + n].log_softmax(dim=-1)
        assert trace.top_log_probs is not None
        assert trace.log_probs is not None
        np.testing.assert_allclose(trace.top_log_probs, logs.topk(5).values, atol=2e-3)
        np.testing.assert_allclose(trace.log_probs, logs[range(n), tokens], atol=2e-3)
        assert reading is not None
        assert reading.final is not None
        assert reading.pre_norm is not None
        states = output.hidden_states[-1][0]
        torch.testing.assert_close(reading.final, states[first : first + n], rtol=1e-3, atol=1e-3)
        normed = exact.model.get_decoder().norm(reading.pre_norm)
        torch.testing.assert_close(normed, states, rtol=1e-3, atol=1e-3)


def test_pieces_change_nothing(exact: LanguageModel, written: list[ReadTrace]) -> None:
    trace, whole, _ = written[0]
    assert whole is not None
    pieces = read_trace(
        exact, trace.prompt_ids, trace.token_ids or (), k=5, keep=["pre_norm", "final"], max_batch_tokens=17
    )
    np.testing.assert_allclose(pieces.top_log_probs, whole.top_log_probs, atol=2e-3)
    torch.testing.assert_close(pieces.final, whole.final, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(pieces.pre_norm, whole.pre_norm, rtol=1e-3, atol=2e-2)


def test_it_is_asked_whether_it_is_right(exact: LanguageModel, written: list[ReadTrace]) -> None:
    after = ids_after_answer(exact.tokenizer, QUESTIONS[0], [{"role": "user", "content": QUERY}])
    letters = [exact.tokenizer(letter, add_special_tokens=False)["input_ids"][0] for letter in "ab"]
    for trace, _, asked in written:
        with torch.inference_mode():
            ids = torch.tensor([[*trace.prompt_ids, *(trace.token_ids or ()), *after]])
            logits = exact.model(ids).logits[0, -1]
        assert asked == pytest.approx(float(logits[letters].softmax(dim=0)[1]), abs=1e-3)


def test_a_trace_has_all_that_steps_are_scored_by(written: list[ReadTrace]) -> None:
    for trace, reading, asked in written:
        assert trace.misaligned == ""
        assert trace.offsets is not None
        assert reading is not None
        assert trace.top_log_probs is not None
        assert reading.pre_norm is not None
        steps = segment(trace.text)
        tokens = step_token_indices(steps, trace.offsets)
        confidence = deepconf_steps(trace.top_log_probs, tokens)
        chain = rcc(reading.pre_norm, np.exp(trace.top_log_probs[:, 0]), tokens, len(trace.prompt_ids))
        assert len(steps) == len(confidence) == len(chain) > 0
        assert np.isfinite(confidence).all()
        assert np.isfinite(chain).all()
        assert 0 < asked < 1
        assert trace.ended == (len(trace.token_ids or ()) < 40)


def test_a_trace_in_a_file_is_the_same_trace(exact: LanguageModel, written: list[ReadTrace], tmp_path: Path) -> None:
    traces = [one.trace for one in written]
    write_traces(tmp_path / "traces.jsonl.gz", traces)
    for before, after in zip(traces, read_traces(tmp_path / "traces.jsonl.gz").traces, strict=True):
        assert (after.id, after.text, after.token_ids, after.misaligned) == (
            before.id,
            before.text,
            before.token_ids,
            "",
        )
        np.testing.assert_array_equal(after.top_log_probs, before.top_log_probs)
        np.testing.assert_array_equal(after.offsets, before.offsets)
        anew = with_offsets(exact.tokenizer, replace(after, offsets=None))
        np.testing.assert_array_equal(anew.offsets, before.offsets)


def assert_spans_are_the_whole(lm: LanguageModel, ids: list[int], whole: str) -> None:
    text, offsets = token_offsets(lm.tokenizer, ids)
    assert text == whole
    assert misalignment(text, offsets, len(ids)) == ""


def test_offsets_of_a_text_with_everything_in_it(smollm2: LanguageModel) -> None:
    ids = smollm2.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    text, offsets = token_offsets(smollm2.tokenizer, ids)
    assert text == TEXT
    for token, (start, end) in zip(ids, offsets.tolist(), strict=True):
        alone = smollm2.tokenizer.decode([token])
        assert "\ufffd" in alone or alone == text[start:end]
    assert misalignment(text, offsets, len(ids)) == ""


@given(ids=st.lists(st.integers(0, 49_151), max_size=40))
def test_offsets_of_any_ids(smollm2: LanguageModel, ids: list[int]) -> None:
    assert_spans_are_the_whole(smollm2, ids, smollm2.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_states_before_the_norm_are_found_in_every_family(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    family.write(tmp_path / name)
    lm = load_model(find_model(name, family.config(tmp_path / name)))
    prompt, tokens = list(range(5, 17)), list(range(40, 60))
    caught: list[Tensor] = []
    layers = lm.model.get_decoder().layers
    assert isinstance(layers, nn.ModuleList)
    handle = layers[-1].register_forward_hook(lambda _, given, result: caught.append(result))
    with torch.inference_mode():
        output = lm.model(torch.tensor([[*prompt, *tokens]]), output_hidden_states=True)
    handle.remove()
    got = read_trace(lm, prompt, tokens, k=5, keep=["pre_norm", "post_norm", "final"])
    for own, wanted in (
        (got.pre_norm, caught[0][0]),
        (got.post_norm, output.hidden_states[-1][0]),
        (got.final, output.hidden_states[-1][0, len(prompt) - 1 : -1]),
    ):
        assert own is not None
        assert own.dtype == wanted.dtype == getattr(torch, family.dtype)
        torch.testing.assert_close(own, wanted)
    # bfloat16 rounds the model's own logits, not ours.
    rounding = 2**-8 * float(output.logits.float().abs().max()) if family.dtype == "bfloat16" else 1e-4
    logs = output.logits[0, len(prompt) - 1 : -1].float().log_softmax(dim=-1)
    np.testing.assert_allclose(got.top_log_probs, logs.topk(5).values, atol=2 * rounding)
    np.testing.assert_allclose(got.log_probs, logs[range(len(tokens)), tokens], atol=2 * rounding)
    assert not math.isnan(got.log_probs.sum())
