"""Whether the labels that options bring along are those of their places, where the right one is named by its place.

A ValueError says where not: the letter B would be taken for the second option, though the data call the first one B.
"""

import re
from collections.abc import Sequence
from string import ascii_lowercase

from ccps.data.class_labels import ClassLabel
from ccps.data.values import as_text

LABEL_NAMES = ("label", "key", "id", "letter", "name", "option", "index")
"""Under these names options that are records have labels of their own."""

_IN_ORDER = (ascii_lowercase, "123456789", "0123456789")
_ONE_SIGN = re.compile(r"[A-Za-z0-9]")
# "B. grass", "(B) grass", "B: grass", "B) grass".
_LETTERED = re.compile(r"\s*(?:\(([A-Za-z])\)|([A-Za-z])[.:)](?=\s))")


def check_order(answer_kind: str, labels: object, column: str) -> None:
    """Refuse labels that are not those of the options' places.

    Args:
        answer_kind: how answers are written, see `BenchmarkSpec`.
        labels: of the options, in their order; those that are no single letters or digits may name something else,
            unless they are called labels.
        column: that holds them.

    Raises:
        ValueError: they are others.
    """
    if answer_kind in ("label", "text") or not isinstance(labels, list):
        return
    is_label = column.endswith("label") or all(_ONE_SIGN.fullmatch(str(one)) for one in labels)
    names = [as_text(one, f"`{column}`").strip().lower() for one in labels] if is_label else []
    if not _in_order(names):
        raise ValueError(
            f"the options in `{column.rpartition('.')[0]}` are labelled {', '.join(names)}, not in order: set "
            f"`answer_kind: label` and `labels: {column}`"
        )


def check_written_letters(answer_kind: str, options: Sequence[str]) -> None:
    """Refuse options that all begin with a letter of their own, "B. grass", which is not that of their place.

    Raises:
        ValueError: they do.
    """
    found = [match[1] or match[2] for option in options if (match := _LETTERED.match(option))]
    letters = [letter.lower() for letter in found]
    is_numbering = sorted(letters) == list(ascii_lowercase[: len(options)])
    if answer_kind == "letter" and is_numbering and not _in_order(letters):
        raise ValueError(
            f"the options bring letters of their own, {', '.join(letters)}, and not in order, so that nobody knows "
            "which one the answer names: order them by their letters"
        )


def check_counts(answer_kind: str, answer: object, options: Sequence[str], field: str) -> None:
    """Refuse a number that does not count options: true and false from 1, a class of names in another order.

    Raises:
        ValueError: it does not.
    """
    if answer_kind == "one_based_index" and str(answer).strip().lower() in ("true", "false"):
        raise ValueError(f"{field} is {answer}, where a whole number from 1 is wanted: false and true count from 0")
    if not isinstance(answer, ClassLabel):
        return
    names = [name.strip().casefold() for name in answer.names]
    texts = [option.strip().casefold() for option in options]
    are_theirs = sorted(names) == sorted(texts) and names != texts
    if are_theirs or (all(map(_ONE_SIGN.fullmatch, names)) and not _in_order(names)):
        raise ValueError(
            f"{field} is the class `{answer.name}` of {', '.join(answer.names)}, which are not in the order of the "
            "options: set `answer_kind` to text, letter or label, by which a class is its name"
        )


def _in_order(labels: Sequence[str]) -> bool:
    """Whether labels in lower case are letters from a on, or digits from 1 or from 0 on; none are."""
    return any(list(labels) == list(order[: len(labels)]) for order in _IN_ORDER)
