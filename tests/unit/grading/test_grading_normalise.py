from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from torchmetrics.functional.text import squad

from ccps.data.records import Question
from ccps.grading.normalise import normalise, token_f1
from ccps.grading.open_ended import Contains, Normalised, TokenF1
from ccps.grading.signs import plain_signs

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
ONES += ["seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

# With these letters alone no word is spelt that means something to a grader, as "bc" does behind a number.
words = st.text("jqvxz", min_size=2, max_size=5)
phrases = st.lists(words, min_size=1, max_size=6).map(" ".join)


def spelt(n: int) -> str:
    """English words for a number below a million."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" and {spelt(n % 100)}" if n % 100 else "")
    return f"{spelt(n // 1000)} thousand" + (f" {spelt(n % 1000)}" if n % 1000 else "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000", "1000"),
        ("twelve", "12"),
        ("Twelve.", "12"),
        ("3.0", "3"),
        ("007", "7"),
        (".50", "0.5"),
        ("-0", "0"),
        ("−5", "-5"),
        ("+5", "5"),
        ("$1,000.00", "1000"),
        ("12 %", "12"),
        ("1,000 apples", "1000 apples"),
        ("a hundred", "100"),
        ("nineteen hundred", "1900"),
        ("Ｐａｒｉｓ", "paris"),
        ("ﬁsh", "fish"),
        ("The  Beatles!", "beatles"),
        ("“Paris”", "Paris"),
        ("rock 'n' roll", "rock n roll"),
        ("5–10", "5-10"),
        ("well-known", "wellknown"),
        ("twelve apples", "12 apples"),
        ("It has Two moons.", "it has 2 moons"),
        ("twenty-one (or “thirty two”) of them", "21 or 32 of them"),
        ("about a hundred and one dogs", "about 101 dogs"),
        ("one thousand, two hundred and five ships", "1,205 ships"),
        ("twenty, two of them red", "20 2 of them red"),
        ("There are twenty. Two died.", "there are 20 2 died"),
        ("five and six", "5 and 6"),
        ("nineteen eighty four", "19 84"),
        ("forty the two", "40 2"),
        ("No one knows", "no 1 knows"),
        ("$twelve", "12"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3.5", "35"),
        ("-5", "5"),
        ("3/4", "34"),
        ("3:15", "315"),
        ("1,5", "15"),
        ("1,0000", "10000"),
        ("o", "0"),
        ("O", "zero"),
        ("one two", "12"),
        ("second", "2"),
        ("A", "B"),
        ("The", "A"),
        ("?", "!"),
        ("√2", "2"),
        ("the answer is Paris", "Paris"),
        ("nothing", "0"),
        ("colour", "color"),
        ("5 million people", "5 1000000 people"),
        ("a two-year plan", "a 2 year plan"),
        ("someone", "some1"),
        ("weigh tons", "weigh10s"),
        ("seventeenth", "17"),
        ("hundreds of dogs", "100 of dogs"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_a_long_number_keeps_every_digit() -> None:
    assert normalise("1" * 40 + ".10") == "1" * 40 + ".1"


@given(st.integers(0, 999_999))
def test_a_number_is_its_value_however_written(n: int) -> None:
    assert {
        normalise(form) for form in (str(n), f"{n:,}", f"{n}.0", f"00{n}", f"({n})", spelt(n), spelt(n).upper())
    } == {str(n)}


@given(st.decimals(-10_000, 10_000, places=3), st.decimals(-10_000, 10_000, places=3))
def test_numbers_agree_if_and_only_if_their_values_do(a: Any, b: Any) -> None:
    assert (normalise(f"{a:,}") == normalise(f"{b:f}")) == (a == b)


@given(phrases, st.sampled_from(["the ", "A ", "an ", "“", "( ", ""]), st.sampled_from([".", "!?", " \n", "”", ""]))
def test_case_articles_and_punctuation_do_not_matter(phrase: Any, before: str, after: str) -> None:
    assert normalise(before + phrase.upper() + after) == normalise(phrase) == phrase


@given(st.text())
def test_any_text_has_a_form_without_ragged_space(text: str) -> None:
    form = normalise(text)
    assert form == " ".join(form.split())
    assert bool(form) == bool(plain_signs(text).strip())


@given(phrases, phrases, st.sampled_from(["", "The ", "an"]), st.sampled_from(["", ".", ", ", "-"]))
def test_f1_is_that_of_squad(answer: Any, accepted: Any, before: str, after: str) -> None:
    ours = before + answer + after
    prediction = [{"prediction_text": ours, "id": "1"}]
    target: Any = [{"answers": {"answer_start": [0], "text": [accepted]}, "id": "1"}]
    assert token_f1(ours, accepted) == pytest.approx(squad(prediction, target)["f1"].item() / 100, abs=1e-6)


@given(phrases, phrases)
def test_f1_is_symmetric_and_one_for_the_same_words(a: Any, b: Any) -> None:
    assert token_f1(a, b) == token_f1(b, a)
    assume(sorted(a.split()) != sorted(b.split()))
    assert token_f1(a, b) < 1 == token_f1(a, " ".join(reversed(a.split())))


def test_f1_by_hand() -> None:
    # Two of three words shared, two of two: precision 2/3, recall 1.
    assert token_f1("big red fox", "the Red Fox") == pytest.approx(0.8)
    assert token_f1("one thousand", "1,000") == 1
    assert token_f1("cat", "dog") == 0


QUESTION = Question("q", "s", "?", (), ("red fox", "vulpes vulpes"), "test", "s")


def test_the_best_accepted_text_counts() -> None:
    answer = "Vulpes vulpes, red"
    # F1 2·1/(3+2) = 0.4 with the first, 2·2/(3+2) = 0.8 with the second.
    assert TokenF1(0.8).is_right(answer, QUESTION)
    assert not TokenF1(0.81).is_right(answer, QUESTION)
    assert Normalised().is_right("The Vulpes Vulpes.", QUESTION)
    assert not Normalised().is_right(answer, QUESTION)


def test_settings_hold_what_decides() -> None:
    assert TokenF1(0.8).settings() == {"name": "f1", "version": 5, "threshold": 0.8}
    assert Normalised().settings() == {"name": "normalised", "version": 6}


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("The capital is Paris.", "Paris", True),
        ("It was, of course, the Red  Fox!", "red fox", True),
        ("about 1,000 years", "1000.0", True),
        ("the redder fox", "red", False),  # whole words only
        ("fox red", "red fox", False),  # in their order
        ("red and fox", "red fox", False),  # and in a row
        ("Paris is wrong", "Paris", False),
        ("Paris", "Paris in France", False),
        ("It has two moons.", "two", True),
        ("It has two moons.", "2", True),
        ("It has 2 moons.", "Two", True),
        ("It has twenty-two moons.", "two", False),
        ("Some 5 million live there.", "1,000,000", False),
        ("No one knows.", "1", True),  # the price of reading numbers everywhere
    ],
)
def test_contains_asks_for_the_words_in_a_row(answer: str, accepted: str, right: bool) -> None:
    question = replace(QUESTION, accepted=("no such thing", accepted))
    assert Contains().is_right(answer, question) is right


@given(st.integers(0, 999_999), phrases, phrases, st.sampled_from([" ", ", ", " the ", " (", "; “"]))
def test_a_number_in_a_sentence_is_its_value_however_written(n: int, before: Any, after: Any, gap: str) -> None:
    forms = {normalise(f"{before}{gap}{form} {after}.") for form in (str(n), f"{n:,}", spelt(n), spelt(n).title())}
    assert forms == {f"{before} {n} {after}"}
    question = replace(QUESTION, accepted=(spelt(n),))
    assert Contains().is_right(f"{before}{gap}{n:,} {after}.", question)
    assert Normalised().is_right(f"{n}.0", question)
    assert token_f1(f"{n} {after}", f"{spelt(n)} {after}") == 1


number_words = st.lists(
    st.sampled_from([*ONES, *TENS, "hundred", "thousand", "million", "and", "fox", "the"]), min_size=1
)


@given(number_words, phrases, phrases, st.sampled_from(["", ".", ",", "!"]))
def test_contains_finds_any_words_of_numbers_between_other_words(
    words: list[str], before: Any, after: Any, end: str
) -> None:
    text = " ".join(words)
    assume(set(words) != {"the"})
    question = replace(QUESTION, accepted=(text,))
    assert Contains().is_right(f"{before} {text}{end} {after}", question)
    assert token_f1(text, text.upper()) == 1


def test_endless_number_words_are_read_in_no_time() -> None:
    assert normalise("one " * 2000) == " ".join(["1"] * 2000)
    assert normalise("nine hundred and " * 500 + "fox").endswith("fox")


@given(phrases, phrases, phrases)
def test_contains_finds_what_stands_between_other_words(before: Any, text: Any, after: Any) -> None:
    question = replace(QUESTION, accepted=(text,))
    assert Contains().is_right(f"{before} {text} {after}", question)
    assert Contains().is_right(text, question)
