"""What a fitted probe owes to each feature: Shapley values."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from ccps.core.errors import expected
from ccps.metrics.inputs import check_positive
from ccps.metrics.resampling import drawn_counts, percentile_ends
from ccps.probes.fitted import FittedProbe, to_inputs
from ccps.probes.importance import group_columns, p_correct, tokens_read
from ccps.probes.resampled import FloatArray
from ccps.probes.sequences import check_lengths

_COALITIONS_AT_ONCE = 16


class ShapValues(NamedTuple):
    """Shapley values of some answers: `values.sum(axis=1) + expected == predicted`."""

    values: FloatArray
    """`[answers, features]`, what each feature adds to P(correct)."""
    expected: FloatArray
    """`[answers]`, mean P(correct) of the background at the answer's length."""
    predicted: FloatArray
    """`[answers]`, P(correct)."""


def shap_importance(
    probe: FittedProbe,
    features: ArrayLike,
    lengths: Sequence[int],
    background_features: ArrayLike,
    background_lengths: Sequence[int],
    *,
    explained: int = 100,
    background: int = 25,
    permutations: int = 2,
    looks: int | None = None,
    resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean absolute Shapley value of each feature for P(correct), over answers drawn at random.

    Args:
        probe: what is examined.
        features: `[tokens, features]` of answers to explain (test), columns as in `probe.feature_names`.
        lengths: `[answers]`, tokens of each.
        background_features: of answers that stand for features that are absent (training).
        background_lengths: tokens of each of these.
        explained: answers that are explained, drawn without replacement; all if there are fewer.
        background: likewise for the background.
        permutations: as in `shap_values`.
        looks: answers that the probe is shown, at most. Where the numbers above come to more, each explained answer is
            held against fewer of the background, drawn for it alone: the estimate stays without bias, and what it
            varies by more is small beside the draw of the explained answers. One of the background is the least.
        resamples: of the explained answers, for the interval.
        seed: of all that is drawn.
        level: probability that the interval is to hold.

    Returns:
        A row for each feature: feature, group (missing if none), shap (mean of |value|, a fraction), ci_low, ci_high,
        n (explained answers), background (answers that each was held against), permutations. The interval covers the
        draw of the explained answers, not that of background and permutations.

    Raises:
        UserError: a table does not fit the probe or its lengths, or holds no answer.
        ValueError: a number is out of range.
    """
    for name, number in (("explained", explained), ("background", background), ("resamples", resamples)):
        check_positive(name, number)
    draws = np.random.SeedSequence(seed).generate_state(5).tolist()
    shown = _drawn(_answers(probe, features, lengths), explained, draws[0])
    known = _drawn(_answers(probe, background_features, background_lengths), background, draws[1])
    each = _affordable(looks, len(shown) * permutations * (2 * len(probe.feature_names) + 1), len(known))
    drawing = np.random.SeedSequence(draws[4]).generate_state(len(shown)).tolist()
    backgrounds = [known if each == len(known) else _drawn(known, each, one) for one in drawing]
    sizes = np.abs(shap_values(probe, shown, backgrounds, permutations=permutations, seed=draws[2]).values)
    resampled = drawn_counts(np.random.default_rng(draws[3]), resamples, len(sizes)) @ sizes / len(sizes)
    ends = [percentile_ends(column, level) for column in resampled.T]
    groups = {column: group for group, columns in group_columns(probe.feature_names).items() for column in columns}
    return pd.DataFrame(
        {
            "feature": probe.feature_names,
            "group": [groups.get(column) for column in range(len(probe.feature_names))],
            "shap": sizes.mean(axis=0),
            "ci_low": [low for low, _ in ends],
            "ci_high": [high for _, high in ends],
            "n": len(sizes),
            "background": each,
            "permutations": permutations,
        }
    )


def shap_values(
    probe: FittedProbe,
    answers: Sequence[FloatArray],
    backgrounds: Sequence[Sequence[FloatArray]],
    *,
    permutations: int,
    seed: int,
) -> ShapValues:
    """Shapley values of the features of answers for P(correct) (Lundberg and Lee, arXiv 1705.07874).

    The value of a set of features is the mean P(correct) over the background, with the set's columns taken from the
    answer and the others from the background answer. A feature is present or absent in all tokens of an answer at
    once. Where the network reads sequences, a background answer is brought to the length of the explained one by
    reading it at as many evenly spread places (token ⌊p·T_b/T⌋ at place p of T), which repeats tokens of a shorter
    and skips tokens of a longer one: every row stays one that was measured, beginnings stand in for beginnings, and
    which places are tokens is part of the answer, not a feature.

    The estimate is shap's by permutations, forward and backward: exact up to interactions of two features, and its
    sum always. Its estimates by gradients or layer rules have no exact sum, that by regression is far less accurate at
    this cost.

    Args:
        probe: what is examined.
        answers: `[tokens read, features]` of each, cleaned and not scaled.
        backgrounds: likewise, those that each answer is held against.
        permutations: how many, each read in both directions.
        seed: of the permutations.

    Raises:
        ValueError: `permutations` is below 1.
    """
    check_positive("permutations", permutations)
    seeds = np.random.SeedSequence(seed).generate_state(len(answers)).tolist()
    found = []
    for answer, background, one_seed in zip(answers, backgrounds, seeds, strict=True):
        value = _value_of_sets(probe, answer, background)
        none, everything = value(np.array([[False], [True]]).repeat(len(probe.feature_names), axis=1))
        found.append((_shapley(value, len(probe.feature_names), permutations, one_seed), none, everything))
    values, none, everything = zip(*found, strict=True)
    return ShapValues(np.array(values), np.array(none), np.array(everything))


Value = Callable[[NDArray[np.bool_]], FloatArray]


def _value_of_sets(probe: FittedProbe, answer: FloatArray, background: Sequence[FloatArray]) -> Value:
    """The value of sets of features: bool `[sets, features]` to `[sets]`."""
    tokens = len(answer)
    fitting = [rows[np.arange(tokens) * len(rows) // tokens] for rows in background]
    own, others = _inputs(probe, [answer]), _inputs(probe, fitting)

    def value(sets: NDArray[np.bool_]) -> FloatArray:
        present = torch.from_numpy(np.asarray(sets, dtype=np.bool_))
        if probe.config.encoder.kernels:  # the last channel, which says where tokens are, belongs to the answer
            present = torch.cat([present, present.new_ones(len(present), 1)], dim=1)[:, None]
        mixed = torch.where(present[:, None], own, others).flatten(0, 1)
        means: FloatArray = p_correct(probe, mixed).reshape(len(present), -1).mean(axis=1)
        return means

    return value


def _shapley(value: Value, features: int, permutations: int, seed: int) -> FloatArray:
    """Shapley values of a game: explain `value` at the full set, against the empty one."""
    with _quietly():
        import shap  # takes seconds

        explainer = shap.PermutationExplainer(value, np.zeros((1, features)), seed=seed)
        whole = np.ones((1, features))
        evaluations = permutations * (2 * features + 1)
        explanation = explainer(whole, max_evals=evaluations, batch_size=_COALITIONS_AT_ONCE, silent=True)
    values: FloatArray = explanation.values[0]
    return values


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep from shap's users that it seeds numpy's global random state and imports with warnings of deprecation."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _inputs(probe: FittedProbe, answers: Sequence[FloatArray]) -> torch.Tensor:
    lengths = np.array([len(rows) for rows in answers], dtype=np.int64)
    return to_inputs(probe.config.encoder, probe.scaler, np.concatenate(answers), lengths)


def _answers(probe: FittedProbe, features: ArrayLike, lengths: Sequence[int]) -> list[FloatArray]:
    """The rows of each answer that the probe reads, cleaned: of the perceptron the last, of convolutions the first."""
    rows = probe.clean(features).features
    checked = check_lengths(lengths, len(rows))
    if not len(checked):
        raise expected("`lengths`", "those of at least one answer", "none", "Pass some answers.")
    ends, read = np.cumsum(checked), tokens_read(probe, checked)
    starts = ends - (checked if probe.config.encoder.kernels else 1)
    return [rows[start : start + number] for start, number in zip(starts, read, strict=True)]


def _affordable(looks: int | None, coalitions: int, background: int) -> int:
    """How many of the background each explained answer is held against."""
    return background if looks is None else min(background, max(1, looks // coalitions))


def _drawn(answers: list[FloatArray], number: int, seed: int) -> list[FloatArray]:
    chosen = np.random.default_rng(seed).permutation(len(answers))[:number]
    return [answers[place] for place in chosen]
