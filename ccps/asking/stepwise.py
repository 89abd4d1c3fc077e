"""Answers that are written token by token, for those who watch."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.asking.follow_up import AfterAnswer
from ccps.asking.interview import Answer, Interview
from ccps.llm.forward import check_finite
from ccps.llm.generate import writing


class Progress(NamedTuple):
    """What stands of some answers that are written together.

    Attributes:
        tokens: of each, so far.
        states: `[answers, d]`, which predicted the last ones.
        answers: those that have become whole with them, by their places.
    """

    tokens: list[list[int]]
    states: Tensor
    answers: dict[int, Answer]


def write_stepwise(talk: Interview, batch: Sequence[int]) -> Generator[Progress]:
    """Write the answers to the open-ended questions of one batch, token by token.

    Args:
        talk: the questions, laid out.
        batch: positions of those that are answered together.

    Yields:
        What each token has brought. An answer whose turn the model has ended comes with the token that ends it,
        whatever others are still being written; where more is read after the answers, all come at the end.
    """
    prompts, keep = [talk.prompts[index] for index in batch], talk.follow_up is not None
    summed = talk.follow_up.sum_layer if talk.follow_up else None
    steps = writing(talk.lm, prompts, talk.manner.max_new_tokens, talk.prefix, keep_context=keep, sum_layer=summed)
    caught, given = list[Tensor](), set[int]()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            written, context = end.value
            break
        caught.append(step.states)
        ended = [row for row, has_ended in enumerate(step.ended) if has_ended and row not in given and not keep]
        yield Progress(step.tokens, step.states, _early(talk, batch, ended, step.tokens, caught))
        given.update(ended)
    tokens = [answer.tokens for answer in written]
    after = talk.after_answers(tokens, context)
    rest = [row for row in range(len(batch)) if row not in given]
    if rest:
        answers = talk.written(
            [batch[row] for row in rest],
            [tokens[row] for row in rest],
            [written[row].states for row in rest],
            [not written[row].ended for row in rest],
            [after[row] for row in rest],
        )
        yield Progress(tokens, caught[-1], dict(zip(rest, answers, strict=True)))


def _early(
    talk: Interview, batch: Sequence[int], rows: Sequence[int], tokens: Sequence[list[int]], caught: Sequence[Tensor]
) -> dict[int, Answer]:
    """The answers of rows that have ended, from the states of all rows at each token so far."""
    own = [list(tokens[row]) for row in rows]
    states = [
        torch.stack([at_token[row] for at_token in caught])[: len(ids)] for row, ids in zip(rows, own, strict=True)
    ]
    check_finite(talk.lm, states)
    after = [AfterAnswer()] * len(rows)
    answers = talk.written([batch[row] for row in rows], own, states, [False] * len(rows), after)
    return dict(zip(rows, answers, strict=True))
