"""Have a model think before it answers, and read what it wrote: traces with log-probabilities and states."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.asking.follow_up import FollowUp, probability_of_yes
from ccps.asking.samples import uniforms
from ccps.core.errors import expected
from ccps.engines import Writer
from ccps.faithful import misalignment
from ccps.llm import Context, LanguageModel, lay_out
from ccps.llm.batch import LITTLE_PADDING, common_prefix, plan_batches, work_off
from ccps.llm.reading import Kept, Start, Text, TraceReading, read_batch, read_start
from ccps.llm.sample import Sampled
from ccps.llm.taking import STATE_NAMES, StateName, Taker
from ccps.reasoning.measures import Measure, Measuring
from ccps.reasoning.offsets import token_offsets
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.traces import TraceSettings


class ReadTrace(NamedTuple):
    """A trace that a model has read.

    Attributes:
        trace: the trace, with the log-probabilities of its tokens.
        reading: its states as far as they are kept, and what was made of them; None for a trace that cannot be read.
        p_true: P("yes") when the model is asked at its end whether its answer is correct; NaN if it was not asked,
            wrote nothing, or the context window has no room to ask.
    """

    trace: Trace
    reading: TraceReading | None
    p_true: float = math.nan


class _Begun(NamedTuple):
    measure: Measure
    measuring: Measuring


class TraceReader:
    """Reads traces with a model, in one teacher-forced pass.

    Args:
        lm: the model.
        settings: what is kept.
        follow_up: what the model is asked at the end of each trace, with `self_evaluation` among what it collects; None
            to ask nothing.
        measures: what is made of the states of each trace, whether these are kept or not.
    """

    def __init__(
        self,
        lm: LanguageModel,
        settings: TraceSettings,
        follow_up: FollowUp | None = None,
        measures: Sequence[Measure] = (),
    ) -> None:
        self.lm = lm
        self.settings = settings
        self.follow_up = follow_up
        self.measures = measures
        self.head = lm.head.to(lm.device, torch.float32 if any(one.reads_head for one in measures) else None)
        self.states: list[Kept] = [name for name in STATE_NAMES if name in settings.states]
        self.start: Start | None = None

    def read_shared(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read what some prompts all begin with: no trace behind one of them has it read again.

        Args:
            prompts: token ids, of the traces that are to be read and have no `obstacle`.
        """
        shared = common_prefix([list(prompt) for prompt in prompts])
        tokens = list(prompts[0][:shared]) if shared else []
        size = self.settings.max_batch_tokens
        taken = [*self.states, *(one.states for one in self.measures)]
        self.start = read_start(self.lm, tokens, keep=taken, max_batch_tokens=size) if tokens else None

    def obstacle(self, trace: Trace) -> str:
        """Why the model cannot read a trace, in a few words; empty if it can."""
        if trace.token_ids is None:
            return "no token ids"
        if not trace.prompt_ids:
            return "no token ids of its prompt"
        if max(*trace.prompt_ids, *trace.token_ids, 0) >= len(self.head.weight):
            return "token ids of another model"
        too_long = len(trace.prompt_ids) + len(trace.token_ids) > self.lm.context_window
        return "more tokens than the context window holds" if too_long else ""

    def read(self, traces: Sequence[Trace]) -> list[ReadTrace]:
        """Read traces, those of like length together; the model's log-probabilities take the place of any they have.

        Raises:
            UserError: the model cannot read one of them, see `obstacle`, or a state is NaN or infinite.
        """
        for trace in traces:
            if reason := self.obstacle(trace):
                raise expected(
                    f"trace {trace.id}",
                    f"one that model `{self.lm.files.name}` can read",
                    reason,
                    "Leave the trace out, or have the model write traces of its own.",
                )
        return work_off(
            lambda batch: self._read([traces[index] for index in batch]), self._plan(traces), self.lm.files.name
        )

    def _plan(self, traces: Sequence[Trace]) -> list[list[int]]:
        """Positions of the traces of each batch; where one is asked, all are, and the window holds all questions."""
        known = self.start.prefix.length if self.start else 0
        batches = []
        for asked in (False, True):
            group = [index for index, trace in enumerate(traces) if self._is_asked(trace) == asked]
            lengths = [self._length(traces[index], asked=asked) - known for index in group]
            planned = plan_batches(lengths, self.settings.max_batch_tokens, LITTLE_PADDING)
            batches += [[group[at] for at in batch] for batch in planned]
        return batches

    def _read(self, traces: Sequence[Trace]) -> list[ReadTrace]:
        """Read a batch."""
        follow_up = self.follow_up if self._is_asked(traces[0]) else None
        answers = [trace.token_ids or () for trace in traces]
        measuring = [self._begin(trace) for trace in traces]
        found = read_batch(
            self.lm,
            [Text(trace.prompt_ids, tokens) for trace, tokens in zip(traces, answers, strict=True)],
            k=self.settings.alternatives,
            keep=[*self.states, "context"] if follow_up else self.states,
            max_batch_tokens=self.settings.max_batch_tokens,
            head=self.head,
            start=self.start,
            takers=[_by_states(own) for own in measuring],
        )
        asked = p_true(follow_up, answers, found.context) if follow_up and found.context else [math.nan] * len(traces)
        return [
            ReadTrace(
                replace(trace, top_log_probs=one.top_log_probs, log_probs=one.log_probs),
                one._replace(numbers=_numbers(own)),
                probability,
            )
            for trace, one, own, probability in zip(traces, found.traces, measuring, asked, strict=True)
        ]

    def _begin(self, trace: Trace) -> list[_Begun]:
        """Every measure that has something to make of a trace."""
        begun = [(one, one.begin(trace, self.head)) for one in self.measures]
        return [_Begun(one, measuring) for one, measuring in begun if measuring is not None]

    def _length(self, trace: Trace, *, asked: bool) -> int:
        """Tokens of prompt and trace, and of what is asked at the end."""
        after = len(self.follow_up.tokens) if self.follow_up and asked else 0
        return len(trace.prompt_ids) + len(trace.token_ids or ()) + after

    def _is_asked(self, trace: Trace) -> bool:
        """Whether something is asked at the end of a trace: it says something, and the window holds that too."""
        fits = self._length(trace, asked=True) <= self.lm.context_window
        return self.follow_up is not None and bool(trace.token_ids) and fits


