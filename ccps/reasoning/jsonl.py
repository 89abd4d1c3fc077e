"""Traces as JSONL: made elsewhere and read here, or the other way round; a line per trace, in memory one at a time.

    text            what the model generated, without the prompt; the only key that must be there
    id              else the question's id, with "#k" behind it from its second trace on; else the number of the line
    question_id, question, prompt        texts
    gold            the right answer, or a list of them; `answer` is read too, unless `correct` is there: then it may be
                    what the model answered
    correct, ended  true or false, or 1 and 0: whether the answer is right, and whether the model ended its turn (or
                    why it came to an end, as servers say it: "stop", "length")
    prompt_ids      token ids of the prompt; `prompt_token_ids` is read too
    token_ids       generated token ids
    offsets         [start, end] characters of each generated token in `text`
    logprobs        natural logarithm of the probability of each generated token
    top_logprobs    those of the likeliest tokens at each position: a list of numbers, or vLLM's and OpenAI's objects
    misaligned      why ids and text do not fit, if that is known already
    steps           the steps, where the trace is cut already: objects with `text`, `alternatives` (texts that the model
                    said in its place) and scores in [0, 1], every other number by the name of its key
    model           what wrote it, where a file holds traces of several; `problem` is read for `question_id`

Lines of other tools are read too, see `ccps.reasoning.other_tools`, and folders of `ccps.reasoning.thought_anchors`.
Other keys are not read. What is null is missing. A
position of `top_logprobs` keeps its best k; one with fewer has NaN for the others, and one with NaN or infinity among
its best k is NaN altogether.
"""

import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.data.values import each_once
from ccps.faithful import misalignment
from ccps.faithful.deepconf import TOP_K
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning import jsonl_fields as fields
from ccps.reasoning.other_tools import own_rows
from ccps.reasoning.thought_anchors import LABELLED, Problem, problem_row, problems
from ccps.reasoning.trace import GivenStep, Trace

_NO_TEXT = "no text"
_MOST_FAULTS = 20


class Choice(NamedTuple):
    """Which traces of a file are read, and what of their steps.

    Attributes:
        model: of which model; None for all.
        only: patterns of which one must fit their ids; none takes all.
        scores: names of the scores of steps; None for every number.
        alternatives: whether what was said instead is read.
        k: so many of it for each step; None for all.
    """

    model: str | None = None
    only: tuple[str, ...] = ()
    scores: tuple[str, ...] | None = None
    alternatives: bool = True
    k: int | None = None

    def takes(self, trace: Trace) -> bool:
        """Whether a trace is among them."""
        if self.model is not None and trace.model != self.model:
            return False
        return not self.only or any(fnmatch(trace.id, pattern) for pattern in self.only)

    def steps(self, row: Mapping[str, Any]) -> tuple[GivenStep, ...]:
        """The steps of a row."""
        given = fields.steps(dict(row), self.scores)
        kept = self.k if self.alternatives else 0
        return tuple(one._replace(alternatives=one.alternatives[:kept]) for one in given)


_ALL = Choice()


class Content(NamedTuple):
    """What traces bring beside their text.

    Attributes:
        traces: how many there are.
        alternatives: texts that were said in the place of steps.
        scores: names of the scores of steps, in the order in which they come.
    """

    traces: int = 0
    alternatives: int = 0
    scores: tuple[str, ...] = ()

    def and_of(self, trace: Trace) -> "Content":
        """With one more trace."""
        names = [*self.scores, *(name for step in trace.steps for name in step.scores)]
        alternatives = self.alternatives + sum(len(step.alternatives) for step in trace.steps)
        return Content(self.traces + 1, alternatives, tuple(dict.fromkeys(names)))


@dataclass(frozen=True)
class LoadedTraces:
    """Traces of a file that is known to be well-formed.

    Attributes:
        path: the file.
        k: alternatives per position.
        n: how many traces there are.
        left_out: how many lines hold none, by reason.
        choice: which of the traces, and what of them.
        contents: what each model's traces bring, by its name; empty where the file names none.
    """

    path: Path
    k: int
    n: int
    left_out: Mapping[str, int]
    choice: "Choice"
    contents: Mapping[str, "Content"]

    @property
    def traces(self) -> Iterator[Trace]:
        """The traces, read from the file one by one; each time anew.

        Raises:
            UserError: the file has changed and is no longer well-formed.
        """
        for line in _lines(self.path, self.k, self.choice):
            if line.fault:
                raise _bad_lines(self.path, [line])
            if line.trace is not None and self.choice.takes(line.trace):
                yield line.trace


