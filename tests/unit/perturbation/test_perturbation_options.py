import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.perturbation import Head, flip_radius, ray
from ccps.perturbation.options import option_log_probs, option_radius

SEEDS = st.integers(0, 2**31 - 1)
# Three letters; the second has one spelling, the third three.
SPELLINGS = [[3, 17], [8], [1, 30, 40]]


def case(seed: int, softcap: float | None = None) -> tuple[torch.Tensor, Head, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(41, 7, generator=generator), torch.randn(41, generator=generator)
    hidden = torch.randn(6, 7, generator=generator) * 2
    return hidden, Head(weight, bias, softcap), torch.tensor([2, 3, 3, 2, 3, 3])


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_log_probabilities_are_those_of_the_whole_softmax_shared_out(softcap: float | None) -> None:
    hidden, head, n_options = case(0, softcap)
    found = option_log_probs(hidden, head, SPELLINGS, n_options).numpy()
    for row, options in enumerate(n_options.tolist()):
        p = head.logits(hidden[row : row + 1])[0].double().softmax(0).numpy()
        mass = [sum(p[token] for token in SPELLINGS[letter]) for letter in range(options)]
        np.testing.assert_allclose(np.exp(found[row, :options]), np.array(mass) / sum(mass), rtol=1e-5)
        assert (found[row, options:] == -np.inf).all()


def test_an_option_that_is_no_token_has_no_probability() -> None:
    hidden, head, n_options = case(0)
    found = option_log_probs(hidden, head, [[3], [], [1]], n_options).exp()
    assert found[:, 1].tolist() == [0.0] * 6
    torch.testing.assert_close(found.sum(dim=1), torch.ones(6, dtype=torch.float64))


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, softcap=st.sampled_from([None, 4.0]))
def test_the_radius_is_where_walking_along_the_ray_meets_another_option(seed: int, softcap: float | None) -> None:
    """Brute force: candidates are all crossings of two option tokens; the first after which another option leads."""
    hidden, head, n_options = case(seed, softcap)
    chosen = torch.tensor([0, 1, 2, 1, 0, 2])
    tokens = torch.tensor([SPELLINGS[option][0] for option in chosen.tolist()])
    found = option_radius(hidden, head, tokens, SPELLINGS, n_options, chosen).tolist()
    traced = ray(hidden, head, tokens)
    logits, slope = traced.logits.double().numpy(), traced.slope.double().numpy()
    for row in range(6):
        own = SPELLINGS[int(chosen[row])]
        others = [
            token for letter in range(int(n_options[row])) if letter != chosen[row] for token in SPELLINGS[letter]
        ]

        def leads(radius: float, row: int = row, own: list[int] = own, others: list[int] = others) -> bool:
            line = logits[row] + radius * slope[row]
            return bool(max(line[others]) >= max(line[own]) - 1e-9)

        crossings = [0.0]
        for i in own:
            for j in others:
                if slope[row, i] != slope[row, j]:
                    crossings.append((logits[row, i] - logits[row, j]) / (slope[row, j] - slope[row, i]))
        first = min((radius for radius in crossings if radius >= 0 and leads(radius)), default=math.inf)
        assert found[row] == pytest.approx(first, rel=1e-4, abs=1e-5)


def test_of_single_spellings_it_is_the_crossing_of_two_lines() -> None:
    """With all tokens as options it is the flip radius of the argmax."""
    hidden, head, _ = case(3)
    top = head.logits(hidden).argmax(dim=1)
    everything, every = [[token] for token in range(41)], torch.full((6,), 41)
    found = option_radius(hidden, head, top, everything, every, top)
    torch.testing.assert_close(found, flip_radius(hidden, head, top), rtol=1e-4, atol=1e-5)


def test_an_option_whose_logit_stays_below_by_as_much_is_never_met_and_hides_no_other() -> None:
    """Its row of the head is that of the chosen one, with a lower bias."""
    head = Head(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.0, -1.0, 0.0]))
    hidden, tokens, chosen = torch.tensor([[2.0, 0.0], [3.0, 1.0]]), torch.tensor([0, 0]), torch.tensor([0, 0])
    never, met, both = (
        option_radius(hidden, head, tokens, spellings, torch.full((2,), len(spellings)), chosen)
        for spellings in ([[0], [1]], [[0], [2]], [[0], [1], [2]])
    )
    assert never.isinf().all()
    assert met.isfinite().all()
    torch.testing.assert_close(both, met)


def test_nothing_is_said_where_no_option_is_chosen_or_it_is_no_token() -> None:
    hidden, head, n_options = case(1)
    chosen = torch.tensor([-1, 1, 0, 0, -1, 2])
    found = option_radius(hidden, head, torch.full((6,), 5), [[3, 17], [], [1]], n_options, chosen)
    assert found.isnan().tolist() == [True, True, False, False, True, False]


def test_another_option_that_leads_already_is_at_radius_zero() -> None:
    head = Head(torch.eye(3))
    found = option_radius(
        torch.tensor([[1.0, 2.0, 0.0]]), head, torch.tensor([0]), [[0], [1]], torch.tensor([2]), torch.tensor([0])
    )
    assert found.tolist() == [0.0]


def test_blocks_change_nothing() -> None:
    hidden, head, n_options = case(5)
    chosen = torch.tensor([0, 1, 2, 1, 0, 2])
    tokens = torch.tensor([SPELLINGS[option][0] for option in chosen.tolist()])
    whole = option_radius(hidden, head, tokens, SPELLINGS, n_options, chosen)
    parts = option_radius(hidden, head, tokens, SPELLINGS, n_options, chosen, max_scratch_bytes=1)
    torch.testing.assert_close(parts, whole)
