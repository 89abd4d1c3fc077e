"""Answers of many tokens: which rows belong together, and what a network reads of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ccps.core.errors import expected
from ccps.probes.split import check_complete
from ccps.settings.probe import EncoderConfig


class Answers(NamedTuple):
    """The answers that a table of token rows is made of."""

    lengths: NDArray[np.int64]
    """`[answers]`, rows of each that are kept, at least 1; answers follow each other as in the table."""
    labels: NDArray[np.int64]
    """`[answers]`, 1 = right."""
    questions: list[object]
    """`[answers]`"""
    left_out: int
    """Further answers, of which no row is kept."""


def rows_as_answers(question_ids: Sequence[object], labels: NDArray[np.int64], kept: NDArray[np.bool_]) -> Answers:
    """Take every kept row for an answer of one token.

    Args:
        question_ids: `[rows]`.
        labels: `[rows]`.
        kept: `[rows]`, false where a row is dropped.
    """
    questions = [question for question, keep in zip(question_ids, kept, strict=True) if keep]
    return Answers(np.ones(len(questions), dtype=np.int64), labels[kept], questions, left_out=0)


def group_by_question(question_ids: Sequence[object], labels: NDArray[np.int64], kept: NDArray[np.bool_]) -> Answers:
    """Take consecutive rows with one question id for one answer, in token order.

    Args:
        question_ids: `[rows]`.
        labels: `[rows]`, the same for all rows of an answer.
        kept: `[rows]`, false where a row is dropped; the rest of its answer closes up.

    Raises:
        UserError: an id is missing or comes back after another one, or labels differ within an answer.
    """
    check_complete(question_ids)
    numbers: dict[object, int] = {}
    answers = np.array([numbers.setdefault(question, len(numbers)) for question in question_ids], dtype=np.int64)
    # Numbered by first appearance, rows go down only where an id comes back.
    returned = np.flatnonzero(np.diff(answers) < 0)
    if len(returned):
        raise expected(
            "`question_ids`",
            "those of one answer in one run",
            f"{question_ids[returned[0] + 1]!r} again after another question",
            "Sort the rows by question and token, and give each answer an id of its own.",
        )
    first = np.unique(answers, return_index=True)[1]
    differing = np.flatnonzero(labels != labels[first][answers])
    if len(differing):
        raise expected(
            "`labels`",
            "the same for all tokens of an answer",
            f"both 0 and 1 for {question_ids[differing[0]]!r}",
            "Label the answer as a whole, and give each answer an id of its own.",
        )
    lengths = np.bincount(answers[kept], minlength=len(numbers))
    some = lengths > 0
    questions = [question for question, number in numbers.items() if some[number]]
    return Answers(lengths[some], labels[first][some], questions, left_out=int(np.count_nonzero(~some)))


def check_lengths(lengths: Sequence[int] | None, rows: int) -> NDArray[np.int64]:
    """Return the lengths of answers as int64 `[answers]`; without any, every row is an answer.

    Raises:
        UserError: they are not positive integers that sum to the number of rows.
    """
    if lengths is None:
        return np.ones(rows, dtype=np.int64)
    values = np.asarray(lengths) if len(lengths) else np.zeros(0, dtype=np.int64)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        got = f"an array of {values.dtype} of shape {values.shape}"
    elif values.sum() != rows or (values < 1).any():
        got = f"{len(values)} values that sum to {values.sum()}, the smallest {values.min()}" if len(values) else "none"
    else:
        return values.astype(np.int64)
    way_out = "Pass the number of tokens of each answer, in the order of the rows."
    raise expected("`lengths`", f"positive integers that sum to {rows}, the number of rows", got, way_out)


def count_truncated(lengths: NDArray[np.int64], config: EncoderConfig) -> int:
    """Count the answers `[answers]` whose end the convolutions do not read; 0 for the perceptron."""
    return int(np.count_nonzero(lengths > config.max_tokens)) if config.kernels else 0


def read_answers(scaled: torch.Tensor, lengths: NDArray[np.int64], config: EncoderConfig) -> torch.Tensor:
    """Return what the encoder reads of each answer.

    Args:
        scaled: `[rows, features]`, the answers' tokens one after the other.
        lengths: `[answers]`, rows of each, at least 1.
        config: says which encoder.

    Returns:
        Without kernels the last row of each answer `[answers, features]`, which is the one that counts when the
        released code evaluates multiple choice; with kernels `pad_answers`.
    """
    if config.kernels:
        return pad_answers(scaled, lengths, config.max_tokens)
    return scaled[torch.from_numpy(np.cumsum(lengths) - 1)]


def pad_answers(scaled: torch.Tensor, lengths: NDArray[np.int64], max_tokens: int) -> torch.Tensor:
    """Lay out answers side by side, cut or filled up with zeros to one length.

    Args:
        scaled: `[rows, features]`, the answers' tokens one after the other.
        lengths: `[answers]`, rows of each.
        max_tokens: places; of longer answers the first so many tokens are taken.

    Returns:
        `[answers, max_tokens, features + 1]`; the last channel is 1 where there is a token and 0 beyond.
    """
    answer = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(scaled)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    read = place < max_tokens
    padded = scaled.new_zeros(len(lengths), max_tokens, scaled.shape[1] + 1)
    padded[answer[read], place[read], :-1] = scaled[torch.from_numpy(read)]
    padded[answer[read], place[read], -1] = 1.0
    return padded
