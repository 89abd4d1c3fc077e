"""Which option of a multiple-choice question an answer names that somebody gives, wherever it is given."""

import re
from collections.abc import Sequence
from string import ascii_lowercase

from ccps.core.visible import seen

# b, B, (b), b), (b, b. and (b): — and nothing else around it.
LETTER = re.compile(r"\(?([A-Za-z])[).:]{0,2}")
"""An option letter, however it is spelt."""
# "B. Rhine", "(b) Rhine": an option as it stands in the prompt.
_LETTER_AND_TEXT = re.compile(r"\(?([A-Za-z])(?:\)|[.:]|\s-)[.:]?\s+(.+)")


def named_option(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that an answer names, by its letter, by its text or by both.

    1. Texts are compared as the eye has them (`ccps.core.visible.seen`); case counts only between options that differ
       in nothing else.
    2. Of options that nobody can tell apart it is the first.
    3. "B. Rhine" names the second option where that is Rhine; "B. Elbe" then names none, as it says two things.

    Args:
        answer: the answer.
        options: their texts, in the order of their letters.

    Returns:
        The letter in lower case; None if the answer names no option.

    Raises:
        ValueError: it may be two options: the letter of one and the text of another, or a text that several have but
            for case.
    """
    text, letters = seen(answer), dict(zip(ascii_lowercase, map(seen, options), strict=False))
    by_text = _by_text(text, letters)
    bare = LETTER.fullmatch(text)
    if bare is not None and (letter := bare[1].lower()) in letters:
        if by_text and letter not in by_text:
            raise ValueError(
                f"{answer[:60]!r}, the letter of one option and the text of another: write ({by_text[0]}) or ({letter})"
            )
        return letter
    if len({letters[letter] for letter in by_text}) > 1:
        raise ValueError(
            f"{answer[:60]!r}, which but for case is the text of several options: write "
            f"{' or '.join(f'({letter})' for letter in by_text)}"
        )
    if by_text:
        return by_text[0]
    both = _LETTER_AND_TEXT.fullmatch(text)
    if both is not None and (letters.get(letter := both[1].lower()) or "").casefold() == both[2].casefold():
        return letter
    return None


def _by_text(text: str, letters: dict[str, str]) -> list[str]:
    """Letters of the options of this text; where there is none, of those that have it but for case."""
    exact = [letter for letter, option in letters.items() if option == text]
    return exact or [letter for letter, option in letters.items() if option.casefold() == text.casefold()]
