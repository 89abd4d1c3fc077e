"""What answering and extraction cost as questions become more: time is to grow with them, memory is not."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch

from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.core.console import console
from ccps.data.prompts import SystemRole
from ccps.data.records import Question
from ccps.llm import LanguageModel
from ccps.pipeline.computing import run_stage
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run
from ccps.settings.perturbation import PerturbationConfig
from ccps.stages.main.answer import AnswerStage
from ccps.stages.main.extract import ExtractStage
from experiments.benchmarks.forward import build_prompts, representative
from experiments.benchmarks.memory import peak, settle
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

FACTORS = (1, 4, 16)
SHARD_QUESTIONS = 8
_CANDIDATES = 5
TARGET = Target("≤", 1.05)
TITLE = "Cost against questions"
TEXT = (
    f"The answer stage and the extract stage, from loaded model to finished artifacts, for {FACTORS[0]}, {FACTORS[1]} "
    f"and {FACTORS[2]} times the same questions under other names: multiple choice of MMLU, one token each, prompts of "
    f"like length, {SHARD_QUESTIONS} or more to a shard. So batches and shards are as full for few questions as for "
    "many, and nothing differs but their number. Memory is the most that the process holds during a run beyond what it "
    "held after a first run with the model loaded; what is freed in between is given back to the system. The line is "
    "fitted to the medians, all distances relative. If time grows with the number of questions, one of them costs no "
    "more among many."
)
_PER_QUESTION, _MEMORY = "Time per question, {} times as many over one", "Peak memory, {} times as many over one"


class Line(NamedTuple):
    """Seconds = fixed + each · questions.

    Attributes:
        fixed: seconds.
        each: seconds for a question.
        off: largest distance of a point from the line, relative to the point.
    """

    fixed: float
    each: float
    off: float


class Curve(NamedTuple):
    """What was measured at each number of questions.

    Attributes:
        questions: how many.
        seconds: of each repetition, by number.
        above: bytes beyond the model in each repetition, by number; empty where the system does not tell.
    """

    questions: list[int]
    seconds: list[list[float]]
    above: list[list[float]]


def straight_line(counts: Sequence[int], seconds: Sequence[float]) -> Line:
    """Fit a line by least squares of relative distances."""
    measured = np.asarray(seconds)
    each, fixed = np.polyfit(counts, measured, 1, w=1 / measured)
    fitted = fixed + each * np.asarray(counts)
    return Line(float(fixed), float(each), float(np.abs(fitted / measured - 1).max()))


def alike(lm: LanguageModel, questions: Sequence[Question], n: int) -> list[Question]:
    """Choose questions whose prompts are nearest to the median length, in dataset order."""
    candidates = representative(questions, _CANDIDATES * n)
    lengths = np.array([len(ids) for ids in build_prompts(lm, candidates, 1).ids])
    nearest = np.argsort(np.abs(lengths - np.median(lengths)), kind="stable")[:n]
    return [candidates[index] for index in sorted(nearest)]


def repeated(questions: Sequence[Question], factor: int) -> list[Question]:
    """Some questions so many times, each with an id of its own."""
    return [replace(question, id=f"{question.id}#{turn}") for turn in range(factor) for question in questions]


def measure_scale(
    model: SharedModel,
    questions: Sequence[Question],
    perturbation: PerturbationConfig,
    max_batch_tokens: int,
    repetitions: int,
    device: torch.device,
) -> Curve:
    """Run both stages for each number of questions in turns; time and memory of the same runs."""
    role = cast(SystemRole, model.files.config.system_role)
    manner = Manner(system_role=role, max_batch_tokens=max_batch_tokens)
    above: dict[str, list[float]] = {str(factor): [] for factor in FACTORS}
    with tempfile.TemporaryDirectory() as folder, _silence():
        head = model.save_head(Run(Path(folder)), device)

        def ask(factor: int) -> None:
            stage = AnswerStage(repeated(questions, factor), "scale", model, manner, SHARD_QUESTIONS)
            _run(stage, head, perturbation, device)

        ask(1)
        held = settle(device)

        def ask_and_weigh(factor: int) -> None:
            ask(factor)
            if held is not None:
                above[str(factor)].append(float(peak(device) - held))

        ways = {str(factor): lambda factor=factor: ask_and_weigh(factor) for factor in FACTORS}
        seconds, _ = take_turns(ways, repetitions, f"scale, {model.name}", before=lambda: settle(device))
    return Curve([factor * len(questions) for factor in FACTORS], list(seconds.values()), list(above.values()))


def _run(answering: AnswerStage, head: Artifact, perturbation: PerturbationConfig, device: torch.device) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), device.type)
        run_stage(ExtractStage(run_stage(answering, run), head, "scale", perturbation), run)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the stages' own lines off the screen."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def scale_figures(name: str, curve: Curve) -> list[Figure]:
    """Seconds and memory at each number, and how they grow."""
    line = straight_line(curve.questions, [spread(seconds).median for seconds in curve.seconds])
    subjects = [f"{name}, {number:,} questions" for number in curve.questions]
    growth = curve.questions[-1] // curve.questions[0]
    figures = [
        Figure.of("Answering and extraction", subject, spread(seconds), "s")
        for subject, seconds in zip(subjects, curve.seconds, strict=True)
    ]
    figures += [
        Figure.of(_PER_QUESTION.format(growth), name, ratios(curve.seconds[-1], curve.seconds[0], 1 / growth), "×",
                  TARGET),
        Figure("Straight line: for a question", name, 1000 * line.each, "ms"),
        Figure("Straight line: whatever their number", name, line.fixed, "s"),
        Figure("Straight line: largest distance of a point", name, 100 * line.off, "%"),
    ]  # fmt: skip
    if not all(curve.above):
        return [*figures, missing(name, "this system does not let a process forget its peak.")[1]]
    figures += [
        Figure.of("Peak memory above the model", subject, spread(value / 2**20 for value in above), "MiB")
        for subject, above in zip(subjects, curve.above, strict=True)
    ]
    return [*figures, Figure.of(_MEMORY.format(growth), name, ratios(curve.above[-1], curve.above[0]), "×", TARGET)]


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of the growth of time and memory if it cannot be measured."""
    return [Figure.missing(what.format(FACTORS[-1]), name, reason, TARGET) for what in (_PER_QUESTION, _MEMORY)]
