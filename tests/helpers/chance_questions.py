"""Questions of which a random model gets some right by chance."""

import random

from ccps.data.records import Question


def questions(options: int, n: int) -> list[Question]:
    """Sums, with so many options; with none they are open-ended."""
    rng = random.Random(0)
    return [
        Question(
            f"q{place}",
            "sums",
            f"What is {place} plus {place}?",
            tuple(str(2 * place + other) for other in range(options)),
            (rng.choice("abcd"[:options]) if options else "e",),
            "test",
            "s",
        )
        for place in range(n)
    ]
