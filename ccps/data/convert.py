"""From one record to a question; a ValueError says what is wrong with the record."""

import hashlib
import re
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from ccps.core.visible import seen
from ccps.data.fields import has, lookup, render
from ccps.data.named_option import LETTER, named_option
from ccps.data.option_labels import LABEL_NAMES, check_counts, check_order, check_written_letters
from ccps.data.records import Question
from ccps.data.values import (
    NOTHING,
    as_list,
    as_number,
    as_text,
    likely_text,
    printed,
    refuse_printed,
    written_out,
    written_texts,
)
from ccps.settings.benchmark import BenchmarkSpec

LABELS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "-1": None, "": None}


def to_question(spec: BenchmarkSpec, row: dict[str, Any], subject: str, position: int) -> Question | str:
    """Turn one record into a question, or into the reason why the description leaves it out.

    Args:
        spec: description of the benchmark.
        row: the record.
        subject: its subject; may be empty.
        position: number of the record within its subject.

    Raises:
        ValueError: the record is faulty.
    """
    for column, wanted in spec.where.items():
        if _written(lookup(row, column), f"`{column}`") != wanted:
            return f"`{column}` is not `{wanted}`" if wanted else f"`{column}` is not empty"
    answer = lookup(row, spec.answer)
    if spec.unanswered is not None and _written(answer, f"`{spec.answer}`") == spec.unanswered:
        return "no right answer is known"
    identity = "/".join(part for part in (spec.name, subject, str(position)) if part)
    options, accepted = _options_and_accepted(spec, row, answer, identity)
    question = Question(
        id=identity,
        subject=subject or spec.name,
        text=_text(spec, row),
        options=options,
        accepted=accepted,
        split=spec.split,
        source=spec.name,
        asked=None if spec.asked is None else render(row, spec.asked, may_be_printed=_keeps_printed(spec)),
        given_answer=_chosen(spec, row, options),
        given_label=_given_label(spec, row),
    )
    return _left_out(spec, question) or question


def to_unanswered(spec: BenchmarkSpec, row: dict[str, Any], position: int) -> Question:
    """Turn one record into a question of which nobody says what is right.

    Args:
        spec: description of the benchmark; what it says of answers is of no meaning.
        row: the record.
        position: its number.

    Raises:
        ValueError: the record is faulty.
    """
    options = tuple(_options(spec, row))
    return Question(
        id=f"{spec.name}/{position}",
        subject=spec.name if spec.subject is None else render(row, spec.subject) or spec.name,
        text=_text(spec, row),
        options=options,
        accepted=(),
        split=spec.split,
        source=spec.name,
        given_answer=_chosen(spec, row, options),
        given_label=_given_label(spec, row),
    )


def _left_out(spec: BenchmarkSpec, question: Question) -> str | None:
    """Why the description leaves a question out; None if it does not."""
    if spec.keep_pattern is not None and not re.search(spec.keep_pattern, question.text, re.DOTALL):
        return "the question does not match `keep_pattern`"
    pattern = spec.keep_answer_pattern
    if pattern is not None and not any(re.search(pattern, text, re.DOTALL) for text in question.accepted):
        return "no accepted answer matches `keep_answer_pattern`"
    return None


def _text(spec: BenchmarkSpec, row: dict[str, Any]) -> str:
    is_taken_out = spec.question_pattern is not None
    text = render(row, spec.question, may_be_printed=is_taken_out or _keeps_printed(spec))
    if spec.question_pattern is not None:
        match = re.search(spec.question_pattern, text, re.DOTALL)
        if match is None:
            raise ValueError(f"the question does not match `question_pattern`: {text[:80]!r}")
        text = match[1]
    if not seen(text):
        raise ValueError("the question is empty")
    if not _keeps_printed(spec):
        refuse_printed(text, "the question")
        if text.strip() in NOTHING:
            raise ValueError(f"the question is {text.strip()!r}, as programs write nothing; `printed: keep` asks it")
    return text


def _keeps_printed(spec: BenchmarkSpec) -> bool:
    return spec.printed == "keep"


