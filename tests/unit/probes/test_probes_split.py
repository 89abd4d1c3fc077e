from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.model_selection import train_test_split

from ccps.core.errors import UserError
from ccps.probes.split import check_labels, question_folds, split_by_question


@given(st.lists(st.integers(1, 4), min_size=40, max_size=80), st.integers(0, 1000))
def test_no_question_lies_on_both_sides_and_every_row_on_one(rows_per_question: list[int], seed: int) -> None:
    questions = np.repeat(np.arange(len(rows_per_question)), rows_per_question)
    split = split_by_question((questions % 3 > 0).astype(np.int64), questions.tolist(), 0.1, seed)
    assert not set(questions[split.train]) & set(questions[split.validation])
    assert sorted([*split.train, *split.validation]) == list(range(len(questions)))


def test_a_tenth_of_the_questions_is_held_out_in_the_proportion_of_the_labels() -> None:
    labels = np.array([1] * 140 + [0] * 60).repeat(2)
    split = split_by_question(labels, np.arange(200).repeat(2).tolist(), 0.1, seed=0)
    assert len(split.validation) == 40
    assert labels[split.validation].sum() == 28


def test_with_one_row_per_question_it_is_sklearns_split_of_the_rows() -> None:
    labels = (np.random.default_rng(0).random(101) < 0.7).astype(np.int64)
    split = split_by_question(labels, [f"q{row}" for row in range(101)], 0.1, seed=23)
    train, validation = train_test_split(np.arange(101), test_size=0.1, stratify=labels, random_state=23)
    assert sorted(train) == split.train.tolist()
    assert sorted(validation) == split.validation.tolist()


def test_the_seed_decides_the_split() -> None:
    labels, questions = np.arange(100) % 2, list(range(100))
    assert (
        split_by_question(labels, questions, 0.1, 0).validation.tolist()
        == split_by_question(labels, questions, 0.1, 0).validation.tolist()
    )
    assert (
        split_by_question(labels, questions, 0.1, 0).validation.tolist()
        != split_by_question(labels, questions, 0.1, 1).validation.tolist()
    )


@pytest.mark.parametrize(("label", "word"), [(0, "wrong"), (1, "right")])
def test_one_sided_answers_cannot_be_fitted(label: int, word: str) -> None:
    with pytest.raises(UserError, match=f"A probe cannot be fitted: all 30 questions are answered {word}"):
        split_by_question(np.full(30, label), list(range(30)), 0.1, 0)


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [([1] * 50 + [0], 0.1), ([1, 1, 0, 0, 1, 0], 0.1), ([1, 1, 0, 0, 1, 0], 0.9)],
    ids=["one wrong question", "one question held out", "no questions left for training"],
)
def test_too_few_to_stratify(labels: list[int], fraction: float) -> None:
    with pytest.raises(UserError, match="are too few to hold out"):
        split_by_question(np.array(labels), list(range(len(labels))), fraction, 0)


def test_training_rows_of_one_label_cannot_be_fitted() -> None:
    # Two wrong questions of a hundred, nearly all held out: training keeps right answers only.
    labels = np.array([0, 0] + [1] * 98)
    with pytest.raises(UserError, match="all rows left for training are answered right"):
        split_by_question(labels, list(range(100)), 0.9, 0)


def test_no_rows_and_unnamed_questions_are_refused() -> None:
    with pytest.raises(UserError, match="no rows are left"):
        split_by_question(np.array([], dtype=np.int64), [], 0.1, 0)
    with pytest.raises(UserError, match="Expected `question_ids` to be complete"):
        split_by_question(np.arange(30) % 2, [None, *range(29)], 0.1, 0)
    with pytest.raises(UserError, match="Expected `question_ids` to be complete"):
        split_by_question(np.arange(30) % 2, [float("nan"), *range(29)], 0.1, 0)


def test_labels_are_zero_or_one_and_complete() -> None:
    assert check_labels([True, False], 2).tolist() == [1, 0]
    with pytest.raises(
        UserError, match=r"Expected `labels` to be 0 \(wrong\) or 1 \(right\), but got \[nan\] in 1 of 2"
    ):
        check_labels([1.0, np.nan], 2)
    with pytest.raises(UserError, match=r"got \[2.0\] in 1 of 2"):
        check_labels([1, 2], 2)
    with pytest.raises(UserError, match="Expected `labels` to be 3 values"):
        check_labels([1, 0], 3)


@given(
    labels=arrays(np.int64, st.integers(8, 60), elements=st.integers(0, 1)),
    folds=st.integers(2, 6),
    seed=st.integers(0, 3),
)
def test_folds_keep_questions_whole_and_both_labels_in_each(labels: Any, folds: int, seed: int) -> None:
    ids = [f"q{number // 2}" for number in range(len(labels))]
    question = np.arange(len(labels)) // 2
    right = np.bincount(question, weights=labels) >= 0.5 * np.bincount(question)
    fewest = min(right.sum(), (~right).sum())
    if fewest < 2:
        with pytest.raises(UserError, match="takes two of each kind"):
            question_folds(labels, ids, folds, seed)
        return
    found = question_folds(labels, ids, folds, seed)
    assert found.tolist() == question_folds(labels, ids, folds, seed).tolist()
    assert set(found) == set(range(min(folds, fewest)))
    for number in range(question.max() + 1):
        assert len(set(found[question == number])) == 1
    for fold in set(found):
        assert set(right[question[found == fold]]) == {False, True}
