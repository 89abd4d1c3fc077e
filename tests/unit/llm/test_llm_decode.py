"""The loop itself, with a model made up of counting: every row's next token is one more than its last."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ccps.llm.decode import PAD, DecodedRow, decode, padded

END = 99


class Counting:
    """Rows that begin with some tokens; what they read and which of them are let go is written down."""

    def __init__(self, first: Sequence[int]) -> None:
        self.begin = torch.tensor(first, dtype=torch.float32)[:, None]
        self.reads: list[list[int]] = []
        self.kept: list[list[int]] = []

    def read(self, tokens: Sequence[int]) -> Tensor:
        self.reads.append(list(tokens))
        return torch.tensor(tokens, dtype=torch.float32)[:, None] + 1

    def keep(self, rows: Sequence[int]) -> None:
        self.kept.append(list(rows))


def choose(states: Tensor, rows: Sequence[DecodedRow]) -> list[int]:
    assert len(states) == len(rows)
    return [int(state) for state in states]


def test_rows_are_written_until_the_limit_and_the_last_token_is_not_read() -> None:
    rows, model = [DecodedRow(), DecodedRow()], Counting([3, 10])
    decode(rows, model.begin, model.read, choose, 3, [END])
    assert [row.tokens for row in rows] == [[3, 4, 5], [10, 11, 12]]
    assert model.reads == [[3, 10], [4, 11]]
    assert not any(row.ended or row.done for row in rows)


def test_a_row_that_has_ended_reads_padding_and_the_loop_stops_with_the_last() -> None:
    rows, model = [DecodedRow(), DecodedRow(), DecodedRow()], Counting([97, 96, END])
    decode(rows, model.begin, model.read, choose, 50, [END])
    assert [row.tokens for row in rows] == [[97, 98], [96, 97, 98], []]
    assert all(row.ended for row in rows)
    assert model.reads == [[97, 96, PAD], [98, 97, PAD], [PAD, 98, PAD]]


def test_a_complete_row_is_done_and_has_not_ended() -> None:
    rows, model = [DecodedRow(), DecodedRow()], Counting([3, 10])
    decode(rows, model.begin, model.read, choose, 50, [12], complete=lambda tokens: 5 in tokens)
    assert [(row.tokens, row.ended, row.done) for row in rows] == [([3, 4, 5], False, True), ([10, 11], True, True)]


@pytest.mark.parametrize(("n_rows", "kept"), [(8, [[1, 2, 3, 4, 5, 6, 7]]), (9, [])])
def test_rows_leave_the_batch_when_an_eighth_is_done(n_rows: int, kept: list[list[int]]) -> None:
    rows, model = [DecodedRow() for _ in range(n_rows)], Counting([END, *range(1, n_rows)])
    decode(rows, model.begin, model.read, choose, 3, [END], keep=model.keep)
    assert model.kept == kept
    assert [len(read) for read in model.reads] == [n_rows - len(kept)] * 2
    assert [row.tokens for row in rows[1:]] == [[first, first + 1, first + 2] for first in range(1, n_rows)]


def test_padding_stands_between_what_is_cached_and_what_goes_on() -> None:
    ids, mask = padded([[1, 2, 3, 4], [5, 6]], [2, 1])
    assert ids.tolist() == [[1, 2, 3, 4], [5, PAD, PAD, 6]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 0, 0, 1]]
