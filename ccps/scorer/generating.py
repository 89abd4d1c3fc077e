"""Write answers token by token, each with how steady it is, and say at its end how probable each is to be right."""

from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ccps.asking.interview import Answer, Interview, Manner
from ccps.asking.stepwise import write_stepwise
from ccps.faithful import say as in_words
from ccps.llm import LanguageModel
from ccps.perturbation import Head, flip_radius
from ccps.scorer.asked import Asked
from ccps.scorer.learnt import Learnt
from ccps.scorer.reading import evidence_of, interview, spread_out
from ccps.scorer.records import Reply, Token
from ccps.scorer.source import Source

T = TypeVar("T")
_INCOMPLETE = "\ufffd"
"""What stands for a character of which not all bytes have been written."""

Pieces = list[tuple[int, Token | Reply]]
"""What a step has brought, each with the place of its question; the last of a question is its reply."""


def replies(
    source: Source, learnt: Learnt, asked: Sequence[Asked], manner: Manner, told: Collection[int], *, say: bool = False
) -> Generator[Pieces]:
    """Answer questions together.

    The model is held for one token of a batch at a time, so that others may read it in between, and whoever stops
    listening leaves nothing behind.

    Args:
        source: the model.
        learnt: what judges.
        asked: the questions.
        manner: how they are put.
        told: places of the questions of which every token is told; of the others only the reply is, without tokens.
        say: whether replies say their confidence in words.

    Yields:
        What each step has brought. A reply comes with the last token of its own answer, whatever others are still being
        written; where the method has the model read more after the answers, replies come when all are written.
    """
    tokens = [list[Token]() for _ in asked]
    for said, answers in _held(source, _steps(source, learnt, asked, manner, told)):
        for place, token in said:
            tokens[place].append(token)
        p = _judged(source, learnt, asked, answers)
        ended = [
            (place, Reply(answer.text, tokens[place], one, learnt.method.label, _words(one, say), answer.is_cut))
            for (place, answer), one in zip(answers.items(), p, strict=True)
        ]
        yield [*said, *ended]


def _judged(source: Source, learnt: Learnt, asked: Sequence[Asked], answers: dict[int, Answer]) -> list[float]:
    """P(correct) of each answer; NaN of an empty one."""
    places = list(answers)
    filled = np.array([row for row, place in enumerate(places) if answers[place].tokens], dtype=np.int64)
    if not len(filled):
        return [np.nan] * len(places)
    known = [places[row] for row in filled]
    evidence = evidence_of(
        source, [asked[place].question for place in known], [answers[place] for place in known], learnt.reads
    )
    p = learnt.shifted(learnt.stored.fitted.p_correct(evidence))
    found: list[float] = spread_out(p, filled, len(places)).tolist()
    return found


def _words(p: float, say: bool) -> str | None:
    return in_words(p) if say and not np.isnan(p) else None


_Step = tuple[list[tuple[int, Token]], dict[int, Answer]]
"""Tokens, and the answers that have become whole with them."""


def _steps(
    source: Source, learnt: Learnt, asked: Sequence[Asked], manner: Manner, told: Collection[int]
) -> Generator[_Step]:
    """Batch by batch; where there are several, they take turns at each token."""
    talk = interview(source, asked, manner, learnt.reads)
    going = deque(_of_batch(source.head, talk, batch, told) for batch in talk.batches)
    while going:
        batch = going.popleft()
        step = next(batch, None)
        if step is not None:
            going.append(batch)
            yield step


def _of_batch(head: Head, talk: Interview, batch: Sequence[int], told: Collection[int]) -> Generator[_Step]:
    if talk.questions[batch[0]].options or talk.given[batch[0]] is not None:
        answers = talk.answer(batch)
        said = [
            (place, token)
            for place, answer in zip(batch, answers, strict=True)
            if place in told
            for token in _tokens(talk.lm, answer.tokens, _radii(head, answer.states, answer.tokens))
        ]
        yield said, dict(zip(batch, answers, strict=True))
        return
    texts, seen = [""] * len(batch), [0] * len(batch)
    for progress in write_stepwise(talk, batch):
        # One that has none more has ended its turn.
        new = [row for row, tokens in enumerate(progress.tokens) if batch[row] in told and len(tokens) > seen[row]]
        radii = _radii(head, progress.states[new], [progress.tokens[row][-1] for row in new])
        said = []
        for row, radius in zip(new, radii, strict=True):
            seen[row] = len(progress.tokens[row])
            piece = _piece(_text(talk.lm, progress.tokens[row]), texts[row])
            texts[row] += piece
            said.append((batch[row], Token(piece, radius)))
        yield said, {batch[row]: answer for row, answer in progress.answers.items()}


def _tokens(lm: LanguageModel, tokens: list[int], radii: list[float]) -> Iterator[Token]:
    said = ""
    for place, radius in enumerate(radii, start=1):
        text = _text(lm, tokens[:place])
        piece = _piece(text, said) if place < len(tokens) else text[len(said) :]
        said += piece
        yield Token(piece, radius)


def _piece(text: str, said: str) -> str:
    """What a token adds; a character that is cut in two is told with its second half."""
    return "" if text.endswith(_INCOMPLETE) else text[len(said) :]


def _text(lm: LanguageModel, tokens: list[int]) -> str:
    return str(lm.tokenizer.decode(tokens, skip_special_tokens=True))


def _radii(head: Head, states: Tensor, tokens: list[int]) -> list[float]:
    if not tokens:
        return []
    device = head.weight.device
    found: list[float] = flip_radius(states.to(device).float(), head, torch.tensor(tokens, device=device)).tolist()
    return found


def _held(source: Source, work: Generator[T]) -> Generator[T]:
    """Do work that stops now and then, holding the model while it goes on."""
    try:
        while True:
            with source.held():
                found = next(work, None)
            if found is None:
                return
            yield found
    finally:
        work.close()
