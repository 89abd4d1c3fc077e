from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from step_scorer import RADIUS, STEPS, fitted, make_scorer

from ccps.core.errors import UserError
from ccps.faithful import segment, step_token_indices
from ccps.methods.stored_scorer import StoredScorer
from ccps.perturbation import Head, flip_radius, stability_features
from ccps.reasoning.answers import extract_answer
from ccps.reasoning.stability import (
    answer_step,
    check_step_probe,
    probe_stability,
    probed_steps,
    radius_stability,
    token_radii,
    typical_radius,
)
from ccps.settings.probe import EncoderConfig

# Logits h and −h: the first token leads while h > 0, and is pushed towards h = 0.
COIN = Head(torch.tensor([[1.0], [-1.0]]))


@pytest.fixture(scope="module")
def reading_four() -> StoredScorer:
    return make_scorer(fitted(EncoderConfig(hidden=[8, 8], kernels=[3, 3], max_tokens=4, embed_dim=4)))


@pytest.fixture(scope="module")
def states() -> tuple[torch.Tensor, Head, list[int]]:
    generator = torch.Generator().manual_seed(0)
    head = Head(torch.randn(50, 16, generator=generator), torch.randn(50, generator=generator), softcap=20.0)
    final = torch.randn(12, 16, generator=generator)
    ids = head.logits(final).argmax(dim=1)
    ids[::3] = torch.randint(50, (4,), generator=generator)
    return final, head, ids.tolist()


def by_hand(final: Any, head: Any, ids: Any, tokens: Any, probe: Any) -> Any:
    features = stability_features(
        final[tokens], head.weight, torch.tensor(ids)[tokens], RADIUS, STEPS, bias=head.bias, softcap=head.softcap
    )
    return probe.predict(features.numpy(), [len(tokens)])[0]


def test_a_step_is_read_like_an_answer(
    states: tuple[torch.Tensor, Head, list[int]], reading_four: StoredScorer
) -> None:
    # A token may belong to two steps, and a step may have none.
    steps = [[0, 1, 2], [], [2, 3], [4, 5, 6, 7, 8, 9], [11]]
    found = probe_stability(*states, steps, reading_four)
    expected = [by_hand(*states, tokens, reading_four.probe) if tokens else np.nan for tokens in steps]
    assert found.confidence == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert found.truncated == 1
    assert found.zeroed == {}
    cut = probe_stability(*states, [[4, 5, 6, 7]], reading_four)
    assert cut.confidence[0] == pytest.approx(found.confidence[3])
    assert cut.truncated == 0


def test_features_of_more_tokens_than_are_read_tell_the_same(
    states: tuple[torch.Tensor, Head, list[int]], reading_four: StoredScorer
) -> None:
    final, head, ids = states
    steps = [[0, 1, 2], [], [2, 3], [4, 5, 6, 7, 8, 9]]
    wanted = probe_stability(final, head, ids, steps, reading_four)
    tokens = np.arange(10)
    table = stability_features(final[tokens], head, torch.tensor(ids)[tokens], RADIUS, STEPS).numpy()
    table[9] = np.inf  # of a token that the probe does not come to
    found = probed_steps(table, tokens, steps, reading_four)
    assert found.confidence == pytest.approx(wanted.confidence, abs=1e-6, nan_ok=True)
    assert (found.truncated, found.zeroed) == (wanted.truncated, wanted.zeroed)
    with pytest.raises(ValueError, match="none of 1, the first of them 3"):
        probed_steps(table[:3], tokens[:3], [[0, 1, 2], [2, 3]], reading_four)


def test_the_perceptron_reads_the_last_token(states: tuple[torch.Tensor, Head, list[int]]) -> None:
    scorer = make_scorer(fitted(EncoderConfig()))
    found = probe_stability(*states, [[0, 1, 2], [7]], scorer)
    assert found.confidence == pytest.approx([by_hand(*states, [i], scorer.probe) for i in (2, 7)], abs=1e-6)
    assert found.truncated == 0


def test_no_tokens_at_all(reading_four: StoredScorer) -> None:
    found = probe_stability(torch.empty(0, 1), COIN, [], [[], []], reading_four)
    assert np.isnan(found.confidence).all()
    assert token_radii(torch.empty(0, 1), COIN, []).shape == (0,)


