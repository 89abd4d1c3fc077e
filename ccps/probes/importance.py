"""What a fitted probe owes to each group of features: permutation importance."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.random import SeedSequence
from numpy.typing import ArrayLike, NDArray

from ccps.metrics.inputs import check_positive
from ccps.metrics.resampling import drawn_counts, percentile_ends
from ccps.perturbation.names import ORIGINAL_NAMES, PERTURBED_STEMS, SUMMARIES, TRAJECTORY_NAMES
from ccps.probes.fitted import FittedProbe, to_inputs
from ccps.probes.resampled import FloatArray, auroc, resampled_auroc, why_undefined
from ccps.probes.sequences import check_lengths
from ccps.probes.split import check_labels

_COMPARING = PERTURBED_STEMS.index("kl_div_perturbed_from_original")


def _summaries(stems: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{stem}_{summary}" for stem in stems for summary in SUMMARIES)


FEATURE_GROUPS: Final = MappingProxyType(
    {
        "original state": ORIGINAL_NAMES,
        "overall perturbation": TRAJECTORY_NAMES,
        "perturbed state": _summaries(PERTURBED_STEMS[:_COMPARING]),
        "comparison": _summaries(PERTURBED_STEMS[_COMPARING:]),
    }
)
"""The 75 features in the groups of CCPS (arXiv 2505.21772): 12, 3, 40 and 20 of them."""


def group_columns(feature_names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Columns of each group that are among the features of a probe; groups without any are left out."""
    columns = {
        group: np.array([column for column, name in enumerate(feature_names) if name in names], dtype=np.int64)
        for group, names in FEATURE_GROUPS.items()
    }
    return {group: found for group, found in columns.items() if len(found)}


def grouped_permutation_importance(
    probe: FittedProbe,
    features: ArrayLike,
    lengths: Sequence[int],
    correct: ArrayLike,
    *,
    repeats: int = 20,
    resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """How much AUROC a fitted probe loses when one group of features is taken from another answer.

    The probe is not fitted again. A random cyclic permutation gives each answer the group's columns of another one, so
    that in expectation every pair of different answers counts alike (model reliance; Fisher, Rudin and Dominici,
    arXiv 1801.01489, the estimator over all i ≠ j). Columns of a group move together, and so do all tokens: a
    network that reads sequences gets the columns of one whole answer. Answers trade places only with answers of
    which the probe reads as many tokens: what moves is then always the group as it was measured somewhere, never cut,
    padded or torn between tokens, and the drop says what the group knows beyond the length, which is in no group.
    The perceptron reads one token of each, so that all may trade. An answer whose length is its own stays as it is
    and is counted; it draws the drop towards 0.

    Groups carry much of the same information, so that drops do not add up, and a small one does not say that a probe
    without the group would be worse by no more.

    Args:
        probe: what is examined.
        features: `[tokens, features]`, columns as in `probe.feature_names`.
        lengths: `[answers]`, tokens of each.
        correct: `[answers]`, 1 or true where it is right.
        repeats: permutations, over which the drop is averaged.
        resamples: of questions and permutations, for the interval.
        seed: of permutations and resamples.
        level: probability that the interval is to hold.

    Returns:
        A row for each group: group, features (how many), auroc (with all groups in place), drop, ci_low, ci_high, n
        (answers), unmoved, reason. Drops are fractions, positive where the group helps. Percentile intervals cover
        the draw of the questions and that of the permutations, both drawn anew in each resample; not the training of
        the probe. Where AUROC is undefined the numbers are NaN and `reason` says why; else it is missing.

    Raises:
        UserError: the table does not fit the probe or the lengths, or labels are missing.
        ValueError: `repeats`, `resamples` or `level` is out of range.
    """
    check_positive("repeats", repeats)
    rows = probe.clean(features).features
    answers = check_lengths(lengths, len(rows))
    y = check_labels(correct, len(answers)).astype(np.bool_)
    read = tokens_read(probe, answers)
    groups = group_columns(probe.feature_names)
    table = pd.DataFrame({"group": list(groups), "features": [len(columns) for columns in groups.values()]})
    reason = why_undefined(y)
    if reason is None:
        inputs = to_inputs(probe.config.encoder, probe.scaler, rows, answers)
        permuting, drawing = SeedSequence(seed).spawn(2)
        rng = np.random.default_rng(permuting)
        donors = [cyclic_permutation(read, rng) for _ in range(repeats)]
        whole = p_correct(probe, inputs)
        others = [[p_correct(probe, _replaced(inputs, columns, d)) for d in donors] for columns in groups.values()]
        numbers = _drops(whole, np.array(others), y, resamples, drawing, level)
    else:
        numbers = np.full((len(groups), 4), np.nan)
    table[["auroc", "drop", "ci_low", "ci_high"]] = numbers
    unmoved = int(np.count_nonzero(np.bincount(read)[read] == 1))
    return table.assign(n=len(y), unmoved=unmoved, reason=reason)


def _drops(
    whole: FloatArray, others: FloatArray, correct: NDArray[np.bool_], resamples: int, seed: SeedSequence, level: float
) -> FloatArray:
    """AUROC, mean drop and its interval of each group, `[groups, 4]`.

    Args:
        whole: `[answers]`, P(correct) with all groups in place.
        others: `[groups, repeats, answers]`, with one group from other answers.
        correct: `[answers]`.
        resamples: of answers and of repeats together.
        seed: of the resamples.
        level: of the interval.
    """
    groups, repeats, answers = others.shape
    both = np.concatenate([whole[None], others.reshape(-1, answers)])
    seeds = seed.generate_state(2).tolist()
    areas, resampled = auroc(both, correct), resampled_auroc(both, correct, resamples, seeds[0])
    drops = (areas[0] - areas[1:]).reshape(groups, repeats)
    resampled_drops = (resampled[0] - resampled[1:]).reshape(groups, repeats, resamples)
    times = drawn_counts(np.random.default_rng(seeds[1]), resamples, repeats)
    means = np.einsum("grb,br->gb", resampled_drops, times / repeats)
    ends = np.array([percentile_ends(values, level) for values in means])
    return np.column_stack([np.full(groups, areas[0]), drops.mean(axis=1), ends])


def cyclic_permutation(kinds: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each item another one of its kind, every item being drawn once; one alone of its kind draws itself."""
    donors = np.arange(len(kinds))
    for kind in np.unique(kinds):
        ring = rng.permutation(np.flatnonzero(kinds == kind))
        donors[ring] = np.roll(ring, 1)
    return donors


def tokens_read(probe: FittedProbe, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many tokens of each answer, of lengths `[answers]`, the network reads: the last one, or the first so many."""
    encoder = probe.config.encoder
    return np.minimum(lengths, encoder.max_tokens if encoder.kernels else 1)


def p_correct(probe: FittedProbe, inputs: torch.Tensor) -> FloatArray:
    """P(correct) of what the encoder reads, `[answers, ...]` scaled as `to_inputs` does: `[answers]`."""
    with torch.inference_mode():
        logits = torch.cat([probe.network(batch) for batch in inputs.split(4096)])
    probabilities: FloatArray = logits.double().softmax(dim=1)[:, 1].numpy()
    return probabilities


def _replaced(inputs: torch.Tensor, columns: NDArray[np.int64], donors: NDArray[np.int64]) -> torch.Tensor:
    replaced = inputs.clone()
    replaced[..., columns] = inputs[donors][..., columns]
    return replaced
