"""Write an answer token by token, each with how steady it is, and say at its end how probable it is to be right."""

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from ccps.asking.interview import Answer, Interview, Manner
from ccps.llm import LanguageModel
from ccps.perturbation import Head, flip_radius
from ccps.scorer.questions import Asked
from ccps.scorer.reading import Reads, interview
from ccps.scorer.records import Token
from ccps.scorer.source import Source

T = TypeVar("T")
R = TypeVar("R")
_INCOMPLETE = "\ufffd"
"""What stands for a character of which not all bytes have been written."""


def write(source: Source, asked: Asked, manner: Manner, reads: Reads) -> Generator[Token, None, Answer]:
    """Answer one question.

    The model is held for each token only, so that others may read it in between, and whoever stops listening leaves
    nothing behind.

    Yields:
        Each piece of the answer.

    Returns:
        The answer, as a scorer's methods read it.
    """
    return (yield from _held(source, _pieces(source, asked, manner, reads)))


def _pieces(source: Source, asked: Asked, manner: Manner, reads: Reads) -> Generator[Token, None, Answer]:
    talk = interview(source, [asked], manner, reads)
    if asked.question.options or asked.question.given_answer is not None:
        [answer] = talk.answer([0])
        radii = _radii(source.head, answer.states, answer.tokens)
        yield from _tokens(talk.lm, answer.tokens, radii)
        return answer
    return (yield from _written(source, talk))


def _written(source: Source, talk: Interview) -> Generator[Token, None, Answer]:
    steps, said, seen = talk.write_one(0), "", 0
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        tokens = step.tokens[0]
        if len(tokens) == seen:  # the one that ends the turn
            continue
        seen = len(tokens)
        text = _text(talk.lm, tokens)
        [radius] = _radii(source.head, step.states, tokens[-1:])
        # A character that is cut in two is told with its second half.
        piece = "" if text.endswith(_INCOMPLETE) else text[len(said) :]
        said += piece
        yield Token(piece, radius)


def _tokens(lm: LanguageModel, tokens: list[int], radii: list[float]) -> Iterator[Token]:
    said = ""
    for place, radius in enumerate(radii, start=1):
        text = _text(lm, tokens[:place])
        piece = "" if text.endswith(_INCOMPLETE) and place < len(tokens) else text[len(said) :]
        said += piece
        yield Token(piece, radius)


def _text(lm: LanguageModel, tokens: list[int]) -> str:
    return str(lm.tokenizer.decode(tokens, skip_special_tokens=True))


def _radii(head: Head, states: Tensor, tokens: list[int]) -> list[float]:
    if not tokens:
        return []
    device = head.weight.device
    found: list[float] = flip_radius(states.to(device).float(), head, torch.tensor(tokens, device=device)).tolist()
    return found


def _held(source: Source, work: Generator[T, None, R]) -> Generator[T, None, R]:
    """Do work that stops now and then, holding the model while it goes on."""
    advance: Callable[[], T] = work.__next__
    try:
        while True:
            with source.held():
                try:
                    found = advance()
                except StopIteration as end:
                    result: R = end.value
                    return result
            yield found
    finally:
        work.close()
