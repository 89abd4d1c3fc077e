import math

import numpy as np
import pytest
import torch

from ccps.methods import Evidence, Method, find_method
from ccps.methods.evidence import AnswerStates
from ccps.perturbation import FEATURE_NAMES, Head, stability_features


def answers(head: Head, lengths: list[int], scale: float = 1.0) -> Evidence:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(sum(lengths), head.weight.shape[1], generator=generator) * scale
    tokens = head.logits(states).argmax(dim=1)
    features = stability_features(states, head, tokens, radius=1.0, steps=2).numpy()
    known = Evidence(features, np.array(lengths), len(head.weight))
    return known.having(answer_states=AnswerStates(states, tokens, head))


def self_certainty(known: Evidence) -> list[float]:
    method = find_method("self_certainty")
    assert isinstance(method, Method)
    found: list[float] = method.p_correct(known).tolist()
    return found


def by_definition(known: Evidence) -> list[float]:
    """KL(uniform || p) token by token, averaged over each answer, and mapped."""
    states: AnswerStates = known.read("answer_states")
    log_p = states.head.logits(states.states).double().log_softmax(dim=1).numpy()
    vocabulary = log_p.shape[1]
    divergence = (1 / vocabulary * (np.log(1 / vocabulary) - log_p)).sum(axis=1)
    ends = np.cumsum(known.lengths)
    means = [divergence[end - length : end].mean() for end, length in zip(ends, known.lengths, strict=True)]
    return [mean / (mean + math.log(vocabulary)) for mean in means]


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_divergence_from_uniform(softcap: float | None, dtype: torch.dtype, biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(50, 8, generator=generator).to(dtype)
    known = answers(Head(weight, torch.randn(50, generator=generator) if biased else None, softcap), [1, 3, 2])
    # Log-probabilities are float32, of size 1 to 10.
    assert self_certainty(known) == pytest.approx(by_definition(known), abs=1e-5)


def test_of_uniform_distributions_it_is_zero() -> None:
    known = answers(Head(torch.zeros(50, 8), None), [1, 2])
    assert self_certainty(known) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_token_that_is_next_to_impossible_changes_nothing() -> None:
    """Of a given answer the token's log-probability is cut in the features; the divergence is of no token."""
    known = answers(Head(torch.randn(50, 8, generator=torch.Generator().manual_seed(0))), [1, 1], scale=60.0)
    least = known.read("answer_states")
    unlikely = least._replace(token_ids=least.head.logits(least.states).argmin(dim=1))
    features = known.features.copy()
    features[:, FEATURE_NAMES.index("original_log_prob_actual")] = [-70.0, -np.inf]
    given = known._replace(features=features).having(answer_states=unlikely)
    assert self_certainty(given) == pytest.approx(by_definition(known), abs=1e-5)
