"""The fourth estimator: how the tokens of a step hold up when the states that predicted them are pushed against them.

With a probe, P(correct) of the step from the stability features of its tokens (CCPS, arXiv 2505.21772). Without one,
the exact distance at which the model would no longer write each token. Both read the final-normed state that predicted
a token, lie in [0, 1] and are higher the more confident the model is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.faithful import Mode, Step, step_means
from ccps.methods.stored_scorer import StoredScorer
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.perturbation import Head, flip_radius, stability_features
from ccps.reasoning.answers import extract_answer
from ccps.settings.probe import EncoderConfig

_ROWS = 128


class StepStability(NamedTuple):
    """What a probe says of the steps of one trace."""

    confidence: FloatArray
    """P(correct) of each step, `[steps]`; NaN for a step without tokens."""
    truncated: int
    """Steps longer than the probe reads, of which only the first tokens count."""
    zeroed: Mapping[str, int]
    """Reason → number of feature values that the probe set to 0."""


def check_step_probe(scorer: StoredScorer, fingerprint: str) -> None:
    """Refuse a probe that cannot read the steps of a model's traces.

    Args:
        scorer: the probe with its settings.
        fingerprint: of the model that wrote the traces.

    Raises:
        UserError: the probe is for multiple choice, or was fitted on other weights, or the scorer is not CCPS's.
    """
    settings, _ = scorer.settings, scorer.probe
    if settings.format != "oe":
        raise expected(
            "the probe for the steps",
            "one for open-ended answers",
            f"one for format {settings.format!r}, which reads the letter of an option",
            "Give the folder `oe` of a model's scorers, or none to use the flip radius.",
        )
    if settings.fingerprint != fingerprint:
        raise expected(
            "the probe for the steps",
            f"fitted on the model that wrote the traces ({fingerprint})",
            f"one fitted on `{settings.model_name}` with other weights, tokenizer or settings ({settings.fingerprint})",
            "Give a probe of this model, or none to use the flip radius.",
        )


def probe_stability(
    final: Tensor,
    head: Head,
    token_ids: Sequence[int],
    step_token_indices: Sequence[npt.ArrayLike],
    scorer: StoredScorer,
) -> StepStability:
    """Read the probe on the tokens of each step, as if the step were an answer.

    Features are computed only of tokens that the probe reads: the first `max_tokens` of a step, or the last one if the
    probe is a perceptron.

    Args:
        final: final-normed state that predicted each generated token, `[tokens, d]`.
        head: the model's head, on the same device; fastest in float32.
        token_ids: generated ids, `[tokens]`.
        step_token_indices: the tokens of each step, counted from the first generated one.
        scorer: the probe, see `check_step_probe`.

    Raises:
        ValueError: states, ids and indices do not fit each other.

    Source: CCPS, arXiv 2505.21772; reading it on steps of a trace is ours.
    """
    steps = _checked_steps(final, token_ids, step_token_indices)
    encoder = scorer.probe.config.encoder
    own = [read_by_probe(step, tokens_read(encoder)) for step in steps]
    tokens = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *own]))
    if not len(tokens):
        return probed_steps(np.empty((0, 0)), tokens, steps, scorer)
    features = stability_features(
        final[torch.from_numpy(tokens).to(final.device)],
        head,
        torch.tensor([token_ids[token] for token in tokens], device=final.device),
        radius=scorer.settings.radius,
        steps=scorer.settings.steps,
    )
    return probed_steps(features.cpu().numpy(), tokens, steps, scorer)


def probed_steps(
    table: npt.NDArray[np.floating], tokens: IntArray, step_token_indices: Sequence[npt.ArrayLike], scorer: StoredScorer
) -> StepStability:
    """`probe_stability` without the states, from features that were computed before.

    Args:
        table: stability features, `[some, 75]`.
        tokens: of which tokens, `[some]`, in order; all that the probe reads are among them.
        step_token_indices: as in `probe_stability`.
        scorer: as in `probe_stability`, its perturbation settings those of the features.

    Raises:
        ValueError: the features of a token are missing.
    """
    probe = scorer.probe
    steps = [np.asarray(indices, dtype=np.int64) for indices in step_token_indices]
    filled = np.array([len(own) > 0 for own in steps], dtype=np.bool_)
    confidence = np.full(len(steps), np.nan)
    if not filled.any():
        return StepStability(confidence, 0, {})
    read = [read_by_probe(own, tokens_read(probe.config.encoder)) for own in steps if len(own)]
    wanted = np.concatenate(read)
    if absent := np.setdiff1d(wanted, tokens).tolist():
        raise ValueError(
            f"Expected `tokens` to hold all that the probe reads, but got none of {len(absent)}, the first of them "
            f"{absent[0]}. Compute the features of all of them."
        )
    rows = np.searchsorted(tokens, wanted)
    confidence[filled] = probe.predict(table[rows], [len(own) for own in read])
    return StepStability(
        confidence=confidence,
        truncated=probe.truncated([len(own) for own in steps if len(own)]),
        zeroed=probe.clean(table[np.unique(rows)]).zeroed,
    )


def token_radii(final: Tensor, head: Head, token_ids: Sequence[int]) -> FloatArray:
    """How far the state of each token must be pushed against it until the model would no longer write it.

    The exact flip radius along the gradient of −ln p_t; 0 where the token was drawn though another one is the most
    probable, inf where it leads for ever.

    Args:
        final: final-normed state that predicted each generated token, `[tokens, d]`.
        head: the model's head, on the same device; fastest in float32.
        token_ids: generated ids, `[tokens]`.

    Returns:
        `[tokens]`, in units of the state.

    Raises:
        ValueError: states and ids do not fit each other.
    """
    _checked_steps(final, token_ids, ())
    if not len(final):
        return np.empty(0)
    ids = torch.tensor(list(token_ids), device=final.device)
    radius = flip_radius(final, head, ids)
    likeliest = torch.cat([head.logits(rows).argmax(dim=1) for rows in final.split(_ROWS)])
    radii: FloatArray = torch.where(likeliest == ids, radius, 0.0).double().cpu().numpy()
    return radii


def typical_radius(radii: Iterable[FloatArray]) -> float:
    """The median of the radii of a run that are finite and above 0, against which each is measured.

    Args:
        radii: those of each trace, `[tokens]`.

    Returns:
        NaN if there is none.
    """
    counted = [own[np.isfinite(own) & (own > 0)] for own in radii]
    pooled = np.concatenate([np.empty(0), *counted])
    return float(np.median(pooled)) if len(pooled) else np.nan


def radius_stability(radii: FloatArray, step_token_indices: Sequence[npt.ArrayLike], typical: float) -> FloatArray:
    """Confidence of each step from the radii of its tokens: the mean of r/(r + r₀), which is 1 where r is infinite.

    Args:
        radii: from `token_radii`, `[tokens]`.
        step_token_indices: the tokens of each step.
        typical: r₀, from `typical_radius`: a token of this radius has confidence ½.

    Returns:
        `[steps]`, NaN for a step without tokens.

    Raises:
        ValueError: a typical radius that is not above 0, or an index beyond the tokens.
    """
    return step_means(_normalised(radii, typical), step_token_indices)


def answer_step(text: str, answer: str | None) -> Step | None:
    """Find the final answer in a generated text, so that the confidence in its tokens can be read like that of a step.

    Args:
        text: what the model generated.
        answer: what `extract_answer` found in it, in either mode; None if nothing.

    Returns:
        The characters of the answer; None if there is none.
    """
    found = [extract_answer(text, mode=mode) for mode in get_args(Mode)]
    places = [Step(one.start, one.end, one.text) for one in found if one.text and one.text == answer]
    return places[0] if places else None


def _normalised(radii: FloatArray, typical: float) -> FloatArray:
    if typical <= 0:
        raise ValueError(f"Expected `typical` to be above 0, but got {typical}. Pass what `typical_radius` gives.")
    finite = np.isfinite(radii)
    share = np.ones(len(radii))
    share[finite] = np.where(radii[finite] > 0, radii[finite] / (radii[finite] + typical), 0.0)
    return share


def tokens_read(encoder: EncoderConfig) -> int | None:
    """How many tokens a probe reads of a step; None if it reads the last one."""
    return encoder.max_tokens if encoder.kernels else None


def read_by_probe(tokens: IntArray, max_tokens: int | None) -> IntArray:
    """Those of a step's tokens that a probe reads, see `tokens_read`."""
    return tokens[-1:] if max_tokens is None else tokens[:max_tokens]


def _checked_steps(
    final: Tensor, token_ids: Sequence[int], step_token_indices: Sequence[npt.ArrayLike]
) -> list[IntArray]:
    if final.ndim != 2 or len(final) != len(token_ids):
        raise ValueError(
            f"Expected `final` to hold one state for each of {len(token_ids)} tokens, but got shape "
            f"{tuple(final.shape)}. Pass the states that predicted the generated tokens, without those of the prompt."
        )
    steps = [np.asarray(indices, dtype=np.int64) for indices in step_token_indices]
    last = max((int(own.max()) for own in steps if len(own)), default=-1)
    if last >= len(final):
        raise ValueError(
            f"Expected the tokens of steps to be among {len(final)} generated ones, but got index {last}. "
            "Count them from the first generated token."
        )
    return steps
