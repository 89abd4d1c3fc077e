"""Numbers that are made while a trace is read, against the states of the same reading, kept."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from step_scorer import fitted, make_scorer

from ccps.core.errors import UserError
from ccps.faithful import attended_chain, rcc_chain
from ccps.llm import LanguageModel
from ccps.perturbation import stability_features
from ccps.reasoning.attended import UNITS, AttentionMeasure
from ccps.reasoning.generate import ReadTrace, TraceReader
from ccps.reasoning.measures import Measure
from ccps.reasoning.pushed import FeatureMeasure, RadiusMeasure
from ccps.reasoning.stability import probe_stability, probed_steps, token_radii
from ccps.reasoning.trace import Segmentation, Trace
from ccps.settings.faithful.traces import TraceSettings
from ccps.settings.probe import EncoderConfig

PROMPT = [5, 6, 7, 8, 9, 60, 61]
TEXTS = [
    "<think>\nThe sum is 5. No, it is 6.\n\nMaybe 7? I think so.\n \nIt is 5.\n</think>\n\nSo \\boxed{5}.",
    "One step only.",
    "",
]
RADIUS, STEPS = 5.0, 2
SETTINGS = TraceSettings(states=["pre_norm", "post_norm", "final"])
ATTENTION = AttentionMeasure("pre_norm", "dot", 0.1, "strict")


def trace(text: str, number: int) -> Trace:
    """A character is a token."""
    offsets = np.array([(at, at + 1) for at in range(len(text))], dtype=np.int64).reshape(-1, 2)
    ids = [3 + ord(character) for character in text]
    return Trace(f"t{number}", "", text, prompt_ids=[*PROMPT, number], token_ids=ids, offsets=offsets)


TRACES = [trace(text, number) for number, text in enumerate(TEXTS)]


def read(lm: LanguageModel, *measures: Measure, size: int = 4096, shared: bool = False) -> list[ReadTrace]:
    reader = TraceReader(lm, replace(SETTINGS, max_batch_tokens=size), measures=measures)
    if shared:
        reader.read_shared([one.prompt_ids for one in TRACES])
    return reader.read(TRACES)


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    return tiny_model("llama")


@pytest.mark.parametrize("size", [5, 33, 4096])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hidden", ["pre_norm", "post_norm"])
@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_rcc_of_what_was_kept_is_rcc_of_the_states(
    lm: LanguageModel, size: int, shared: bool, hidden: Any, mode: Any
) -> None:
    """Of both units, and whatever is read at a time."""
    measure = AttentionMeasure(hidden, "cosine", 0.1, mode)
    values = []
    for one in read(lm, measure, size=size, shared=shared):
        assert one.reading is not None
        assert one.trace.log_probs is not None
        probs = np.exp(one.trace.log_probs)
        for unit in UNITS:
            cut = Segmentation(unit, mode)
            tokens = cut.tokens(one.trace, cut.steps(one.trace))
            assert tokens is not None
            kept = measure.stored(one.reading.numbers, unit, tokens, len(one.trace.token_ids or ()))
            assert kept is not None
            for mu, delta in ((0.1, 0.4), (0.3, 0.7), (0.5, 0.4)):
                found = attended_chain(kept, probs, tokens, mu=mu, delta=delta, mode=mode)
                states = getattr(one.reading, hidden)
                how: dict[str, Any] = {"mu": mu, "delta": delta, "similarity": "cosine", "mode": mode}
                wanted = rcc_chain(states, probs, tokens, len(one.trace.prompt_ids), **how)
                np.testing.assert_allclose(found.q, wanted.q, atol=1e-6)
                np.testing.assert_allclose(found.p, wanted.p, atol=1e-6)
                values += found.p.tolist()
    assert max(values) > 0


@pytest.mark.parametrize("size", [5, 4096])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_radii_and_features_are_those_of_the_states(
    tiny_model: Callable[..., LanguageModel], size: int, dtype: str
) -> None:
    lm = tiny_model("llama", dtype=dtype)
    features = FeatureMeasure(RADIUS, STEPS, 3, "strict")
    head = lm.head.to(lm.device, torch.float32)
    for one in read(lm, RadiusMeasure(), features, size=size):
        assert one.reading is not None
        final, ids = one.reading.final, list(one.trace.token_ids or ())
        assert final is not None
        numbers = one.reading.numbers
        np.testing.assert_allclose(numbers["flip.radii"], token_radii(final, head, ids), rtol=1e-6, atol=1e-6)
        tokens = numbers["features.tokens"].long()
        assert len(tokens) < max(1, len(ids))
        if len(tokens):
            wanted = stability_features(final[tokens], head, torch.tensor(ids)[tokens], RADIUS, STEPS)
            # Products of five rows and of all round their last bits otherwise; of all at once they are the same.
            close = {"rtol": 1e-5, "atol": 1e-5} if size == 5 else {"rtol": 0, "atol": 0}
            torch.testing.assert_close(numbers["features.table"], wanted, **close)


@pytest.mark.parametrize("size", [5, 4096])
@pytest.mark.parametrize("unit", UNITS)
def test_what_a_probe_says_is_what_it_says_of_the_states(lm: LanguageModel, size: int, unit: Any) -> None:
    scorer = make_scorer(fitted(EncoderConfig(hidden=[8], kernels=[3], max_tokens=4, embed_dim=4)))
    measure = FeatureMeasure(scorer.settings.radius, scorer.settings.steps, 4, "strict")
    head, cut = lm.head.to(lm.device, torch.float32), Segmentation(unit, "strict")
    for one in read(lm, measure, size=size):
        assert one.reading is not None
        assert one.reading.final is not None
        tokens = cut.tokens(one.trace, cut.steps(one.trace))
        assert tokens is not None
        wanted = probe_stability(one.reading.final, head, list(one.trace.token_ids or ()), tokens, scorer)
        table, known = (one.reading.numbers[f"features.{name}"].numpy() for name in ("table", "tokens"))
        found = probed_steps(table, known, tokens, scorer)
        np.testing.assert_allclose(found.confidence, wanted.confidence, atol=1e-6)
        assert (found.truncated, found.zeroed) == (wanted.truncated, wanted.zeroed)


def test_features_are_of_all_that_a_probe_may_read(lm: LanguageModel) -> None:
    """The first three characters of each paragraph, sentence and answer; or the last one."""
    answer = TEXTS[0].index("{5}") + 1
    for max_tokens in (3, None):
        [found, *_] = read(lm, FeatureMeasure(RADIUS, STEPS, max_tokens, "strict"))
        assert found.reading is not None
        tokens = found.reading.numbers["features.tokens"].tolist()
        steps = [step for unit in UNITS for step in Segmentation(unit, "strict").steps(TRACES[0])]
        spans = [(answer, answer + 1), *((step.start, step.end) for step in steps)]
        assert tokens == sorted({at for span in spans for at in _read(*span, max_tokens)})


def _read(start: int, end: int, max_tokens: int | None) -> range:
    return range(end - 1, end) if max_tokens is None else range(start, min(end, start + max_tokens))


def test_of_a_trace_whose_ids_do_not_fit_only_radii_are_had(lm: LanguageModel) -> None:
    other = replace(TRACES[0], misaligned="they do not fit")
    measures = (ATTENTION, RadiusMeasure(), FeatureMeasure(RADIUS, STEPS, 3, "strict"))
    [found] = TraceReader(lm, TraceSettings(), measures=measures).read([other])
    assert found.reading is not None
    assert set(found.reading.numbers) == {"flip.radii"}
    assert (found.reading.pre_norm, found.reading.post_norm, found.reading.final) == (None, None, None)


def test_other_steps_than_those_that_were_read_are_refused(lm: LanguageModel) -> None:
    [found, *_] = read(lm, ATTENTION)
    assert found.reading is not None
    cut = Segmentation("paragraph", "strict")
    tokens = cut.tokens(found.trace, cut.steps(found.trace))
    assert tokens is not None
    numbers, n = found.reading.numbers, len(TEXTS[0])
    assert ATTENTION.stored(numbers, "paragraph", tokens, n) is not None
    assert ATTENTION.stored({}, "paragraph", tokens, n) is None
    with pytest.raises(UserError, match="those that it was read with"):
        ATTENTION.stored(numbers, "paragraph", [tokens[0][1:], *tokens[1:]], n)


def test_everything_that_determines_a_measure_is_among_its_inputs() -> None:
    assert ATTENTION.inputs() == {
        "version": 1,
        "hidden": "pre_norm",
        "similarity": "dot",
        "least": 0.1,
        "mode": "strict",
    }
    assert RadiusMeasure().inputs() == {"version": 1}
    assert FeatureMeasure(1.0, 2, None, "parity").inputs() == {
        "version": 1,
        "radius": 1.0,
        "grid_steps": 2,
        "max_tokens": None,
        "mode": "parity",
    }
