"""From one record to a question; a ValueError says what is wrong with the record."""

import ast
import hashlib
import re
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from ccps.data.fields import lookup, number, render
from ccps.data.records import Question
from ccps.settings.benchmark import BenchmarkSpec

LABELS = {"1": True, "true": True, "0": False, "false": False, "-1": None, "": None}


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
        if _written(lookup(row, column)) != wanted:
            return f"`{column}` is not `{wanted}`" if wanted else f"`{column}` is not empty"
    answer = lookup(row, spec.answer)
    if spec.unanswered is not None and _written(answer) == spec.unanswered:
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
        asked=None if spec.asked is None else render(row, spec.asked),
        given_answer=_given_answer(spec, row),
        given_label=_given_label(spec, row),
    )
    return _left_out(spec, question) or question


def _left_out(spec: BenchmarkSpec, question: Question) -> str | None:
    """Why the description leaves a question out; None if it does not."""
    if spec.keep_pattern is not None and not re.search(spec.keep_pattern, question.text, re.DOTALL):
        return "the question does not match `keep_pattern`"
    pattern = spec.keep_answer_pattern
    if pattern is not None and not any(re.search(pattern, text, re.DOTALL) for text in question.accepted):
        return "no accepted answer matches `keep_answer_pattern`"
    return None


def _text(spec: BenchmarkSpec, row: dict[str, Any]) -> str:
    text = render(row, spec.question)
    if spec.question_pattern is not None:
        match = re.search(spec.question_pattern, text, re.DOTALL)
        if match is None:
            raise ValueError(f"the question does not match `question_pattern`: {text[:80]!r}")
        text = match[1]
    if not text.strip():
        raise ValueError("the question is empty")
    return text


def _options_and_accepted(
    spec: BenchmarkSpec, row: dict[str, Any], answer: object, identity: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    options = _options(spec, row)
    if not options:
        return (), _accepted_texts(answer)
    right = _right_option(spec, row, options, answer)
    if spec.format == "oe":
        return (), (options[right],)
    order = list(range(len(options)))
    if spec.shuffle_options:
        order.sort(key=lambda i: hashlib.blake2b(f"{identity}/{i}".encode()).digest())
    return tuple(options[i] for i in order), (ascii_lowercase[order.index(right)],)


def _options(spec: BenchmarkSpec, row: dict[str, Any]) -> list[str]:
    if spec.option_texts:
        return list(spec.option_texts)
    if not spec.options:
        return []
    values: Any
    if spec.option_pattern is not None:
        matches = re.finditer(spec.option_pattern, render(row, spec.options[0]), re.DOTALL)
        values = [match[1] for match in matches]
    elif len(spec.options) == 1:
        values = _unquoted(lookup(row, spec.options[0]))
        if not isinstance(values, list):
            raise ValueError(f"`{spec.options[0]}` is not a list of options: {values!r}")
    else:
        values = [lookup(row, column) for column in spec.options]
    options = ["" if value is None else str(value) for value in values]
    if len(spec.options) > 1:
        while options and not options[-1].strip():
            options.pop()
    if len(options) < 2:
        raise ValueError("no options" if not options else "only one option")
    if len(options) > len(ascii_lowercase):
        raise ValueError(f"{len(options)} options, more than there are letters (26)")
    empty = [letter for letter, option in zip(ascii_lowercase, options, strict=False) if not option.strip()]
    if empty:
        raise ValueError(f"option {empty[0]} is empty")
    return options


def _unquoted(value: object) -> object:
    """The list that a text writes out, as Python does; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _right_option(spec: BenchmarkSpec, row: dict[str, Any], options: Sequence[str], answer: object) -> int:
    """Index of the right option."""
    kind = spec.answer_kind
    if kind == "index":
        found = [number(answer)]
    elif kind == "one_based_index":
        found = [number(answer) - 1]
    elif kind == "letter":
        found = [i for i, letter in enumerate(ascii_lowercase) if letter == str(answer).strip().lower()]
    else:
        names = lookup(row, spec.labels) if spec.labels else options
        known = [] if answer is None else [(i, name) for i, name in enumerate(names) if name is not None]
        found = [i for i, name in known if str(name).strip() == str(answer).strip()]
    if len(found) > 1:
        raise ValueError(f"the answer {answer!r} is more than one of the options")
    if not found or not 0 <= found[0] < len(options):
        raise ValueError(f"the answer {answer!r} ({kind}) is none of the {len(options)} options")
    return found[0]


def _accepted_texts(answer: object) -> tuple[str, ...]:
    texts = answer if isinstance(answer, list) else [answer]
    if not texts:
        raise ValueError("the list of accepted answers is empty")
    for place, text in enumerate(texts, start=1):
        if text is None or not str(text).strip():
            raise ValueError(f"accepted answer {place} of {len(texts)} is empty")
    return tuple(str(text) for text in texts)


def _written(value: object) -> str:
    return "" if value is None else str(value).strip()


def _given_answer(spec: BenchmarkSpec, row: dict[str, Any]) -> str | None:
    value = None if spec.given_answer is None else lookup(row, spec.given_answer)
    return None if value is None else str(value)


def _given_label(spec: BenchmarkSpec, row: dict[str, Any]) -> bool | None:
    value = None if spec.given_label is None else lookup(row, spec.given_label)
    written = _written(value).lower().removesuffix(".0")
    if written not in LABELS:
        raise ValueError(f"the label {value!r} of the given answer is none of 0, 1, false, true and -1")
    return LABELS[written]