def _options_and_accepted(
    spec: BenchmarkSpec, row: dict[str, Any], answer: object, identity: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    options = _options(spec, row)
    if not options:
        return (), _accepted_texts(spec, answer)
    right = _right_option(spec, row, options, answer)
    if spec.format == "oe":
        return (), (options[right],)
    twins = [i for i, option in enumerate(options) if _same_words(option) == _same_words(options[right])]
    rights = twins if spec.twice_right == "either" else [right]
    order = list(range(len(options)))
    if spec.shuffle_options:
        order.sort(key=lambda i: hashlib.blake2b(f"{identity}/{i}".encode()).digest())
    return tuple(options[i] for i in order), tuple(sorted(ascii_lowercase[order.index(i)] for i in rights))


def has_right_twice(question: Question) -> bool:
    """Whether the right option of a multiple-choice question stands at another letter too."""
    texts = {letter: _same_words(text) for letter, text in zip(question.letters, question.options, strict=True)}
    return any(list(texts.values()).count(texts[letter]) > 1 for letter in question.accepted if letter in texts)


def _same_words(option: str) -> str:
    """What two options share that nobody can tell apart."""
    return seen(option)


def _options(spec: BenchmarkSpec, row: dict[str, Any]) -> list[str]:
    if spec.option_texts:
        return list(spec.option_texts)
    if not spec.options:
        return []
    if spec.option_pattern is not None:
        matches = re.finditer(spec.option_pattern, render(row, spec.options[0], may_be_printed=True), re.DOTALL)
        named = [(spec.options[0], match[1]) for match in matches]
    elif len(spec.options) == 1:
        column = spec.options[0]
        named = [(f"{column}.{place}", one) for place, one in enumerate(_listed_options(spec, row, column))]
    else:
        named = [(column, lookup(row, column)) for column in spec.options]
    options = ["" if value is None else as_text(value, f"`{column}`") for column, value in named]
    if len(spec.options) > 1:
        while options and not seen(options[-1]):
            options.pop()
    if len(options) < 2:
        raise ValueError("no options" if not options else "only one option")
    if len(options) > len(ascii_lowercase):
        raise ValueError(f"{len(options)} options, more than there are letters (26)")
    empty = [letter for letter, option in zip(ascii_lowercase, options, strict=False) if not seen(option)]
    if empty:
        raise ValueError(f"option {empty[0]} is empty")
    check_written_letters(spec.answer_kind, options)
    if not _keeps_printed(spec) and all(map(printed, options)):
        refuse_printed(options[0], f"`{named[0][0]}`")
    return options


def _listed_options(spec: BenchmarkSpec, row: dict[str, Any], column: str) -> list[Any]:
    """The options that one column lists: texts, or a text and its label each, as ARC and CommonsenseQA have them."""
    values = as_list(lookup(row, column), f"`{column}`")
    if values and all(isinstance(one, dict) for one in values):
        if any(one.keys() != {"label", "text"} for one in values):
            raise ValueError(
                f"`{column}` lists mappings ({', '.join(map(str, values[0]))}), where texts are wanted: name what lies "
                f"inside them, such as `{column}.{likely_text(values[0])}`"
            )
        check_order(spec.answer_kind, [one["label"] for one in values], f"{column}.label")
        return [one["text"] for one in values]
    whole, _, own = column.rpartition(".")
    for name in LABEL_NAMES:
        if whole and name != own and has(row, f"{whole}.{name}"):
            check_order(spec.answer_kind, lookup(row, f"{whole}.{name}"), f"{whole}.{name}")
    return values


def _right_option(spec: BenchmarkSpec, row: dict[str, Any], options: Sequence[str], answer: object) -> int:
    """Index of the right option; of several that nobody can tell apart, the first."""
    kind, field = spec.answer_kind, f"`{spec.answer}`"
    if kind in ("index", "one_based_index"):
        check_counts(kind, answer, options, field)
        found = [as_number(answer, field) - (kind == "one_based_index")]
    elif kind == "letter":
        match = LETTER.fullmatch(seen(_written(answer, field)))
        found = [] if match is None else [i for i, letter in enumerate(ascii_lowercase) if letter == match[1].lower()]
    else:
        names = as_list(lookup(row, spec.labels), f"`{spec.labels}`") if spec.labels else options
        written = _written(answer, field)
        found = [i for i, name in enumerate(names) if written and _written(name, "the label of an option") == written]
    if len(found) > 1 and not (kind == "text" and len({_same_words(options[i]) for i in found}) == 1):
        raise ValueError(f"the answer {answer!r} is more than one of the options")
    if not found or not 0 <= found[0] < len(options):
        raise ValueError(f"the answer {answer!r} ({kind}) is none of the {len(options)} options")
    return found[0]


def _accepted_texts(spec: BenchmarkSpec, answer: object) -> tuple[str, ...]:
    if not _keeps_printed(spec):
        answer = written_texts(answer, f"`{spec.answer}`")
    texts = answer if isinstance(answer, list) else [answer]
    if not texts:
        raise ValueError("the list of accepted answers is empty")
    written = ["" if text is None else as_text(text, f"accepted answer {i}") for i, text in enumerate(texts, start=1)]
    for place, text in enumerate(written, start=1):
        if not seen(text):
            raise ValueError(f"accepted answer {place} of {len(texts)} is empty")
    return tuple(written)


def _written(value: object, field: str) -> str:
    return "" if value is None else as_text(value, field).strip()


def _given_answer(spec: BenchmarkSpec, row: dict[str, Any]) -> str | None:
    value = None if spec.given_answer is None else lookup(row, spec.given_answer)
    if not isinstance(value, str):
        return None if value is None else as_text(_only_one(value), f"`{spec.given_answer}`")
    if _keeps_printed(spec):
        return as_text(value, f"`{spec.given_answer}`")
    written = _only_one(written_out(value, f"`{spec.given_answer}`"))
    if isinstance(written, str) and written != value:
        return as_text(written, f"`{spec.given_answer}`")
    refuse_printed(value, f"`{spec.given_answer}`")
    return as_text(value, f"`{spec.given_answer}`")


def _chosen(spec: BenchmarkSpec, row: dict[str, Any], options: Sequence[str]) -> str | None:
    """The given answer, where there are options the letter of the one that it names, see `named_option`.

    A letter stays as it is spelt, and so does what names no option: it is an answer, if a wrong one. What was answered
    to a prompt of the data's own (`asked`) stays too, as that may have asked for texts.
    """
    given = _given_answer(spec, row)
    if given is None or not options or spec.asked is not None:
        return given
    try:
        letter = named_option(given, options)
    except ValueError as error:
        raise ValueError(f"the given answer is {error}") from error
    bare = LETTER.fullmatch(seen(given))
    return given if letter is None or (bare is not None and bare[1].lower() == letter) else letter


def _only_one(value: object) -> object:
    """What a list holds alone: one reply of one turn, as evaluation harnesses log it."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _given_label(spec: BenchmarkSpec, row: dict[str, Any]) -> bool | None:
    value = None if spec.given_label is None else lookup(row, spec.given_label)
    written = _written(value, f"`{spec.given_label}`").lower().removesuffix(".0")
    if written not in LABELS:
        raise ValueError(f"the label {value!r} of the given answer is none of 0, 1, false, true, no, yes and -1")
    return LABELS[written]
