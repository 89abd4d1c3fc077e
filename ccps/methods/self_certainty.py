import math

import numpy as np
import torch
from torch import Tensor

from ccps.methods.base import Method
from ccps.methods.evidence import AnswerStates, Evidence, FloatArray
from ccps.methods.registry import register
from ccps.perturbation import Head

_TOKENS_AT_ONCE = 128
_ROWS_AT_ONCE = 4096

_CUT = -60.0
"""Below this log-probabilities among the features may be cut (`ccps.perturbation.rays.LOWEST_EXPONENT`)."""


@register
class SelfCertainty(Method):
    """How far the distributions of the answer's tokens are from uniform, every token of the vocabulary counting alike.

    Source: self-certainty, Kang et al. 2025 (arXiv 2502.18581): the mean over the answer's tokens of KL(uniform || p) =
    −(1/V) Σ ln(V p_j). Ours: P(correct) = s / (s + ln V), which keeps the order and says nothing of calibration
    (`self_certainty_platt` does). With linear logits it takes no pass over the vocabulary: the mean of the logits is h
    times the mean row of the head, and the normaliser is the logit of the answer's token less its log-probability, a
    feature. A soft cap is not linear, and the logits are then computed. Settings: none.
    """

    name = "self_certainty"
    label = "Self-certainty"
    place = 115
    source = "mean over tokens of KL(uniform || p), arXiv 2502.18581; as s / (s + ln V)"
    reads_features = True
    needs = frozenset({"answer_states"})

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = s / (s + ln V), s the self-certainty in nats."""
        answers: AnswerStates = evidence.read("answer_states")
        log_probs = torch.from_numpy(evidence.column("original_log_prob_actual"))
        per_token = divergences(answers.states, answers.token_ids, log_probs, answers.head).numpy()
        starts = np.cumsum(evidence.lengths) - evidence.lengths
        # Of a distribution that is nearly uniform rounding may leave less than 0.
        certainty = np.maximum(np.add.reduceat(per_token, starts) / evidence.lengths, 0.0)
        p_correct: FloatArray = certainty / (certainty + math.log(len(answers.head.weight)))
        return p_correct


def divergences(states: Tensor, token_ids: Tensor, log_probs: Tensor, head: Head) -> Tensor:
    """KL(uniform || p) of each token's distribution p, in nats, float64 `[tokens]`.

    Args:
        states: final-normed states, `[tokens, d]`.
        token_ids: `[tokens]`, any token of each distribution.
        log_probs: `[tokens]`, its log-probability.
        head: the model's output head.
    """
    vocabulary = len(head.weight)
    if head.softcap is not None:
        return _from_logits(states, head)
    wide = states.double()
    # The whole head in float64 would be four times its size.
    sums = [rows.float().sum(dim=0).double() for rows in head.weight.split(_ROWS_AT_ONCE)]
    mean_row, chosen = torch.stack(sums).sum(dim=0) / vocabulary, head.weight[token_ids].double()
    mean, logit = wide @ mean_row, (wide * chosen).sum(dim=1)
    if head.bias is not None:
        mean, logit = mean + head.bias.double().mean(), logit + head.bias[token_ids].double()
    found = logit - log_probs.double() - mean - math.log(vocabulary)
    cut = ~(log_probs > _CUT)
    if cut.any():
        found[cut] = _from_logits(states[cut], head)
    return found


def _from_logits(states: Tensor, head: Head) -> Tensor:
    parts = [head.logits(part).double() for part in states.split(_TOKENS_AT_ONCE)]
    return torch.cat([part.logsumexp(dim=1) - part.mean(dim=1) for part in parts]) - math.log(len(head.weight))
