"""What a scorer says."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Confidence:
    """How probable it is that an answer is correct.

    Attributes:
        question_id: id of the question.
        answer: the answer that was judged.
        p_correct: P(the answer is correct), in [0, 1]; higher means more confident. NaN if the answer is empty.
        source: the method that said so, as readers know it.
        is_cut: whether the model was cut off at the limit of tokens before it had ended its answer.
        is_truncated: whether the answer is longer than the method reads, so that only its first tokens count.
    """

    question_id: str
    answer: str
    p_correct: float
    source: str = "CCPS"
    is_cut: bool = False
    is_truncated: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether to give an answer.

    Attributes:
        question_id: id of the question.
        answer: the answer, given or not.
        p_correct: P(the answer is correct), in [0, 1]; NaN if the answer is empty.
        abstain: whether to hold the answer back.
        why: what decided, as a sentence.
    """

    question_id: str
    answer: str
    p_correct: float
    abstain: bool
    why: str


@dataclass(frozen=True)
class Moved:
    """What a few labels have moved; prints as a sentence.

    Attributes:
        labels: answers that were known to be right or wrong.
        right: of them right.
        intercept: what is added to the log-odds of P(correct).
        before: mean of P(correct) of these answers as it was fitted.
        after: with the intercept.

    Example:
        >>> print(Moved(labels=20, right=15, intercept=0.5, before=0.64, after=0.74))
        20 labels, 15 right: +0.50 to all log-odds, which takes the mean P(correct) of these answers from 0.64 to 0.74
    """

    labels: int
    right: int
    intercept: float
    before: float
    after: float

    def __str__(self) -> str:
        return (
            f"{self.labels} labels, {self.right} right: {self.intercept:+.2f} to all log-odds, which takes the mean "
            f"P(correct) of these answers from {self.before:.2f} to {self.after:.2f}"
        )


@dataclass(frozen=True)
class Token:
    """A piece of an answer as it is written.

    Attributes:
        text: what it adds to the text; empty where a character is not complete yet.
        stability: how far the state that predicted it must be pushed against it until another token leads, in units of
            that state; infinite if none ever does. Of one model, more is steadier.
    """

    text: str
    stability: float


@dataclass(frozen=True)
class Reply:
    """An answer that has been written, with its confidence.

    Attributes:
        text: the answer.
        tokens: its pieces.
        p_correct: P(the answer is correct), in [0, 1]; NaN if the answer is empty.
        source: the method that said so.
        said: a sentence whose words stand for that probability; None unless it was asked for.
        is_cut: whether it was cut off at the limit of tokens.
    """

    text: str
    tokens: Sequence[Token]
    p_correct: float
    source: str
    said: str | None = None
    is_cut: bool = False
