"""The 75 features by the paper's own procedure: one token, one radius, one number at a time.

This is the oracle that the closed form is tested and timed against. It is written for reading, not for
speed: the gradient comes from autograd, every perturbed state goes through the head again, and every quantity
is reduced by the library function that bears its name. The language model's own forward passes are left out.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ccps.perturbation.directions import Direction, random_directions
from ccps.perturbation.head import Head
from ccps.perturbation.inputs import checked, checked_grid
from ccps.perturbation.names import FEATURE_NAMES, PERTURBED_STEMS


def reference_features(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    radius: float = 20.0,
    steps: int = 5,
    *,
    direction: Direction = "gradient",
    seed: int = 0,
    bias: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Compute what `stability_features` computes, step by step as in the paper.

    Args:
        hidden: final-normed hidden states, `[tokens, d]`.
        weight: rows of the linear head, `[vocab, d]`.
        token_ids: the token that each state predicted, `[tokens]`.
        radius: length of the longest perturbation, in units of the hidden state.
        steps: how many equal steps lead to it.
        direction: where the states are moved, as in `stability_features`.
        seed: seed of the random direction, as in `stability_features`.
        bias: bias of the head, `[vocab]`.
        softcap: soft cap of the head's logits, which autograd goes through.

    Returns:
        float32 `[tokens, 75]`, columns as in `FEATURE_NAMES`, on the CPU.

    Raises:
        ValueError: an input is of the wrong shape, type or range.

    Source: CCPS, arXiv 2505.21772, and its released code.
    """
    inputs = checked(hidden, weight, token_ids, bias, direction, seed, softcap)
    checked_grid(radius, steps)
    # The head stays trainable, as in the released code: its backward pass forms the weight's gradient too.
    head = _Layer(inputs.head)
    radii = [step * radius / steps for step in range(1, steps + 1)]
    rows = []
    for state, token in zip(inputs.hidden.detach(), inputs.token_ids.tolist(), strict=True):
        gradient = _gradient(state, head, token)
        unit = _unit_direction(state, head, gradient, direction, seed)
        moved = [state + r * unit for r in radii]
        features = _token_features(state, moved, head, token, radii)
        features["jacobian_norm_token"] = gradient.norm().item()
        rows.append([features[name] for name in FEATURE_NAMES])
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, len(FEATURE_NAMES))


class _Layer(torch.nn.Linear):
    def __init__(self, head: Head) -> None:
        vocabulary, width = head.weight.shape
        super().__init__(width, vocabulary, bias=head.bias is not None, device="meta")
        self.weight = torch.nn.Parameter(head.weight.detach().float())
        if head.bias is not None:
            self.bias = torch.nn.Parameter(head.bias.detach())
        self.softcap = head.softcap

    def forward(self, state: Tensor) -> Tensor:
        logits = super().forward(state)
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


def _gradient(state: Tensor, head: _Layer, token: int) -> Tensor:
    with torch.enable_grad():
        leaf = state.clone().requires_grad_()
        loss = -F.log_softmax(head(leaf), dim=-1)[token]
        loss.backward()
    head.zero_grad()
    assert leaf.grad is not None
    return leaf.grad


@torch.no_grad()
def _unit_direction(state: Tensor, head: _Layer, gradient: Tensor, direction: Direction, seed: int) -> Tensor:
    if direction == "random":
        return random_directions(state[None], seed)[0]
    if direction == "contrast":
        first, second = head(state).topk(2).indices
        towards, least = head.weight[second] - head.weight[first], 0.0
    else:
        towards, least = gradient if direction == "gradient" else -gradient, 1e-9
    return towards / towards.norm() if towards.norm() > least else torch.zeros_like(towards)


