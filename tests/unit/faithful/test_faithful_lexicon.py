import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from ccps.faithful import decisiveness, score_steps
from ccps.faithful.deliberation import KINDS, deliberation_norms, kinds_of
from ccps.faithful.markers import DEGREES, MARKERS

# Mean probability that 123 people gave to each phrase (Fagen-Ulmschneider's survey), from certain to impossible.
HUMAN = {
    "almost certain": 0.920,
    "highly likely": 0.871,
    "very good chance": 0.805,
    "we believe": 0.751,
    "likely": 0.709,
    "probably": 0.687,
    "probable": 0.676,
    "better than even": 0.581,
    "about even": 0.507,
    "probably not": 0.247,
    "we doubt": 0.224,
    "unlikely": 0.212,
    "improbable": 0.168,
    "chances are slight": 0.144,
    "little chance": 0.129,
    "highly unlikely": 0.108,
    "almost no chance": 0.065,
}
IN_SENTENCES = {
    "almost certain": "It is almost certain that Paris is the capital.",
    "highly likely": "It is highly likely that the answer is 12.",
    "very good chance": "There is a very good chance that he won in 1998.",
    "we believe": "We believe that the river is the Nile.",
    "likely": "The second witness is likely the culprit.",
    "probably": "He was probably born in Ohio.",
    "probable": "It is probable that the clause applies.",
    "better than even": "The odds are better than even that she left.",
    "about even": "The odds are about even.",
    "probably not": "It is probably not a prime.",
    "we doubt": "We doubt that this is the right option.",
    "unlikely": "It is unlikely that the key is in the box.",
    "improbable": "It is improbable that it rained.",
    "chances are slight": "The chances are slight that it holds.",
    "little chance": "There is little chance that anyone else knows.",
    "highly unlikely": "That is highly unlikely.",
    "almost no chance": "There is almost no chance that n is odd.",
}


def score(text: str, **settings: Any) -> Any:
    return decisiveness(text, **settings).score


@pytest.mark.parametrize("texts", [{phrase: phrase for phrase in HUMAN}, IN_SENTENCES], ids=["bare", "in sentences"])
def test_the_acceptance_table(texts: dict[Any, Any]) -> None:
    scores = [score(texts[phrase]) for phrase in HUMAN]
    assert pearsonr(scores, list(HUMAN.values())).statistic >= 0.95
    assert all(above > below for above, below in pairwise(scores))


def test_the_table_is_composed_not_listed() -> None:
    composed = {"almost certain", "highly likely", "very good chance", "we believe", "probably not", "we doubt"}
    composed |= {"chances are slight", "little chance", "highly unlikely", "almost no chance"}
    assert composed.isdisjoint(MARKERS)


@pytest.mark.parametrize(
    ("text", "human"),
    [
        # Belem et al. 2024, phrases in none of the other surveys.
        ("very likely", 0.858),
        ("somewhat likely", 0.662),
        ("somewhat unlikely", 0.312),
        ("not likely", 0.211),
        ("very unlikely", 0.125),
        ("doubtful", 0.239),
        ("uncertain", 0.347),
        # Middles of the bands of annotated sentences (RLMF, arXiv 2606.32032).
        ("most likely", 0.825),
        ("almost certainly", 0.85),
        ("fairly sure", 0.675),
        ("I'm not sure", 0.2),
        ("I'm not entirely sure", 0.3),
        ("perhaps", 0.15),
        ("I think", 0.35),
    ],
)
def test_phrases_outside_the_table(text: str, human: float) -> None:
    assert score(text) == pytest.approx(human, abs=0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 100.", 1),
        ("There is not enough information.", 1),
        ("Clearly, this is certainly so.", 1),
        ("There is no doubt that it holds.", 1),
        ("I don't know.", 1),
        ("Is that right?", 0.011),
        ("I wonder whether that is right.", 0.011),
        ("Is it perhaps 4?", 0.011),
        ("I am 90% sure.", 0.9),
        ("It is 99.5% certain.", 0.995),
        ("It is 90% likely that it holds.", 0.9),
        ("It is 12.5 percent probable.", 0.125),
        ("It is not 90% likely that it holds.", 0.3),
        ("It isn't about 90% likely.", 0.3),
        ("It is not 10% likely.", 0.1),
        ("It is 90% unlikely.", 0.1),
        ("It is 90% likely not to hold.", 0.1),
        ("I am not 90% sure.", 0.3),
        ("I am not 90 percent certain.", 0.3),
        ("I am not 5% sure.", 0.05),
        ("The odds are fifty-fifty.", 0.504),
    ],
)
def test_anchors(text: str, expected: float) -> None:
    assert score(text) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "All six outcomes are equally likely.",
        "Some even numbers, even if small, are not positive.",
        "We may assume that a certain number is given.",
        "The meeting is in May.",
        "It is possible to factor this.",
        "It is not possible that n is odd.",
        "It is impossible.",
        "He thinks and believes what she doubts.",
        "Use `maybe` and $perhaps$ and \\(might\\).",
        "A good book has no end.",
        "Make sure that this is correct.",
        "There are 4 possible values.",
    ],
)
def test_what_only_looks_like_a_hedge_is_decisive(text: str) -> None:
    assert score(text) == 1


