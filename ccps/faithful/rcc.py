"""RCC, the recurrent confidence chain: probabilities of the tokens that the step before attends to.

Method: Mao and Venkat 2026, arXiv 2601.13368, in the adaptation of arXiv 2606.03969's released code.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.faithful.attention import Attending, Attention, Similarity
from ccps.faithful.modes import Mode, check_mode
from ccps.metrics.inputs import FloatArray


class StepChain(NamedTuple):
    """What RCC finds at each step."""

    q: FloatArray
    """Mean probability of the tokens attended to, `[steps]`."""
    p: FloatArray
    """The same, carried along the trace: the confidence of the step, `[steps]`."""


def rcc(
    states: Tensor | npt.ArrayLike,
    token_probs: Tensor | npt.ArrayLike,
    step_token_indices: Sequence[npt.ArrayLike],
    prompt_length: int,
    *,
    mu: float = 0.5,
    delta: float = 0.4,
    similarity: Similarity = "dot",
    mode: Mode = "strict",
) -> FloatArray:
    """Confidence of every step of a trace, see `rcc_chain`.

    Returns:
        `[steps]` in [0, 1], higher being more confident.

    Raises:
        ValueError: as `rcc_chain`.
    """
    return rcc_chain(
        states,
        token_probs,
        step_token_indices,
        prompt_length,
        mu=mu,
        delta=delta,
        similarity=similarity,
        mode=mode,
    ).p


@torch.inference_mode()
def rcc_chain(
    states: Tensor | npt.ArrayLike,
    token_probs: Tensor | npt.ArrayLike,
    step_token_indices: Sequence[npt.ArrayLike],
    prompt_length: int,
    *,
    mu: float = 0.5,
    delta: float = 0.4,
    similarity: Similarity = "dot",
    mode: Mode = "strict",
) -> StepChain:
    """Chain the confidences of steps through the attention of each step's tokens over the next step's.

    1. A = softmax over the columns of E_{i−1} E_iᵀ/√d, `[n_{i−1}, n_i]`; before the first step stands the prompt.
    2. r = 1[A ≥ μ] c: each token of the step before takes the probabilities of the tokens it attends to.
    3. q_i = mean of the non-zero r, 0 if there is none.
    4. p_1 = q_1 and p_i = δ q_i + (1 − δ) p_{i−1}. The last three steps have 78 % of the weight in the last p.

    Args:
        states: hidden states of prompt and generated tokens, `[prompt + generated, d]`. The released code takes the
            last layer's before the final norm.
        token_probs: probability at each generated token, `[generated]`; the released code takes that of the most
            probable token, not of the one drawn.
        step_token_indices: tokens of each step, counted from the first generated one.
        prompt_length: how many of the states are the prompt's.
        mu: attention from which on a token counts, in (0, 1].
        delta: weight of the step itself against those before it, in [0, 1].
        similarity: `dot`, or `cosine`, which scales states to length √d first, so that no token wins by its norm.
        mode: a step without tokens is NaN in `strict` and left out of the result in `parity`, so that later steps
            move forward. Where two tokens tie at attention ½, q may exceed 1 in `parity`; `strict` cuts it off.
            A missing probability, NaN or beyond the end, is 0 in `parity` and refused in `strict`.

    Returns:
        q and p of each step, computed in float32.

    Raises:
        ValueError: shapes that do not fit, an index without a state, a state that is not finite, or a setting out of
            range.
    """
    check_mode(mode)
    _check_settings(mu, delta)
    hidden = _read_states(states, prompt_length)
    attending = Attending(step_token_indices, prompt_length, similarity=similarity, least=mu)
    _check_steps(step_token_indices, len(hidden) - prompt_length)
    attending.take(hidden)
    return attended_chain(attending.found(), token_probs, step_token_indices, mu=mu, delta=delta, mode=mode)


@torch.inference_mode()
def attended_chain(
    attention: Attention,
    token_probs: Tensor | npt.ArrayLike,
    step_token_indices: Sequence[npt.ArrayLike],
    *,
    mu: float = 0.5,
    delta: float = 0.4,
    mode: Mode = "strict",
) -> StepChain:
    """`rcc_chain` without the states, from what of their attention was kept.

    Args:
        attention: of these steps, from `Attending`.
        token_probs: as in `rcc_chain`.
        step_token_indices: as in `rcc_chain`.
        mu: as in `rcc_chain`, at least `attention.least`.
        delta: as in `rcc_chain`.
        mode: as in `rcc_chain`.

    Returns:
        As `rcc_chain`.

    Raises:
        ValueError: as `rcc_chain`, or a threshold below that of the pairs that were kept.
    """
    check_mode(mode)
    _check_settings(mu, delta)
    if mu < attention.least:
        raise ValueError(
            f"Expected `mu` to be at least {attention.least}, from which on pairs of tokens were kept, but got {mu}. "
            "Have the traces read with a lower `least`."
        )
    _check_steps(step_token_indices, attention.n_tokens)
    probs = _read_probs(token_probs, attention.n_tokens, mode)
    lengths = [np.size(own) for own in step_token_indices]
    counts = torch.bincount(attention.pairs[:, 0].long(), minlength=len(lengths)).tolist()
    own_pairs = zip(attention.pairs.long().split(counts), attention.weights.split(counts), strict=True)
    qs, ps, p = [], [], math.nan
    for length, (pairs, weights) in zip(lengths, own_pairs, strict=True):
        if not length:
            qs.append(math.nan)
            ps.append(math.nan)
            continue
        q = _attended(pairs[weights >= mu], probs)
        q = min(q, 1.0) if mode == "strict" else q
        p = q if math.isnan(p) else delta * q + (1 - delta) * p
        qs.append(q)
        ps.append(p)
    chain = StepChain(np.array(qs, dtype=np.float64), np.array(ps, dtype=np.float64))
    return chain if mode == "strict" else StepChain(*(values[~np.isnan(values)] for values in chain))


def _attended(pairs: Tensor, probs: Tensor) -> float:
    """Mean of the non-zero r."""
    if not len(pairs):
        return 0.0
    r = torch.zeros(int(pairs[:, 1].max()) + 1).index_add(0, pairs[:, 1], probs[pairs[:, 2]])
    taken = r[r != 0]
    return float(taken.mean()) if len(taken) else 0.0


def _read_states(states: Tensor | npt.ArrayLike, prompt_length: int) -> Tensor:
    hidden = states if isinstance(states, Tensor) else torch.from_numpy(np.require(states, requirements="W"))
    if hidden.ndim != 2:
        raise ValueError(
            f"Expected `states` to have shape [prompt + generated, d], but got {tuple(hidden.shape)}. Pass one trace."
        )
    if not 0 < prompt_length <= len(hidden):
        raise ValueError(
            f"Expected `prompt_length` to be between 1 and the number of states, {len(hidden)}, but got "
            f"{prompt_length}. Pass the states of the prompt as well: the first step is compared with them."
        )
    return hidden


def _read_probs(token_probs: Tensor | npt.ArrayLike, n_generated: int, mode: Mode) -> Tensor:
    if isinstance(token_probs, Tensor):
        given = token_probs.float()
    else:
        given = torch.from_numpy(np.array(token_probs, dtype=np.float32))
    if mode == "parity":
        padded = torch.nn.functional.pad(given.nan_to_num(nan=0.0), (0, max(0, n_generated - len(given))))
        return padded[:n_generated]
    if given.shape != (n_generated,):
        raise ValueError(
            f"Expected `token_probs` to hold one probability for each of {n_generated} generated tokens, but got shape "
            f"{tuple(given.shape)}. Where ids and text do not align, the trace has no RCC."
        )
    if not bool(((given >= 0) & (given <= 1)).all()):
        raise ValueError(
            "Expected `token_probs` to lie in [0, 1], but got NaN or a value outside. Pass probabilities, not "
            "logarithms; a trace in which some are missing has no RCC."
        )
    return given


def _check_steps(steps: Sequence[npt.ArrayLike], n_generated: int) -> None:
    for number, step in enumerate(steps):
        own = np.asarray(step, dtype=np.int64)
        if len(own) and not 0 <= int(own.min()) <= int(own.max()) < n_generated:
            raise ValueError(
                f"Expected the tokens of step {number} to be among {n_generated} generated ones that have states, but "
                f"got index {int(own.max())}. Pass the state of every generated token, the last included."
            )


def _check_settings(mu: float, delta: float) -> None:
    if not 0 < mu <= 1:
        raise ValueError(f"Expected `mu` to lie in (0, 1], but got {mu}. The released code uses 0.5.")
    if not 0 <= delta <= 1:
        raise ValueError(f"Expected `delta` to lie in [0, 1], but got {delta}. The released code uses 0.4.")