def test_other_probes_are_refused(reading_four: StoredScorer) -> None:
    check_step_probe(reading_four, "mine")
    with pytest.raises(UserError, match=r"on the model that wrote the traces \(other\), but got .*`tiny`.*\(mine\)"):
        check_step_probe(reading_four, "other")
    with pytest.raises(UserError, match="for open-ended answers, but got one for format 'mc'"):
        check_step_probe(make_scorer(reading_four.probe, "mc"), "mine")


def test_radii_by_hand() -> None:
    final = torch.tensor([[0.5], [2.0], [-1.0], [40.0], [-3.0]])
    radii = token_radii(final, COIN, [0, 0, 0, 0, 1])
    # The third token was drawn against the odds; of the fourth nothing is left to push.
    assert radii == pytest.approx([0.5, 2.0, 0.0, np.inf, 3.0])
    typical = typical_radius([radii[:2], radii[2:], np.empty(0)])
    assert typical == 2.0
    found = radius_stability(radii, [[0], [1, 2], [3], [], [4, 3]], typical)
    assert found == pytest.approx([0.2, 0.25, 1.0, np.nan, 0.8], nan_ok=True)


def test_radii_are_those_of_the_head(states: tuple[torch.Tensor, Head, list[int]]) -> None:
    final, head, ids = states
    radii = token_radii(final, head, ids)
    exact = flip_radius(final, head.weight, torch.tensor(ids), bias=head.bias, softcap=head.softcap).numpy()
    drawn_first = (head.logits(final).argmax(dim=1) == torch.tensor(ids)).numpy()
    assert 0 < drawn_first.sum() < len(ids)
    assert radii == pytest.approx(np.where(drawn_first, exact, 0.0))


def test_without_a_typical_radius() -> None:
    assert np.isnan(typical_radius([]))
    assert np.isnan(typical_radius([np.array([0.0, np.inf])]))
    assert radius_stability(np.array([0.0, np.inf]), [[0], [1]], np.nan) == pytest.approx([0.0, 1.0])
    with pytest.raises(ValueError, match="`typical` to be above 0"):
        radius_stability(np.ones(1), [[0]], 0.0)


@given(arrays(np.float64, 6, elements=st.floats(0, 1e6) | st.just(np.inf)), st.floats(1e-3, 1e3), st.floats(0.1, 10))
def test_the_share_is_a_fraction_that_knows_no_unit(radii: Any, typical: float, scale: float) -> None:
    found = radius_stability(radii, [[i] for i in range(6)], typical)
    assert ((found >= 0) & (found <= 1)).all()
    order = np.argsort(radii)
    assert (np.diff(found[order]) >= 0).all()
    assert radius_stability(radii * scale, [[i] for i in range(6)], typical * scale) == pytest.approx(found)


@pytest.mark.parametrize(
    ("ids", "steps", "message"),
    [([0], [[0]], "one state for each of 1 tokens"), ([0, 1], [[1, 2]], "got index 2")],
)
def test_what_does_not_fit(ids: list[int], steps: list[list[int]], message: str, reading_four: StoredScorer) -> None:
    with pytest.raises(ValueError, match=message):
        probe_stability(torch.ones(2, 1), COIN, ids, steps, reading_four)


@pytest.mark.parametrize(
    ("mode", "answer", "place"),
    [("strict", "7", "{ 7"), ("parity", "6?", "answer: 6?")],
)
def test_the_answer_is_read_like_a_step(mode: Literal["strict", "parity"], answer: str, place: str) -> None:
    text = "<think>\nanswer: 6?\n\nSo 7.\n</think>\nThe answer is \\boxed{ 7 }, that is 7."
    offsets = [(i, i + 1) for i in range(len(text))]
    assert extract_answer(text, mode=mode).text == answer
    step = answer_step(text, answer)
    assert step is not None
    assert text[step.start : step.end] == step.text == answer
    *_, tokens = step_token_indices([*segment(text), step], offsets)
    end = text.index(place) + len(place)
    assert tokens.tolist() == list(range(end - len(answer), end))


@pytest.mark.parametrize(("text", "answer"), [("no box", None), ("", ""), ("\\boxed{7}", "8")])
def test_no_answer_to_read(text: str, answer: str | None) -> None:
    assert answer_step(text, answer) is None