@pytest.mark.parametrize(
    ("negated", "plain"),
    [
        ("It is not clear.", "It is clear."),
        ("I cannot be certain.", "I am certain."),
        ("It isn't obviously so.", "It is obviously so."),
        ("I don’t believe it.", "I believe it."),
        ("I am not very confident.", "I am very confident."),
        ("It is not very likely.", "It is very likely."),
    ],
)
def test_negated_certainty_is_doubt(negated: str, plain: str) -> None:
    assert score(negated) < 0.35 < score(plain)


def test_negation_does_not_reach_over_punctuation() -> None:
    assert score("It is not 5, certainly.") == 1
    assert score("I do not doubt it.") == 1
    assert 0.5 < score("It is not unlikely.") < score("It is likely.")


@pytest.mark.parametrize("word", [phrase for phrase, marker in MARKERS.items() if marker.kind == "scale"])
def test_degree_words_keep_the_side_of_even_odds(word: Any) -> None:
    plain = score(f"it is {word}")
    very, somewhat = score(f"it is very {word}"), score(f"it is somewhat {word}")
    assert (very - plain) * (plain - 0.5) > 0
    assert (somewhat - 0.5) * (plain - 0.5) > 0
    if "somewhat" in DEGREES and " " not in word:
        assert abs(somewhat - 0.5) < abs(plain - 0.5)


def test_the_least_decisive_hedge_decides() -> None:
    both = "Probably it is 4, although it might clearly be 5."
    assert score(both) == score("It might be 5.") < score("Probably it is 4.")


def test_aggregates() -> None:
    text = "It might be 4. It is certainly so now. Probably 5."
    first, last = score("It might be 4."), score("Probably 5.")
    assert score(text, aggregate="min") == first
    assert score(text, aggregate="last") == last
    assert score(text) == pytest.approx((4 * first + 5 * 1 + 2 * last) / 11)


def test_thinking_aloud_counts_only_when_asked_for() -> None:
    text = "Hmm, wait. Let me check that. It is 5."
    assert score(text) == 1
    assert score(text, deliberation="suggested") == pytest.approx((2 * 0.35 + 4 * 0.5 + 3) / 9)


def test_thinking_aloud_by_what_was_measured() -> None:
    # 0.296 for "wait" and 0.291 for "alternatively"; "actually" did not hold on other problems and says nothing.
    assert score("Wait, it is 5.", deliberation="measured") == pytest.approx(0.296)
    assert score("Wait, it is 5. It is so.", deliberation="measured") == pytest.approx((4 * 0.296 + 3) / 7)
    assert score("Alternatively, use this.", deliberation="measured") == pytest.approx(0.291)
    assert score("Actually, it is 5.", deliberation="measured") == 1
    # The least decisive word decides here too, whether it is a hedge or thinking aloud.
    assert score("Wait, perhaps it is 5.", deliberation="measured") == score("Perhaps it is 5.")
    assert score("Wait, it is probably 5.", deliberation="measured") == pytest.approx(0.296)


def test_kinds_of_thinking_aloud() -> None:
    assert kinds_of("But wait, let me double-check: maybe there’s another way.") == {
        "wait",
        "let me check",
        "another way",
    }
    assert kinds_of("Let’s verify. Hmm...") == {"let me check", "hmm"}
    assert kinds_of("They are waiting for $wait$ and `hmm`.") == frozenset()


def test_every_norm_of_thinking_aloud_is_of_a_known_kind() -> None:
    expressions = {words for kind in KINDS.values() for words in kind}
    assert deliberation_norms("none") == {}
    for name in ("suggested", "measured"):
        norms = deliberation_norms(name)
        assert norms.keys() <= expressions
        assert expressions.isdisjoint(MARKERS)
        assert all(score(f"{words} it is", deliberation=name) == pytest.approx(norm) for words, norm in norms.items())


def test_markers_are_located() -> None:
    text = "So it’s done.  It is not very likely that I’m sure."
    (first, second) = decisiveness(text).sentences
    assert first.markers == ()
    assert [(found.text, text[found.start : found.end]) for found in second.markers] == [
        ("not very likely", "not very likely"),
        ("sure", "sure"),
    ]
    assert text[second.start : second.end] == "It is not very likely that I’m sure."


def test_a_text_without_words_has_no_score() -> None:
    assert math.isnan(score("  "))
    assert [math.isnan(step.score) for step in score_steps(["", "Yes."])] == [True, False]


@given(
    st.lists(st.sampled_from([*" ".join(MARKERS).split(), *DEGREES, "not", "x", ",", ".", "?", "$", "1."]), max_size=30)
)
def test_any_words_have_a_score_and_markers_in_order(words: list[Any]) -> None:
    text = " ".join(words)
    result = decisiveness(text, deliberation="suggested")
    assert not result.sentences or 0 <= result.score <= 1
    edges = [edge for sentence in result.sentences for found in sentence.markers for edge in found[:2]]
    assert edges == sorted(edges)


def test_an_unknown_deliberation_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `deliberation` to be one of"):
        decisiveness("a", deliberation="loud")  # type: ignore[arg-type]


def test_an_unknown_aggregate_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `aggregate` to be one of"):
        decisiveness("a", aggregate="max")  # type: ignore[arg-type]
