"""What a model would say instead: continuations from where each step of a trace began.

Prefix-conditioned sampling of arXiv 2606.03969: from the prompt and all that was written before a step, the model goes
on K times; whether the first paragraph of what it says, or the first sentence where steps are sentences, is consistent
with the step, is for a judge.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ccps.asking.samples import uniforms
from ccps.core.console import say
from ccps.core.settings import check
from ccps.engines import OwnWriter, Writer
from ccps.faithful import Mode, Step, prefix_end, sampled_steps, trace_random
from ccps.faithful.segment import Unit
from ccps.llm import LanguageModel
from ccps.llm.fork import can_fork, fork, plant
from ccps.llm.forward import Prefix
from ccps.llm.memory import in_parts
from ccps.llm.sample import Sampled
from ccps.reasoning.paragraphs import ParagraphReader, first_sentence
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.continuations import ContinuationSettings


class ChosenSteps(NamedTuple):
    """A trace and those of its steps that are to be said again.

    Attributes:
        trace: the trace.
        steps: all of its steps.
        chosen: positions of those that are taken, see `choose_steps`.
    """

    trace: Trace
    steps: Sequence[Step]
    chosen: Sequence[int]


class Continuation(NamedTuple):
    """What was said from where a step began.

    Attributes:
        trace_id: of the trace.
        step: its number, from 0.
        sample: number of the continuation, from 0.
        text: its first paragraph or sentence, as steps are; empty if there is none.
        n_tokens: tokens that were drawn, without the one that ends the turn.
        ended: whether the model ended its turn.
    """

    trace_id: str
    step: int
    sample: int
    text: str
    n_tokens: int
    ended: bool


class LeftOut(NamedTuple):
    """A step that could not be said again.

    Attributes:
        trace_id: of the trace.
        step: its number, from 0.
        reason: why, for the record.
    """

    trace_id: str
    step: int
    reason: str


def choose_steps(
    trace_ids: Sequence[str], n_steps: Sequence[int], settings: ContinuationSettings, *, mode: Mode = "strict"
) -> list[list[int]]:
    """The steps of each trace that are said again, ascending.

    Args:
        trace_ids: of all traces of a run, in their order.
        n_steps: how many steps each has.
        settings: how many are taken, and the seed.
        mode: in `strict` the choice depends on the trace's id alone. `parity` goes through all traces with one source
            of random numbers, as the released code does, so that it depends on their order and lengths.
    """
    shared = random.Random(settings.seed)
    return [
        sampled_steps(n, shared if mode == "parity" else trace_random(settings.seed, name), settings.max_steps)
        for name, n in zip(trace_ids, n_steps, strict=True)
    ]


class _Job(NamedTuple):
    """A step to be said again.

    Attributes:
        asked: its trace.
        step: its number.
        length: tokens of its prefix, prompt and all.
    """

    asked: ChosenSteps
    step: int
    length: int

    @property
    def name(self) -> str:
        """What its random numbers are seeded with."""
        return f"{self.asked.trace.id}/{self.step}"


def can_share(lm: LanguageModel, writer: Writer) -> bool:
    """Whether continuations of a trace can share its key-value cache; if only the model is in the way, it is said."""
    if not isinstance(writer, OwnWriter):
        return False
    forks = can_fork(lm)
    if not forks:
        say("sampling", lm.files.name, "its cache cannot be shared between continuations", state="slow")
    return forks


class StepSampler:
    """Says steps again.

    A prefix is the prompt and the generated ids all of whose characters stand before the step; if a token reaches over
    its beginning, the prefix ends before that token. The text of a trace without ids that fit it is tokenised, see
    `retokenised`.

    Where the model itself writes, prefixes of one trace share its key-value cache (`ccps.llm.fork`), and the steps of
    several traces are decoded in one batch. An engine, or a model whose cache cannot be forked, is given every prefix.

    Args:
        lm: the model.
        asked: traces with steps.
        settings: how they are said again.
        max_batch_tokens: bound on the tokens in the caches of a batch: of shared ones once, and of each continuation
            all it may draw. A single step whose continuations need more gets a batch of its own.
        mode: `strict` or `parity`, see `ccps.faithful.prefix_end` and `first_paragraph`.
        unit: what steps are, and so what is kept of a continuation: its first paragraph, or the first sentence of that.
        writer: what writes; the model itself, unless it is given.
        forks: what `can_share` says, where that is known already.
        shared: tokens that the prompts of all traces begin with and go on after, already computed.

    Attributes:
        batches: what can be drawn at once, as positions to be given to `draw`; each step exactly once.
        left_out: steps that are in no batch.
        retokenised: ids of traces whose text had to be tokenised.
    """

    def __init__(
        self,
        lm: LanguageModel,
        asked: Sequence[ChosenSteps],
        settings: ContinuationSettings,
        max_batch_tokens: int,
        *,
        mode: Mode = "strict",
        unit: Unit = "paragraph",
        writer: Writer | None = None,
        forks: bool | None = None,
        shared: Prefix | None = None,
    ) -> None:
        check(settings, "faithful.sampling")
        self.lm, self.settings, self.mode, self.unit = lm, settings, mode, unit
        self.writer = writer or OwnWriter(lm)
        self.forks = can_share(lm, self.writer) if forks is None else forks
        self.shared = shared
        self.reader = ParagraphReader(lm.tokenizer, mode)
        self.retokenised: list[str] = []
        self.left_out: list[LeftOut] = []
        self.jobs = [job for one in asked for job in self._jobs(one)]
        self.batches = self._plan(max_batch_tokens)

    def draw(self, batch: Sequence[int]) -> list[list[Continuation]]:
        """Say the steps at some positions again; in parts if memory runs out.

        Returns:
            For each step its continuations.

        Raises:
            UserError: a logit is NaN or infinite, or there is too little memory for one step.
        """
        return in_parts(self._draw, batch, self.lm.files.name)

    def _draw(self, batch: list[int]) -> list[list[Continuation]]:
        settings, jobs = self.settings, [self.jobs[index] for index in batch]
        numbers = uniforms(settings.seed, [job.name for job in jobs], settings.k, settings.max_new_tokens)
        prefixes = [self._prefix(job.asked, job.step) for job in jobs]
        manner = (numbers, settings.temperature, settings.top_p)
        if self.forks:
            complete = self.reader.is_complete if settings.stop_at_paragraph else None
            found = fork(self.lm, plant(self.lm, prefixes, self.shared), *manner, complete)
        else:
            found = self.writer.sample(prefixes, *manner, self.shared)
        return [
            [self._continuation(job, sample, one) for sample, one in enumerate(row)]
            for job, row in zip(jobs, found, strict=True)
        ]

    def _continuation(self, job: _Job, sample: int, found: Sampled) -> Continuation:
        paragraph = self.reader.paragraph(found.tokens)
        text = first_sentence(paragraph) if self.unit == "sentence" else paragraph
        return Continuation(job.asked.trace.id, job.step, sample, text, len(found.tokens), found.ended)

    def _jobs(self, asked: ChosenSteps) -> Iterator[_Job]:
        trace = asked.trace
        if trace.prompt_ids and asked.chosen and not _has_ids(trace):
            self.retokenised.append(trace.id)
        for step in asked.chosen:
            length = len(self._prefix(asked, step))
            room = self.lm.context_window - self.settings.max_new_tokens
            if not trace.prompt_ids:
                self.left_out.append(LeftOut(trace.id, step, "the token ids of its prompt are unknown"))
            elif length > room:
                reason = f"{length} tokens before it, and the context has room for {max(room, 0)}"
                self.left_out.append(LeftOut(trace.id, step, reason))
            else:
                yield _Job(asked, step, length)

    def _prefix(self, asked: ChosenSteps, step: int) -> list[int]:
        """Token ids of all that stands before a step."""
        trace, end = asked.trace, prefix_end(asked.steps, step, mode=self.mode)
        if trace.token_ids is not None and trace.offsets is not None and _has_ids(trace):
            before = int(np.searchsorted(trace.offsets[:, 1], end, side="right"))
            return [*trace.prompt_ids, *trace.token_ids[:before]]
        return [*trace.prompt_ids, *self.lm.tokenizer(trace.text[:end], add_special_tokens=False)["input_ids"]]

    def _plan(self, max_batch_tokens: int) -> list[list[int]]:
        """Steps in their order, as many to a batch as its caches may hold."""
        batches: list[list[int]] = []
        used = 0
        for index, job in enumerate(self.jobs):
            cost = self._cost(job, self.jobs[index - 1] if index else None)
            if batches and used + cost <= max_batch_tokens:
                batches[-1].append(index)
                used += cost
            else:
                batches.append([index])
                used = self._cost(job, None)
        return batches

    def _cost(self, job: _Job, before: _Job | None) -> int:
        """Tokens that a step adds to the caches of a batch in which another one is the last so far."""
        k, limit = self.settings.k, self.settings.max_new_tokens
        if not self.forks:
            return k * (job.length + limit)
        shares = before is not None and before.asked is job.asked and _has_ids(job.asked.trace)
        return job.length - (before.length if shares and before else 0) + k * limit


def _has_ids(trace: Trace) -> bool:
    """Whether it is known which characters each generated id stands for."""
    return trace.token_ids is not None and trace.offsets is not None and not trace.misaligned
