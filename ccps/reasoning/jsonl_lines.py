"""The lines of a file of traces, or the problems of a folder, one at a time: traces, faults, or nothing to read."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from ccps.core.errors import UserError, expected
from ccps.data.values import each_once
from ccps.faithful import misalignment
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning import jsonl_fields as fields
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.other_tools import own_rows
from ccps.reasoning.thought_anchors import LABELLED, Problem, problem_row, problems
from ccps.reasoning.trace import Trace


class Line(NamedTuple):
    """A line of a file: a trace, what is wrong with it, or neither if it holds no text."""

    where: str
    trace: Trace | None = None
    fault: str = ""


def lines_of(path: Path, k: int, choice: Choice) -> Iterator[Line]:
    """Every line of a file, or problem of a folder.

    Args:
        path: of the one or the other.
        k: alternatives per position that `top_log_probs` is to have.
        choice: what is read of steps; of a folder also which problems.

    Raises:
        UserError: it cannot be read at all.
    """
    names: dict[str, str] = {}
    traces_of: Counter[str] = Counter()
    for where, number, read in _rows(path, choice):
        try:
            for place, row in enumerate(read()):
                if row["text"] is None:
                    yield Line(where)
                    continue
                name = _name(row, f"{number}#{place + 1}" if place else str(number), traces_of)
                if name in names:
                    raise ValueError(f"the id {name!r} is that of {names[name]} too")
                names[name] = where
                yield Line(where, _trace(row, name, k, choice))
        except (ValueError, OverflowError) as error:
            yield Line(where, fault=str(error))


def _rows(path: Path, choice: Choice) -> Iterator[tuple[str, int, Callable[[], Iterable[dict[str, Any]]]]]:
    """Where each row stands, its number, and what reads it: lines of a file, or problems of a folder."""
    if path.is_dir():
        if not problems(path):
            raise _no_problems(path)
        for number, problem in enumerate(problems(path, choice.only), start=1):
            yield problem.id, number, partial(_problem_rows, problem, choice.alternatives)
        return
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"line {number}", number, partial(_line_rows, line)
    except (OSError, EOFError, zlib.error) as error:
        raise expected(f"{path}", "a readable file of traces", f"{error}", "Give a JSONL file.") from error


def _no_problems(folder: Path) -> UserError:
    """A folder that is none of rollouts: what it holds may be meant."""
    files = sorted(path for pattern in ("*.jsonl", "*.jsonl.gz") for path in folder.glob(pattern))
    got = f"a folder without {LABELLED} anywhere below it"
    way_out = (
        f"Give the file in it: {files[0]}."
        if files
        else f"A trace lies in MODEL/…/correct_base_solution/problem_N/{LABELLED}; a JSONL file may be given instead."
    )
    return expected(f"{folder}", "a folder of rollouts", got, way_out)


def _line_rows(line: bytes) -> Iterable[dict[str, Any]]:
    return own_rows(_object(line))


def _problem_rows(problem: Problem, alternatives: bool) -> Iterable[dict[str, Any]]:
    return [problem_row(problem, alternatives=alternatives)]


def opened(path: Path, mode: str) -> closing[BinaryIO]:
    """A file of traces, compressed by gzip if its name ends in `.gz`; it closes with its block."""
    if path.suffix == ".gz":
        # Without the time of writing, so that the same traces give the same bytes.
        return closing(cast(BinaryIO, gzip.GzipFile(path, mode, mtime=0)))
    return closing(cast(BinaryIO, path.open(mode)))


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError("JSON, but not an object")
    return row


def _name(row: dict[str, Any], number: str, traces_of: Counter[str]) -> str:
    """The id of a trace, made up from its question or its line if it has none."""
    question = _question_id(row)
    traces_of[question] += 1
    if given := fields.text(row, "id"):
        return given
    if not question:
        return number
    return question if traces_of[question] == 1 else f"{question}#{traces_of[question]}"


def _trace(row: dict[str, Any], name: str, k: int, choice: Choice) -> Trace:
    text = fields.text(row, "text")
    tokens, offsets = fields.token_ids(row, "token_ids"), fields.offsets(row)
    logs, alternatives = fields.logarithms(row, "logprobs"), fields.alternatives(row, "top_logprobs", k)
    misaligned = fields.text(row, "misaligned") or _misfit(text, tokens, offsets, (logs, alternatives))
    return Trace(
        id=name,
        question_id=_question_id(row),
        text=text,
        ended=fields.truth(row, "ended"),
        prompt_ids=fields.token_ids(row, "prompt_ids") or fields.token_ids(row, "prompt_token_ids") or (),
        token_ids=tokens,
        offsets=offsets,
        top_log_probs=alternatives,
        log_probs=logs,
        misaligned=misaligned,
        question=fields.text(row, "question"),
        gold=fields.texts(row, "gold") or (fields.texts(row, "answer") if row.get("correct") is None else ()),
        prompt=fields.text(row, "prompt"),
        correct=fields.truth(row, "correct"),
        steps=choice.steps(row),
        model=fields.text(row, "model"),
    )


def _question_id(row: dict[str, Any]) -> str:
    return fields.text(row, "question_id") or (fields.text(row, "problem") if row.get("steps") is not None else "")


def _misfit(text: str, tokens: list[int] | None, offsets: IntArray | None, numbers: Iterable[FloatArray | None]) -> str:
    if tokens is None and offsets is None:
        return ""
    n = len(tokens) if tokens is not None else len(cast(IntArray, offsets))
    for values in numbers:
        if values is not None and len(values) != n:
            return f"log-probabilities of {len(values)} positions for {n} tokens"
    if offsets is None:
        return ""
    try:
        return misalignment(text, offsets, n)
    except ValueError:
        return "token offsets that do not run through the text in order"
