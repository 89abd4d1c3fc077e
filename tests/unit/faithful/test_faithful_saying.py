import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ccps.faithful import decisiveness, phrase, say, sayings
from ccps.faithful.markers import MARKERS, POLE, QUESTION

PROBABILITIES = st.floats(0, 1)
NORMS = [step.norm for step in sayings()]
DOC = Path(__file__).parents[3] / "docs" / "decisiveness.md"


def test_each_step_is_said_by_phrase_and_sentence_alike() -> None:
    for norm, words, sentence in sayings():
        assert decisiveness(words).score == pytest.approx(norm)
        assert decisiveness(sentence).score == norm
        assert phrase(norm) == words
        assert say(norm) == sentence
        assert len(decisiveness(sentence).sentences) == 1
        assert sentence[0].isupper()
        assert sentence.endswith(".")


def test_steps_rise_from_no_chance_to_certain() -> None:
    assert NORMS[0] == pytest.approx(1 - POLE)
    assert NORMS[-1] == 1
    assert all(low < high for low, high in pairwise(NORMS))
    # The widest steps of the scale itself: between its highest two, and about even odds, where people have no words.
    assert np.diff(NORMS).max() < 0.09


def test_every_norm_of_the_lexicon_has_words() -> None:
    heard = {"scale", "hedge", "certainty", "quantity", "stance"}
    scores = {marker.score for marker in MARKERS.values() if marker.kind in heard} - {QUESTION}
    assert all(min(abs(norm - score) for norm in NORMS) < 1e-9 for score in scores)


@given(PROBABILITIES)
@example(0.0)
@example(1.0)
def test_what_is_said_is_heard_within_half_of_the_step_around_it(p: float) -> None:
    below = max((norm for norm in NORMS if norm <= p), default=0.0)
    above = min(norm for norm in NORMS if norm >= p)
    heard = decisiveness(say(p)).score
    if p < NORMS[0]:
        assert heard == NORMS[0]
    else:
        assert abs(heard - p) <= (above - below) / 2 + 1e-12
    # By brute force: no other words are nearer.
    assert abs(heard - p) == pytest.approx(min(abs(norm - p) for norm in NORMS))
    assert decisiveness(phrase(p)).score == pytest.approx(heard)


@given(PROBABILITIES, PROBABILITIES)
def test_more_is_never_said_of_less(p: float, q: float) -> None:
    low, high = sorted((p, q))
    assert decisiveness(say(low)).score <= decisiveness(say(high)).score


def test_the_surveys_own_words() -> None:
    # Means of 123 people (Fagen-Ulmschneider) where no other expression is nearer.
    survey = {"almost certain": 0.920, "likely": 0.709, "about even": 0.507, "unlikely": 0.212}
    assert {words: phrase(mean) for words, mean in survey.items()} == {words: words for words in survey}
    assert say(0.67) == "I am fairly sure of this."


def test_words_change_halfway() -> None:
    halfway = (decisiveness("almost certain").score + 1) / 2
    assert phrase(halfway - 1e-6) == "almost certain"
    assert phrase(halfway + 1e-6) == "certain"


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_probability_is_refused(p: Any) -> None:
    with pytest.raises(ValueError, match="Expected `p` to be a probability"):
        say(p)
    with pytest.raises(ValueError, match="Expected `p` to be a probability"):
        phrase(p)


def test_the_committed_table_is_what_is_said() -> None:
    rows = [f"| {norm:.3f} | {words} | {sentence} |" for norm, words, sentence in sayings()]
    table = "\n".join(["| norm | `phrase` | `say` |", "|---|---|---|", *rows])
    assert table in DOC.read_text(), f"Put this into {DOC.name}:\n{table}"