def read_traces(path: Path | str, k: int = TOP_K, choice: Choice = _ALL) -> LoadedTraces:
    """Look through a file of traces, before any of them is used.

    Args:
        path: JSONL, or JSONL compressed by gzip if its name ends in `.gz`; or a folder of `thought_anchors`.
        k: alternatives per position that `top_log_probs` is to have.
        choice: which traces, and what of their steps.

    Raises:
        UserError: the file cannot be read or holds no trace; or naming every line that is not as it should be.
    """
    path = Path(path)
    left_out, faulty, contents = Counter[str](), [], dict[str, Content]()
    for line in _lines(path, k, choice):
        if line.fault:
            faulty.append(line)
        elif line.trace is None:
            left_out[_NO_TEXT] += 1
        elif choice.takes(line.trace):
            contents[line.trace.model] = contents.get(line.trace.model, Content()).and_of(line.trace)
    n = sum(content.traces for content in contents.values())
    if faulty:
        raise _bad_lines(path, faulty)
    if not n and choice.only:
        got = f"none of {', '.join(choice.only)}"
        way_out = "An id is MODEL/CONDITION/PROBLEM in a folder, `id` in a file; * stands for anything."
        raise expected(f"`only` of {path}", "patterns that fit the id of a trace", got, way_out)
    if not n:
        got = f"{left_out.total()} lines, none of them with text"
        raise expected(f"{path}", "a file of traces", got, "Give another file.")
    return LoadedTraces(path, k, n, dict(left_out), choice, contents)


def glance(path: Path | str) -> Content:
    """What traces bring beside their text; of a file without the word `steps` that is nothing, and it is not parsed.

    Raises:
        UserError: as `read_traces`.
    """
    path = local_path(path)
    if path.is_file():
        with _opened(path, "rb") as file:
            if not any(b'"steps"' in line for line in file):
                return Content()
    contents = read_traces(path).contents.values()
    scores = dict.fromkeys(name for content in contents for name in content.scores)
    return Content(
        sum(content.traces for content in contents), sum(content.alternatives for content in contents), tuple(scores)
    )


def write_traces(path: Path | str, traces: Iterable[Trace]) -> int:
    """Write traces so that `read_traces` gives them back as they are, with `k` the width of their `top_log_probs`.

    Args:
        path: where to; compressed by gzip if the name ends in `.gz`.
        traces: any traces.

    Returns:
        How many were written.
    """
    n = 0
    with _opened(Path(path), "wb") as file:
        for trace in traces:
            file.write((json.dumps(_row(trace), ensure_ascii=False, allow_nan=False) + "\n").encode())
            n += 1
    return n


def _row(trace: Trace) -> dict[str, Any]:
    """What is known of a trace; what is not has no key."""
    row: dict[str, Any] = {
        "id": trace.id,
        "question_id": trace.question_id,
        "question": trace.question,
        "prompt": trace.prompt,
        "gold": list(trace.gold),
        "prompt_ids": [int(token) for token in trace.prompt_ids],
        "misaligned": trace.misaligned,
        "model": trace.model,
        "steps": [{"text": one.text, "alternatives": list(one.alternatives), **one.scores} for one in trace.steps],
    }
    row = {key: value for key, value in row.items() if value}
    row |= {"text": trace.text, "ended": trace.ended, "correct": trace.correct}
    if trace.token_ids is not None:
        row["token_ids"] = [int(token) for token in trace.token_ids]
    if trace.offsets is not None:
        row["offsets"] = trace.offsets.tolist()
    if trace.log_probs is not None:
        row["logprobs"] = [None if math.isnan(value) else value for value in trace.log_probs.tolist()]
    if trace.top_log_probs is not None:
        rows = trace.top_log_probs.tolist()
        row["top_logprobs"] = [[value for value in own if not math.isnan(value)] for own in rows]
    return row


class _Line(NamedTuple):
    """A line of a file: a trace, what is wrong with it, or neither if it holds no text."""

    where: str
    trace: Trace | None = None
    fault: str = ""


def _lines(path: Path, k: int, choice: Choice) -> Iterator[_Line]:
    names: dict[str, str] = {}
    traces_of: Counter[str] = Counter()
    for where, number, read in _rows(path, choice):
        try:
            for place, row in enumerate(read()):
                if row["text"] is None:
                    yield _Line(where)
                    continue
                name = _name(row, f"{number}#{place + 1}" if place else str(number), traces_of)
                if name in names:
                    raise ValueError(f"the id {name!r} is that of {names[name]} too")
                names[name] = where
                yield _Line(where, _trace(row, name, k, choice))
        except (ValueError, OverflowError) as error:
            yield _Line(where, fault=str(error))


def _rows(path: Path, choice: Choice) -> Iterator[tuple[str, int, Callable[[], Iterable[dict[str, Any]]]]]:
    """Where each row stands, its number, and what reads it: lines of a file, or problems of a folder."""
    if path.is_dir():
        if not problems(path):
            raise _no_problems(path)
        for number, problem in enumerate(problems(path, choice.only), start=1):
            yield problem.id, number, partial(_problem_rows, problem, choice.alternatives)
        return
    try:
        with _opened(path, "rb") as file:
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


def _opened(path: Path, mode: str) -> closing[BinaryIO]:
    if path.suffix == ".gz":
        # Without the time of writing, so that the same traces give the same bytes.
        return closing(cast(BinaryIO, gzip.GzipFile(path, mode, mtime=0)))
    return closing(cast(BinaryIO, path.open(mode)))


def _bad_lines(path: Path, faulty: list[_Line]) -> UserError:
    listed = [f"{line.where}: {line.fault}" for line in faulty[:_MOST_FAULTS]]
    if more := len(faulty) - len(listed):
        listed.append(f"and {more} more")
    faults = "\n".join(listed)
    what = "folder" if path.is_dir() else "line"
    return UserError(
        f"Expected every {what} of {path} to be a trace, but got {len(faulty)} that are not:\n{faults}\n"
        f"Mend these {what}s or take them out."
    )


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