@torch.no_grad()
def _token_features(
    state: Tensor, moved: list[Tensor], head: _Layer, token: int, radii: list[float]
) -> dict[str, float]:
    logits = head(state)
    features = _original(state, logits, token)
    path = [_perturbed(each, head, state, logits, token) for each in moved]
    top = int(logits.argmax())
    flips = [r for r, step in zip(radii, path, strict=True) if step.pop("argmax") != top]
    features["epsilon_to_flip_token"] = flips[0] if flips else math.inf
    drops = [0.0] + [max(0.0, step["delta_log_prob_actual_from_original"]) for step in path]
    trapezoids = [(a + b) / 2 for a, b in pairwise(drops)]
    features["pei_value_token"] = sum(trapezoids) / len(radii)

    for stem in PERTURBED_STEMS:
        values = torch.tensor([step[stem] for step in path], dtype=torch.float64)
        features[f"{stem}_min"] = values.min().item()
        features[f"{stem}_max"] = values.max().item()
        features[f"{stem}_mean"] = values.mean().item()
        features[f"{stem}_std"] = values.std(unbiased=False).item()
    return features


def _entropy(probs: Tensor) -> float:
    return -(probs * torch.log(probs + 1e-6)).sum().item()


def _original(state: Tensor, logits: Tensor, token: int) -> dict[str, float]:
    probs = F.softmax(logits, dim=-1)
    top_logits, top_ids = logits.topk(2)
    top_probs = probs[top_ids]
    return {
        "original_log_prob_actual": F.log_softmax(logits, dim=-1)[token].item(),
        "original_prob_actual": probs[token].item(),
        "original_logit_actual": logits[token].item(),
        "original_prob_argmax": top_probs[0].item(),
        "original_logit_argmax": top_logits[0].item(),
        "original_entropy": _entropy(probs),
        "original_margin_logit_top1_top2": (top_logits[0] - top_logits[1]).item(),
        "original_margin_prob_top1_top2": (top_probs[0] - top_probs[1]).item(),
        "original_norm_logits_L2": logits.norm().item(),
        "original_std_logits": logits.std().item(),
        "original_norm_hidden_state_L2": state.norm().item(),
        "is_actual_token_original_argmax": float(token == logits.argmax().item()),
    }


def _perturbed(moved: Tensor, head: _Layer, state: Tensor, original: Tensor, token: int) -> dict[str, float]:
    logits = head(moved)
    probs, log_probs = F.softmax(logits, dim=-1), F.log_softmax(logits, dim=-1)
    probs_0, log_probs_0 = F.softmax(original, dim=-1), F.log_softmax(original, dim=-1)
    mixture = (probs_0 + probs) / 2
    top_logits, top_ids = logits.topk(2)
    to_original = F.kl_div(log_probs_0, mixture, reduction="sum")
    to_perturbed = F.kl_div(log_probs, mixture, reduction="sum")
    return {
        "argmax": logits.argmax().item(),
        "perturbed_log_prob_actual": log_probs[token].item(),
        "perturbed_prob_actual": probs[token].item(),
        "perturbed_logit_actual": logits[token].item(),
        "delta_log_prob_actual_from_original": (log_probs_0[token] - log_probs[token]).item(),
        "perturbed_prob_argmax": probs[top_ids[0]].item(),
        "perturbed_logit_argmax": top_logits[0].item(),
        "did_argmax_change_from_original": float(top_ids[0].item() != original.topk(1).indices.item()),
        "perturbed_entropy": _entropy(probs),
        "perturbed_margin_logit_top1_top2": (top_logits[0] - top_logits[1]).item(),
        "perturbed_norm_logits_L2": logits.norm().item(),
        "kl_div_perturbed_from_original": F.kl_div(log_probs, probs_0, reduction="sum").item(),
        "js_div_perturbed_from_original": ((to_original + to_perturbed) / 2).item(),
        "cosine_sim_logits_perturbed_to_original": F.cosine_similarity(original, logits, dim=-1).item(),
        "cosine_sim_hidden_perturbed_to_original": F.cosine_similarity(state, moved, dim=-1).item(),
        "l2_dist_hidden_perturbed_from_original": (moved - state).norm().item(),
    }
