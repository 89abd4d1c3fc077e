from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ccps.faithful import Step, misalignment, segment, step_token_indices

TEXT = "<think>\nA one.\n\nB two.</think>"
PIECES = ["<think>", "\n", "A", " one", ".\n\n", "B", " two", ".", "</think>"]
OFFSETS = [(len("".join(PIECES[:i])), len("".join(PIECES[: i + 1]))) for i in range(len(PIECES))]


def indices(steps: Any, offsets: Any) -> list[Any]:
    return [own.tolist() for own in step_token_indices(steps, offsets)]


def test_tokens_that_overlap_a_step_are_its_own() -> None:
    # The newline before "A" is part of the chunk, and ".\n\n" reaches beyond its end.
    assert indices(segment(TEXT), OFFSETS) == [[1, 2, 3, 4], [5, 6, 7]]


def test_a_token_may_belong_to_two_steps_or_a_step_have_none() -> None:
    steps = [Step(0, 2, "ab"), Step(2, 4, "cd"), Step(6, 8, "gh")]
    assert indices(steps, [(0, 1), (1, 3), (3, 5)]) == [[0, 1], [1, 2], []]
    assert indices(steps, []) == [[], [], []]


def test_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    edges = np.sort(rng.integers(0, 60, 30))
    offsets = list(pairwise(edges))
    steps = [Step(a, a + 7, "x") for a in range(0, 56, 7)]
    expected = [[i for i, (a, b) in enumerate(offsets) if b > s.start and a < s.end] for s in steps]
    assert indices(steps, offsets) == expected


def test_parts_of_one_character_share_its_place() -> None:
    # Byte-level tokens of a character all stand for it.
    assert indices([Step(0, 1, "é"), Step(1, 2, "a")], [(0, 1), (0, 1), (1, 2)]) == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("offsets", "n_tokens", "reason"),
    [
        (OFFSETS, 9, ""),
        (OFFSETS, 8, "9 token offsets for 8 tokens"),
        ([*OFFSETS[:-1], (22, 31)], 9, "token offsets reach to character 31 of 30"),
        ([*OFFSETS[:5], *OFFSETS[6:]], 8, "no token stands for character 16 (1 such)"),
        ([*OFFSETS[:1], *OFFSETS[2:]], 8, ""),
    ],
)
def test_what_does_not_align_is_said(offsets: list[Any], n_tokens: int, reason: str) -> None:
    assert misalignment(TEXT, offsets, n_tokens) == reason


def test_nothing_aligns_with_nothing() -> None:
    assert misalignment("", [], 0) == ""
    assert misalignment("ab", [], 0) == "no token stands for character 0 (2 such)"


@pytest.mark.parametrize("offsets", [[0, 1], [(0.5, 1)], [(2, 3), (0, 1)], [(3, 2)], [(-1, 2)]])
def test_offsets_of_another_form_are_refused(offsets: list[Any]) -> None:
    with pytest.raises(ValueError, match="Expected `offsets` to"):
        step_token_indices([], offsets)
