"""When two answers to a question mean the same."""

from collections.abc import Callable, Sequence

from ccps.grading.letters import answer_letter
from ccps.grading.normalise import normalise

Entails = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]
"""Of pairs of a premise and a hypothesis: whether the one entails the other."""


def meaning(answer: str) -> str:
    """What two answers must have in common to count as the same: the option letter, else the normalised text."""
    return answer_letter(answer) or normalise(answer)


def in_same_words(answers: Sequence[str], entails: Entails | None = None) -> list[str]:
    """Put each answer in the words of the first one that means the same.

    Texts with one `meaning` mean the same. With a model of entailment, so do texts that entail each other: as in
    semantic entropy (Kuhn et al. 2023, arXiv 2302.09664, algorithm 1), an answer is compared with the first of each
    group and joins the first group that fits.

    Args:
        answers: to one question.
        entails: the model; None to compare texts alone.

    Returns:
        A text for each answer, in order; those of one meaning are equal.
    """
    words: dict[str, str] = {}
    for answer in answers:
        if meaning(answer) not in words:
            words[meaning(answer)] = _first_like(answer, list(dict.fromkeys(words.values())), entails)
    return [words[meaning(answer)] for answer in answers]


def _first_like(answer: str, others: list[str], entails: Entails | None) -> str:
    """The first of the others that entails the answer and is entailed by it; if there is none, the answer itself."""
    if entails is None or not others:
        return answer
    found = entails([pair for other in others for pair in ((answer, other), (other, answer))])
    both = (one and back for one, back in zip(found[::2], found[1::2], strict=True))
    return next((other for other, fits in zip(others, both, strict=True) if fits), answer)
