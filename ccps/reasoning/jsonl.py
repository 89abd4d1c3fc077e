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

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.faithful.deepconf import TOP_K
from ccps.reasoning.jsonl_choice import ALL, Choice
from ccps.reasoning.jsonl_lines import Line, lines_of, opened
from ccps.reasoning.trace import Trace

_NO_TEXT = "no text"
_MOST_FAULTS = 20


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
    choice: Choice
    contents: Mapping[str, Content]

    @property
    def traces(self) -> Iterator[Trace]:
        """The traces, read from the file one by one; each time anew.

        Raises:
            UserError: the file has changed and is no longer well-formed.
        """
        for line in lines_of(self.path, self.k, self.choice):
            if line.fault:
                raise _bad_lines(self.path, [line])
            if line.trace is not None and self.choice.takes(line.trace):
                yield line.trace


def read_traces(path: Path | str, k: int = TOP_K, choice: Choice = ALL) -> LoadedTraces:
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
    for line in lines_of(path, k, choice):
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
        with opened(path, "rb") as file:
            if not any(b'"steps"' in line for line in file):
                return Content()
    contents = read_traces(path).contents.values()
    scores = dict.fromkeys(name for content in contents for name in content.scores)
    return Content(
        sum(content.traces for content in contents), sum(content.alternatives for content in contents), tuple(scores)
    )


def _bad_lines(path: Path, faulty: list[Line]) -> UserError:
    listed = [f"{line.where}: {line.fault}" for line in faulty[:_MOST_FAULTS]]
    if more := len(faulty) - len(listed):
        listed.append(f"and {more} more")
    faults = "\n".join(listed)
    what = "folder" if path.is_dir() else "line"
    return UserError(
        f"Expected every {what} of {path} to be a trace, but got {len(faulty)} that are not:\n{faults}\n"
        f"Mend these {what}s or take them out."
    )
