import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ccps.probes.encoders import build_encoder, build_head
from ccps.probes.fitted import build_network
from ccps.probes.losses import pair_losses
from ccps.settings.probe import EncoderConfig, HeadConfig, ProbeConfig


def parameters(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def test_the_paper_recipe_has_9542_parameters() -> None:
    network = build_network(ProbeConfig(), 75)
    assert parameters(network.encoder) == 7608
    assert parameters(network.head) == 1934
    assert parameters(network) == 9542


@pytest.mark.parametrize(("hidden", "encoder", "total"), [([64, 32, 16], 22_464, 23_074), ([64, 32], 21_168, 21_778)])
def test_parameters_of_the_two_recipes_for_open_ended_answers(hidden: list[int], encoder: int, total: int) -> None:
    settings = EncoderConfig(hidden=hidden, kernels=[3] * len(hidden), embed_dim=16, activation="ReLU")
    network = build_network(ProbeConfig(encoder=settings, head=HeadConfig(hidden=[32], activation="ReLU")), 75)
    assert parameters(network.encoder) == encoder
    assert parameters(network.head) == 610
    assert parameters(network) == total


def test_encoder_is_activation_and_dropout_after_hidden_layers_and_a_bare_last_layer() -> None:
    layers = list(build_encoder(EncoderConfig(), 75, 0.05).children())
    hidden = [nn.Linear, nn.ELU, nn.Dropout]
    assert [type(layer) for layer in layers] == [*hidden, *hidden, *hidden, nn.Linear]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [64, 32, 16, 8]
    assert {layer.p for layer in layers if isinstance(layer, nn.Dropout)} == {0.05}


def test_head_has_no_dropout() -> None:
    layers = list(build_head(HeadConfig(), 8))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ELU] * 3 + [nn.Linear]
    assert layers[-1].out_features == 2


def test_no_hidden_layers_leaves_a_linear_map_and_each_layer_has_its_own_activation() -> None:
    assert [type(layer) for layer in build_head(HeadConfig(hidden=[]), 8)] == [nn.Linear]
    activations = [m for m in build_head(HeadConfig(activation="PReLU"), 8) if isinstance(m, nn.PReLU)]
    assert len({id(activation) for activation in activations}) == 3


def test_contrastive_loss_of_hand_made_pairs() -> None:
    # Distances 5 and 0.5 in two dimensions; the added 1e-6 per coordinate changes them by less than 2e-6.
    left = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    right = torch.tensor([[3.0, 4.0], [3.0, 4.0], [1.3, 1.4], [1.3, 1.4]], dtype=torch.float64)
    different = torch.tensor([True, False, True, False])
    loss = pair_losses(left, right, different, margin=1.0).mean()
    # Apart beyond the margin: 0; together at 5: 25; apart at 0.5: 0.25; together at 0.5: 0.25.
    assert float(loss) == pytest.approx((0 + 25 + 0.25 + 0.25) / 4, abs=1e-4)


@given(st.integers(1, 16), st.floats(0.1, 5.0))
def test_equal_embeddings_cost_the_margin_if_labels_differ_and_nothing_if_not(width: int, margin: float) -> None:
    same = torch.ones(3, width, dtype=torch.float64)
    distance = 1e-6 * math.sqrt(width)
    apart = pair_losses(same, same, torch.ones(3, dtype=torch.bool), margin).mean()
    together = pair_losses(same, same, torch.zeros(3, dtype=torch.bool), margin).mean()
    assert float(apart) == pytest.approx((margin - distance) ** 2, rel=1e-9)
    assert float(together) == pytest.approx(distance**2, rel=1e-6)


def test_contrastive_loss_has_a_gradient_at_distance_zero() -> None:
    left: Any = torch.zeros(2, 4, requires_grad=True)
    pair_losses(left, torch.zeros(2, 4), torch.tensor([True, False]), 1.0).mean().backward()
    assert torch.isfinite(left.grad).all()
