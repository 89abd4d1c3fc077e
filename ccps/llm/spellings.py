"""The tokens of a model that are an option letter, however it is spelt."""

import re
from typing import Any

from ccps.grading.letters import answer_letter

_LONGEST = 12
_HAS_ONE_LETTER = re.compile(r"[^A-Za-z]*[A-Za-z][^A-Za-z]*")


def letter_spellings(tokenizer: Any, letters: str, rows: int) -> list[list[int]]:
    """All single tokens that the grader of letters takes for each letter: `b`, ` b`, `B`, `(b`, ` (B`, `b)`, ….

    A model spreads the probability of an option over them, and answers with any.

    Args:
        tokenizer: a transformers tokenizer.
        letters: lower-case, in the order that is wanted.
        rows: of the output head; tokens beyond have no logit.

    Returns:
        Token ids for each letter, ascending; none for a letter that is no token.
    """
    found: dict[str, list[int]] = {letter: [] for letter in letters}
    special = set(tokenizer.all_special_ids)
    for token, number in tokenizer.get_vocab().items():
        # Tokenizers write white space as signs that are no letters, so that few tokens have to be decoded.
        if len(token) <= _LONGEST and number < rows and number not in special and _HAS_ONE_LETTER.fullmatch(token):
            letter = answer_letter(tokenizer.decode([number]))
            if letter in found:
                found[letter].append(number)
    return [sorted(found[letter]) for letter in letters]
