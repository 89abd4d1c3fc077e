import pytest

from ccps.metrics.aggregates import leading_aggregate, questions_per_subject, variant


@pytest.mark.parametrize(
    ("sizes", "leads"),
    [
        ([29, 29, 29], "pooled"),
        ([30, 30, 30], "macro"),
        ([5, 30, 100], "macro"),
        ([5, 6, 100], "pooled"),
        ([400], "pooled"),
    ],
)
def test_half_of_the_subjects_decide(sizes: list[int], leads: str) -> None:
    subjects = [subject for subject, size in enumerate(sizes) for _ in range(size)]
    assert leading_aggregate("auto", subjects) == leads
    assert leading_aggregate("macro", subjects) == "macro"
    assert leading_aggregate("pooled", subjects) == "pooled"


def test_the_size_of_a_subject_is_the_median() -> None:
    assert questions_per_subject("aaabbc") == 2
    assert questions_per_subject("aaab") == 2  # between 1 and 3


def test_unknown_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected `wanted` to be one of auto, macro, pooled, but got 'mean'"):
        leading_aggregate("mean", ["a"])


def test_the_names_of_variants() -> None:
    assert (variant("ct", "macro"), variant("ct", "pooled")) == ("ct", "pooled ct")
