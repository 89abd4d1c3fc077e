from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.meaning.clusters import in_same_words, meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [("b", "(B)"), ("a", "A."), ("(a)", "a"), ("The river.", "river"), ("twenty-one", "21"), ("", " ")],
)
def test_texts_of_one_meaning(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ("a", "an apple"), ("21", "22"), ("", "?"), ("rivers", "river")]
)
def test_texts_of_different_meanings(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


def test_without_a_model_the_first_of_each_normalised_text_stands_for_it() -> None:
    answers = ["The river", "a lake", "river.", "Lake!", "sea"]
    assert in_same_words(answers) == ["The river", "a lake", "The river", "a lake", "sea"]
    assert in_same_words([]) == []


class Synonyms:
    """Entailment by hand: `pairs` are those that hold, in one direction each."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = set(pairs)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked += pairs
        return [pair in self.pairs for pair in pairs]


def test_only_entailment_both_ways_joins() -> None:
    model = Synonyms(("sofa", "couch"), ("couch", "sofa"), ("oak", "tree"))
    assert in_same_words(["couch", "oak", "sofa", "tree"], model) == ["couch", "oak", "couch", "tree"]


def test_an_answer_is_compared_with_the_first_of_each_group_and_joins_the_first_that_fits() -> None:
    both = [("b", "a"), ("a", "b"), ("c", "b"), ("b", "c"), ("d", "a"), ("a", "d"), ("d", "c"), ("c", "d")]
    words = {letter: f"word {letter}" for letter in "abcd"}
    model = Synonyms(*((words[one], words[other]) for one, other in both))
    # c fits b alone, which is no longer the first of its group; d fits the groups of a and of c.
    got = in_same_words([words[letter] for letter in "abcd"], model)
    assert got == [words["a"], words["a"], words["c"], words["a"]]
    assert ("word c", "word b") not in model.asked


def test_the_model_is_not_asked_about_one_text_twice() -> None:
    model = Synonyms()
    in_same_words(["The river", "river", "lake", "River."], model)
    assert sorted(model.asked) == [("The river", "lake"), ("lake", "The river")]


texts = st.lists(st.sampled_from(["a", "A", "lake", "The lake", "sea", ""]), max_size=8)


@given(texts)
def test_equal_words_if_and_only_if_equal_meanings(answers: list[str]) -> None:
    words = in_same_words(answers)
    for i, one in enumerate(answers):
        for j, other in enumerate(answers):
            assert (words[i] == words[j]) == (meaning(one) == meaning(other))


@given(texts)
def test_a_model_that_affirms_everything_leaves_one_meaning(answers: list[str]) -> None:
    assert in_same_words(answers, lambda pairs: [True] * len(pairs)) == answers[:1] * len(answers)