def _by_states(begun: Sequence[_Begun]) -> dict[StateName, list[Taker]]:
    return {name: [one.measuring for one in begun if one.measure.states == name] for name in STATE_NAMES}


def _numbers(begun: Sequence[_Begun]) -> dict[str, Tensor]:
    """All numbers of a trace, each with the name of its measure before its own."""
    return {f"{one.measure.name}.{name}": tensor for one in begun for name, tensor in one.measuring.numbers().items()}


def p_true(follow_up: FollowUp, answers: Sequence[Sequence[int]], context: Context) -> list[float]:
    """P(True) of what a model wrote, see `ccps.methods.p_true`; the context is used up.

    Args:
        follow_up: with `self_evaluation` among what it collects.
        answers: what the model wrote in each row of the context, at least one token.
        context: after everything but the last token of each.

    Returns:
        P("yes") in [0, 1] of each.
    """
    found = [after.self_evaluation for after in follow_up.read(answers, context)]
    known = [logits for logits in found if logits is not None]
    if len(known) < len(found):
        raise ValueError("Expected `follow_up` to collect `self_evaluation`, but got one that does not.")
    return [float(probability) for probability in probability_of_yes(torch.stack(known).numpy())]


class TraceWriter:
    """Traces of some questions, laid out in batches.

    Args:
        lm: the model whose traces they are.
        writer: what writes: the model itself, or an engine.
        ids: of the questions, at least one, all different.
        prompts: token ids with which each is asked.
        settings: how.
        after: tokens that the context window must hold behind a trace: those of what the model is asked at its end.

    Raises:
        UserError: a prompt leaves no room for a trace in the context window.
    """

    def __init__(
        self,
        lm: LanguageModel,
        writer: Writer,
        ids: Sequence[str],
        prompts: Sequence[Sequence[int]],
        settings: TraceSettings,
        after: int = 0,
    ) -> None:
        self.lm = lm
        self.writer = writer
        self.ids = list(ids)
        self.settings = settings
        # A trace that would run beyond the window is cut off at its end; one without room for a token is refused.
        limits = [max(1, min(settings.max_new_tokens, lm.context_window - len(prompt) - after)) for prompt in prompts]
        self.layout = lay_out(lm, self.ids, [list(prompt) for prompt in prompts], limits, after=after)
        self.prefix = self.layout.read_shared()

    @property
    def batches(self) -> list[list[int]]:
        """Positions of the questions of each batch, of like length.

        All of a batch have one limit: those that the window cuts off sooner than the setting are as long as each other,
        so that no padding takes places of the window.
        """
        settings, limits = self.settings, self.layout.room
        return self.layout.batches(settings.max_batch_tokens, rows=settings.traces_per_question, kinds=limits)

    def joined(self, batches: Sequence[Sequence[int]]) -> list[list[int]]:
        """What of some neighbouring batches can be given to `draw` at once: all of one limit."""
        groups = groupby(batches, key=lambda batch: self.layout.room[batch[0]])
        return [[index for batch in group for index in batch] for _, group in groups]

    def draw(self, batch: Sequence[int]) -> list[Trace]:
        """Write the traces of some questions with one limit, without log-probabilities.

        No more of them are in hand at a time than a batch may hold; what ends makes room for others.

        Returns:
            Trace after trace, question after question.

        Raises:
            UserError: a logit is NaN or infinite, or the engine differs from the model.
        """
        settings = self.settings
        [limit] = {self.layout.room[index] for index in batch}
        names = [self.ids[index] for index in batch]
        numbers = uniforms(settings.seed, names, settings.traces_per_question, limit)
        prompts = [self.layout.prompts[index] for index in batch]
        manner = (numbers, settings.temperature, settings.top_p)
        # Lengths differ widely: a batch that is filled once would wait for its longest trace.
        found = self.writer.sample(prompts, *manner, self.prefix, max_batch_tokens=settings.max_batch_tokens)
        return [
            self._trace(index, number, one)
            for index, row in zip(batch, found, strict=True)
            for number, one in enumerate(row, start=1)
        ]

    def cost(self, batch: Sequence[int], traces: Sequence[Trace]) -> int:
        """Tokens that were read and written to draw the traces of a batch, what all prompts share left out."""
        read = sum(map(self.layout.own, batch))
        return read + sum(len(trace.token_ids or ()) for trace in traces)

    def _trace(self, index: int, number: int, sampled: Sampled) -> Trace:
        name = self.ids[index]
        text, offsets = token_offsets(self.lm.tokenizer, sampled.tokens)
        return Trace(
            id=name if number == 1 else f"{name}#{number}",
            question_id=name,
            text=text,
            ended=sampled.ended,
            prompt_ids=self.layout.prompts[index],
            token_ids=sampled.tokens,
            offsets=offsets,
            misaligned=misalignment(text, offsets, len(sampled.tokens)),
        )
