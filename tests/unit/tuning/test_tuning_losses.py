import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from ccps.settings.tuning import Divergence
from ccps.tuning.losses import divergences, query_losses

LOGITS = st.lists(st.floats(-20, 20), min_size=5, max_size=5).map(lambda row: torch.tensor([row], dtype=torch.float64))


def test_query_loss_is_minus_the_log_of_what_the_right_option_gets() -> None:
    logits = torch.tensor([[0.0, 0.0], [1.0, 3.0], [1.0, 3.0]])
    losses = query_losses(logits, torch.tensor([True, True, False]))
    assert losses.tolist() == pytest.approx([math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(2))])


def test_divergences_of_two_coins() -> None:
    """p = (3/4, 1/4), r = (1/4, 3/4): KL is ln(3)/2 either way, the middle is fair."""
    p, r = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([[0.0, math.log(3.0)]])
    for kind in (Divergence.forward_kl, Divergence.reverse_kl):
        assert divergences(p, r, kind).item() == pytest.approx(math.log(3) / 2)
    assert divergences(p, r, Divergence.jsd).item() == pytest.approx(0.75 * math.log(1.5) - 0.25 * math.log(2))


@given(LOGITS, LOGITS)
def test_kl_goes_from_the_untuned_model_forward_and_back_from_the_tuned_one(p: torch.Tensor, r: torch.Tensor) -> None:
    tuned, untuned = Categorical(logits=p), Categorical(logits=r)
    assert divergences(p, r, Divergence.forward_kl).item() == pytest.approx(kl_divergence(untuned, tuned).item())
    assert divergences(p, r, Divergence.reverse_kl).item() == pytest.approx(kl_divergence(tuned, untuned).item())


@given(LOGITS, LOGITS)
def test_jsd_is_symmetric_bounded_and_zero_only_between_equals(p: torch.Tensor, r: torch.Tensor) -> None:
    there, back = (divergences(*pair, Divergence.jsd).item() for pair in ((p, r), (r, p)))
    assert there == pytest.approx(back, abs=1e-12)
    assert -1e-12 <= there <= math.log(2) + 1e-12
    assert divergences(p, p + 3.0, Divergence.jsd).item() == pytest.approx(0.0, abs=1e-12)
