"""Whether somebody knows more than guessing gives."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np


def guessing_rate(options: Sequence[int], accepted: Sequence[Collection[str]]) -> float:
    """The share of right answers that can be had without reading a question.

    That is the mean of one over the number of options, or the share of the answer that is right most often (always "b",
    always "yes"), whichever is more.

    Args:
        options: how many each question has; 0 of an open-ended one, which nobody guesses.
        accepted: the answers that are right, of each question.

    Returns:
        A share from 0 to 1.
    """
    at_random = float(np.mean([1 / number if number else 0.0 for number in options]))
    counts = Counter(answer for answers in accepted for answer in set(answers))
    always_the_same = max(counts.values(), default=0) / len(accepted)
    return max(at_random, always_the_same)


def p_of_guessing(right: int, n: int, rate: float) -> float:
    """How probable it is that guessing gets so many right, or more: the exact binomial test, one-sided.

    Where questions differ in their number of options, the binomial law of their mean is wider than the exact one: the
    test errs on the side of chance.
    """
    from scipy.stats import binomtest

    return float(binomtest(right, n, min(rate, 1.0), alternative="greater").pvalue)
