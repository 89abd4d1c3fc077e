"""Of a whole derivation only its answer is what is right."""

import pytest

from ccps.data.derivations import bare_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("48 / 2 = 24\n#### 72", "72"),
        ("So it is \\boxed{72}.", "72"),
        (r"First \boxed{1}, then $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\fbox{no} \boxed {x = \{1, 2\}}", r"x = \{1, 2\}"),
        ("Rhine", "Rhine"),
        (r"an open \boxed{72", r"an open \boxed{72"),
        ("boxed{72}", "boxed{72}"),
    ],
)
def test_the_answer_of_a_derivation(text: str, answer: str) -> None:
    assert bare_answer(text) == answer
