"""A wrong answer to every question, for a method that learns from right and wrong ones."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ccps.data.records import Question
from ccps.grading.normalise import normalise

OPTION, OWN, FOREIGN = "another option", "the model's own", "that of another question"


class Wrong(NamedTuple):
    """A wrong answer.

    Attributes:
        text: what it says.
        origin: `OPTION`, `OWN` or `FOREIGN`.
    """

    text: str
    origin: str


def wrong_answer(
    question: Question, own: str, is_wrong: bool, questions: Sequence[Question], seed: int
) -> Wrong | None:
    """Choose a wrong answer to a question.

    LitCab (arXiv 2310.19208) asks for wrong answers of the model. Ours: of multiple choice, the letter of a wrong
    option; of an open-ended question the model's own answer if that is wrong, else the first accepted answer to another
    question, unless it is an accepted one here too.

    Args:
        question: the question.
        own: the model's answer, may be empty.
        is_wrong: whether that answer is known to be wrong.
        questions: all of them, from which answers to other questions are taken.
        seed: with the question's id, decides the option or the other question.

    Returns:
        None if there is none: a question with one option, or with an answer that all others share.
    """
    digest = hashlib.blake2b(f"{seed}/{question.id}".encode(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    if question.options:
        others = [letter for letter in question.letters if letter not in question.accepted]
        return Wrong(str(rng.choice(others)), OPTION) if others else None
    if own and is_wrong:
        return Wrong(own, OWN)
    accepted = {normalise(text) for text in question.accepted}
    start = int(rng.integers(len(questions)))
    for other in (*questions[start:], *questions[:start]):
        if other.accepted and other.accepted[0].strip() and normalise(other.accepted[0]) not in accepted:
            return Wrong(other.accepted[0], FOREIGN)
    return None
