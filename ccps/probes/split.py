"""Holding out validation questions, and refusing labels that no probe can be fitted to."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccps.core.errors import UserError, expected


class Split(NamedTuple):
    """Row indices of the two sides."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def check_labels(labels: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Return labels as int64 `[rows]`.

    Raises:
        UserError: there is not one label per row, or a label is missing or neither 0 nor 1.
    """
    values = np.asarray(labels, dtype=np.float64)
    if values.shape != (rows,):
        raise expected("`labels`", f"{rows} values, one per row", f"shape {values.shape}", "Pass both together.")
    unusable = ~np.isin(values, (0.0, 1.0))
    if unusable.any():
        raise expected(
            "`labels`",
            "0 (wrong) or 1 (right)",
            f"{np.unique(values[unusable])[:5].tolist()} in {int(unusable.sum())} of {rows} rows",
            "Leave out the answers whose correctness is unknown.",
        )
    return values.astype(np.int64)


def check_complete(question_ids: Sequence[object]) -> None:
    """Refuse identifiers that are missing.

    Raises:
        UserError: one is None or NaN.
    """
    if any(question is None or question != question for question in question_ids):
        raise expected("`question_ids`", "complete", "missing ones", "Name the question of every row.")


class ByQuestion(NamedTuple):
    """Rows as they belong to questions.

    Attributes:
        codes: the question of each row, `[rows]`, counted from 0 in the order in which they come.
        strata: `[questions]`, 1 where at least half of its rows have the label 1, else 0.
    """

    codes: NDArray[np.int64]
    strata: NDArray[np.int64]


def by_question(labels: NDArray[np.int64], question_ids: Sequence[object]) -> ByQuestion:
    """Number the questions, and give each the label of most of its rows.

    Raises:
        UserError: an id is missing.
    """
    check_complete(question_ids)
    numbers: dict[object, int] = {}
    codes = np.array([numbers.setdefault(question, len(numbers)) for question in question_ids], dtype=np.int64)
    return ByQuestion(codes, (np.bincount(codes, weights=labels) >= 0.5 * np.bincount(codes)).astype(np.int64))


def split_by_question(labels: NDArray[np.int64], question_ids: Sequence[object], fraction: float, seed: int) -> Split:
    """Hold out a share of the questions, stratified by label; rows of one question stay on one side.

    A question whose rows disagree is stratified by their majority (a tie counts as right). With one row per
    question this is scikit-learn's `train_test_split` of the rows, as in CCPS (arXiv 2505.21772).

    Args:
        labels: `[rows]`, 0 or 1.
        question_ids: `[rows]`.
        fraction: share of questions held out.
        seed: `random_state` of the split.

    Raises:
        UserError: the rows are too few or too one-sided to be fitted and stratified.
    """
    if len(labels) == 0:
        raise UserError("A probe cannot be fitted: no rows are left. Add answers whose features are finite.")
    codes, strata = by_question(labels, question_ids)
    _check_strata(strata, fraction)
    from sklearn.model_selection import train_test_split  # takes a second

    train, validation = train_test_split(np.arange(len(strata)), test_size=fraction, stratify=strata, random_state=seed)
    split = Split(train=np.flatnonzero(np.isin(codes, train)), validation=np.flatnonzero(np.isin(codes, validation)))
    if len(np.unique(labels[split.train])) < 2:
        raise _one_sided(int(labels[split.train[0]]), "rows left for training")
    return split


def question_folds(
    labels: NDArray[np.int64], question_ids: Sequence[object], folds: int, seed: int
) -> NDArray[np.int64]:
    """Divide questions into folds, stratified by label; rows of one question stay in one.

    A question whose rows disagree is stratified by their majority (a tie counts as right). There are fewer folds where
    there are fewer questions of one of the labels, so that every fold has both.

    Args:
        labels: `[rows]`, 0 or 1.
        question_ids: `[rows]`.
        folds: how many, at least 2.
        seed: of the division.

    Returns:
        The fold of each row, `[rows]`, counted from 0.

    Raises:
        UserError: an id is missing, or fewer than two questions have one of the labels.
    """
    codes, strata = by_question(labels, question_ids)
    right = int(strata.sum())
    fewest = min(right, len(strata) - right)
    if fewest < 2:
        raise UserError(
            f"{len(strata)} questions, {right} of them answered right, cannot be divided into folds: it takes two of "
            "each kind. Add questions that are harder or easier for this model."
        )
    of_question = np.empty(len(strata), dtype=np.int64)
    from sklearn.model_selection import StratifiedKFold  # takes a second

    splitter = StratifiedKFold(min(folds, fewest), shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(strata, strata)):
        of_question[held_out] = fold
    return of_question[codes]


def _check_strata(strata: NDArray[np.int64], fraction: float) -> None:
    questions, right = len(strata), int(strata.sum())
    if right in (0, questions):
        raise _one_sided(int(right > 0), f"{questions} questions")
    held_out = math.ceil(fraction * questions)
    if min(right, questions - right) < 2 or held_out < 2 or questions - held_out < 2:
        raise UserError(
            f"A probe cannot be fitted: {right} questions answered right and {questions - right} wrong are "
            f"too few to hold out {fraction:g} of them stratified by label, which takes two of each label "
            "and two on each side. Add questions, or hold out another share."
        )


def _one_sided(label: int, what: str) -> UserError:
    return UserError(
        f"A probe cannot be fitted: all {what} are answered {('wrong', 'right')[label]}. "
        "Add questions that are harder or easier for this model."
    )
