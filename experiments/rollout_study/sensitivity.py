"""The page of what each choice moves."""

from collections.abc import Iterator
from pathlib import Path

from ccps.analysis.faithful_sensitivity import Moved, Resampling, sensitivity
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, count, decimal, level_words, listed
from ccps.report.kit.table import Table
from experiments.rollout_study.readings import K, all_readings
from experiments.rollout_study.runs import ENTAILMENT, VARIED, run_readings
from experiments.rollout_study.sentences import StudiedTraces
from experiments.rollout_study.settings import RolloutStudyConfig

_HEAD = (
    *("choice", "here", "score", "change", "over words dealt out, points", "ρ within traces"),
    *("τ, models and conditions", "τ, traces"),
)


def sensitivity_page(study: StudiedTraces, config: RolloutStudyConfig) -> str:
    """The page as Markdown."""
    resampling = Resampling(config.resamples, config.level, config.seed)
    groups = [_group(trace.model, trace.correct) for trace in study.traces]
    problems = [trace.question_id or trace.id for trace in study.traces]
    found = sensitivity(all_readings(study), groups, problems, resampling)
    names = sorted(set(groups))
    steps = sum(len(trace.steps) for trace in study.traces)
    level = level_words(resampling.level)
    intro = (
        f"{count(len(study.traces))} traces, {count(steps)} steps, {count(len(set(problems)))} problems. The first "
        f"line is the framework as published, on these steps: K = {K}, words in common, the lexicon's published norms, "
        f"ten bins, cMFG*. Each other line changes one choice. In brackets {level} intervals, "
        f"{count(resampling.resamples)} resamples of problems. τ is Kendall's, between the order that a line gives and "
        f"the order of the first: of {len(names)} groups ({listed(names)}) by their score, and of all traces by their "
        "faithfulness."
    )
    table = Table("", _HEAD, [_row(one, first=one is found[0]) for one in found], "ll")
    parts = ["# What each choice of the framework moves", intro, _largest(found), table.markdown()]
    return "\n\n".join([*parts, *_with_a_model(config, resampling)]) + "\n"


def _with_a_model(config: RolloutStudyConfig, resampling: Resampling) -> Iterator[str]:
    """What cannot be read off texts: as far as it was run, and how to run the rest."""
    measured = run_readings(Path(config.runs).expanduser()) if config.runs else []
    if measured:
        rows = []
        for one in measured:
            moved = sensitivity(one.readings, one.groups, one.problems, resampling)
            rows += [_row(own, first=own is moved[0]) for own in moved]
        yield "## With a model"
        n, questions = len(measured[0].groups), len(set(measured[0].problems))
        yield (
            f"Other traces, which a model wrote and read here: {count(n)} of {count(questions)} questions. The first "
            "line of each choice is the published setting, against which the others are held."
        )
        yield Table("", _HEAD, rows, "ll").markdown()
    done = {one.readings[0].choice.rpartition(", ")[0] for one in measured}
    rest = [one for one in VARIED if one.choice not in done]
    head = ("choice", "needs", "to vary it: python -m experiments.faithful")
    yield "## Not varied here"
    yield (
        "These need a model, and say nothing about traces that come as text. What a command with -m writes, with "
        "paths.output=FOLDER, becomes rows of this page by runs=FOLDER."
    )
    yield Table(
        "", head, [*((one.choice, one.needs, f"-m {one.command}") for one in rest), ENTAILMENT], "lll"
    ).markdown()


def _group(model: str, correct: bool | None) -> str:
    words = {True: "right", False: "wrong", None: "unmarked"}[correct]
    return f"{words} chains of {model or 'the model'}"


def _largest(found: list[Moved]) -> str:
    """What moves the score most, and what changes an order."""
    others = sorted(found[1:], key=lambda one: -abs(one.change.value))
    most = [f"{_named(one)} ({decimal(one.change.value, 3)})" for one in others[:3]]
    kept = [one for one in others if one.tau_groups.value > 1 - 1e-9]
    below = min(others, key=lambda one: one.tau_traces.value)
    return (
        f"The score moves most with {listed(most)}. {len(kept)} of {len(others)} changes leave the order of models and "
        f"conditions as it is. The order of traces changes most with {_named(below)} "
        f"(τ {decimal(below.tau_traces.value, 2)})."
    )


def _named(one: Moved) -> str:
    return f"{one.reading.choice}: {one.reading.setting}"


def _row(one: Moved, *, first: bool) -> list[str]:
    beside = [decimal(one.score, 3), DASH if first else _with_interval(one.change, 3)]
    known = [decimal(100 * one.excess, 1), decimal(one.within, 2)]
    orders = [DASH if first else _with_interval(tau, 2) for tau in (one.tau_groups, one.tau_traces)]
    return [one.reading.choice, one.reading.setting, *beside, *known, *orders]


def _with_interval(found: Estimate, digits: int) -> str:
    if not found.known:
        return DASH
    return f"{decimal(found.value, digits)} [{decimal(found.low, digits)}, {decimal(found.high, digits)}]"
