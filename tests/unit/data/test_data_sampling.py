from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.data.sampling import deduplicate, normalise, sample, shares


def questions(source: Any, *sizes: Any) -> list[Question]:
    return [
        Question(f"{source}/s{s}/{i}", f"s{s}", f"{source} {s} {i}?", ("x", "y"), ("a",), "test", source)
        for s, size in enumerate(sizes)
        for i in range(size)
    ]


POOL = questions("beta", 5, 9) + questions("alpha", 3) + questions("gamma", 20)


def ids(chosen: Any) -> list[Any]:
    return [question.id for question in chosen]


def test_all_without_a_size() -> None:
    assert sorted(ids(sample(POOL))) == sorted(ids(POOL))


@pytest.mark.parametrize("order", ["shuffled", "first"])
@settings(deadline=None)
@given(st.integers(1, 25), st.integers(0, 25), st.sampled_from(["per_subject", "total"]), st.integers(0, 3))
def test_a_larger_sample_contains_the_smaller(
    order: Literal["shuffled", "first"], size: int, more: int, kind: str, seed: int
) -> None:
    smaller: dict[str, Any] = {kind: size}
    larger: dict[str, Any] = {kind: size + more}
    small = sample(POOL, **smaller, order=order, seed=seed)
    large = sample(POOL, **larger, order=order, seed=seed)
    assert set(ids(small)) <= set(ids(large))


@settings(deadline=None)
@given(st.permutations(POOL), st.sampled_from(["per_subject", "total"]))
def test_a_shuffled_sample_does_not_depend_on_the_order_given(pool: Any, kind: str) -> None:
    size: dict[str, Any] = {kind: 4}
    assert sample(pool, **size) == sample(POOL, **size)


def test_per_subject_counts_and_source_order() -> None:
    chosen = sample(POOL, per_subject=4)
    counts = Counter((question.source, question.subject) for question in chosen)
    assert counts == {("alpha", "s0"): 3, ("beta", "s0"): 4, ("beta", "s1"): 4, ("gamma", "s0"): 4}
    assert [question.source for question in chosen] == ["alpha"] * 3 + ["beta"] * 8 + ["gamma"] * 4


def test_total_is_even_over_sources_and_capped_at_their_size() -> None:
    assert Counter(question.source for question in sample(POOL, total=20)) == {
        "alpha": 3,
        "beta": 9,
        "gamma": 8,
    }
    assert len(sample(POOL, total=10_000)) == len(POOL)


@pytest.mark.parametrize("order", ["shuffled", "first"])
def test_what_is_left_of_equal_shares_may_be_dropped(order: Literal["shuffled", "first"]) -> None:
    chosen = sample(POOL, total=20, order=order, remainder="drop")
    assert Counter(question.source for question in chosen) == {"alpha": 3, "beta": 6, "gamma": 6}
    assert set(chosen) <= set(sample(POOL, total=30, order=order, remainder="drop"))


def test_first_takes_the_first_rows_of_each_source() -> None:
    assert ids(sample(POOL, total=6, order="first")) == ids(
        questions("alpha", 2) + questions("beta", 2) + questions("gamma", 2)
    )


def test_seed_and_order_change_the_choice() -> None:
    choices = [ids(sample(POOL, total=12, seed=seed)) for seed in range(3)]
    choices.append(ids(sample(POOL, total=12, order="first")))
    assert len(set(map(tuple, choices))) == 4


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 100))
def test_shares_deal_like_cards(sizes: list[int], total: int) -> None:
    expected = [0] * len(sizes)
    while sum(expected) < min(total, sum(sizes)):
        for i, size in enumerate(sizes):
            if expected[i] < size and sum(expected) < total:
                expected[i] += 1
    assert shares(sizes, total) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total": 3, "per_subject": 2}, "both"),
        ({"total": 0}, "`total`"),
        ({"per_subject": -1}, "`per_subject`"),
        ({"total": 3, "order": "last"}, "last"),
        ({"total": 3, "remainder": "keep"}, "keep"),
        ({"total": 2, "remainder": "drop"}, "at least the number of sources, 3"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sample(POOL, **arguments)


def question(identity: Any, text: str) -> Question:
    return Question(identity, "s", text, ("x", "y"), ("a",), "train", "s")


def test_deduplicate_drops_what_the_test_asks_and_says_why() -> None:
    test = [question("test/0", "What's  the ﬁrst Law?")]
    train = [question("train/0", "what’s the first law"), question("train/1", "And the second?")]
    result = deduplicate(train, test)
    assert ids(result.kept) == ["train/1"]
    assert [(dropped.question.id, dropped.reason) for dropped in result.dropped] == [
        ("train/0", "same text as test question test/0")
    ]


def test_a_question_asked_without_options_is_the_twin_of_the_same_with_options() -> None:
    test = [question("mmlu/0", "Which gas do plants take up?")]
    open_ended = replace(question("ct/0", "which gas do plants take up"), options=(), accepted=("carbon dioxide",))
    assert deduplicate([open_ended], test).kept == []
    assert deduplicate(test, [open_ended]).kept == []


def test_normalise_keeps_signs_and_never_ends_empty() -> None:
    assert normalise("Is 3 < 4?") != normalise("Is 3 > 4?")
    assert normalise("2 + 2") != normalise("2 = 2")
    assert normalise("...") == "..."
    assert normalise("STRASSE,  – Straße") == "strasse strasse"
