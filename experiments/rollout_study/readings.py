"""Every way of reading traces with rollouts that asks no model, the framework's own first."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ccps.analysis.faithful_sensitivity import Reading
from ccps.faithful import (
    TraceRule,
    decisiveness,
    place_steps,
    sampled_steps,
    sampling_confidence,
)
from ccps.faithful.deliberation import Deliberation
from ccps.faithful.lexicon import Aggregate
from ccps.metrics.inputs import FloatArray
from ccps.reasoning.judges.base import ConsistencyJudge, Pair
from ccps.reasoning.judges.lexical import LexicalJudge
from ccps.reasoning.judges.numeric import NumericJudge
from ccps.reasoning.trace import Trace
from experiments.rollout_study.sentences import StudiedTraces

K = 10
"""Continuations of a step that the paper draws."""
_ALL = 1_000_000
Inconsistencies = Sequence[Sequence[FloatArray]]
"""For each trace and step those of its alternatives."""


def all_readings(study: StudiedTraces) -> list[Reading]:
    """The first is the paper's: K = 10, words in common, the lexicon as published, ten bins, cMFG*."""
    words = _decisiveness(study)
    judged = _judged(study, LexicalJudge(), _ALL)
    own = _confidence(judged, K)
    first = Reading("as published", "", words, own)
    return [
        first,
        *_by_draws(first, judged),
        *_by_judge(study, first),
        *_by_words(study, first),
        *_by_unit(study, first, judged),
        *_by_score(first),
    ]


def _decisiveness(
    study: StudiedTraces, aggregate: Aggregate = "mean", deliberation: Deliberation = "none"
) -> list[FloatArray]:
    return [
        np.array(
            [decisiveness(step.text, aggregate=aggregate, deliberation=deliberation).score for step in trace.steps]
        )
        for trace in study.traces
    ]


def _judged(study: StudiedTraces, judge: ConsistencyJudge, k: int) -> list[list[FloatArray]]:
    found = []
    for trace in study.traces:
        pairs = [Pair(text, step.text) for step in trace.steps for text in step.alternatives[:k]]
        values = iter(verdict.inconsistency for verdict in judge.judge(pairs)) if pairs else iter(())
        found.append([np.array([next(values) for _ in step.alternatives[:k]]) for step in trace.steps])
    return found


def _confidence(judged: Inconsistencies, k: int) -> list[FloatArray]:
    return [sampling_confidence([own[:k] for own in trace]) for trace in judged]


def _by_draws(first: Reading, judged: Inconsistencies) -> Iterator[Reading]:
    for k in (3, 30, 100):
        yield first._replace(choice="K, continuations of a step", setting=str(k), confidence=_confidence(judged, k))
    for most in (5, 20):
        kept = [_sampled(c, most, place) for place, c in enumerate(first.confidence)]
        yield first._replace(choice="steps of a trace that are sampled", setting=str(most), confidence=kept)


def _sampled(confidence: FloatArray, most: int, place: int) -> FloatArray:
    kept = sampled_steps(len(confidence), random.Random(place), most)
    found = np.full(len(confidence), np.nan)
    found[kept] = confidence[kept]
    return found


def _by_judge(study: StudiedTraces, first: Reading) -> Iterator[Reading]:
    judges: Mapping[str, ConsistencyJudge] = {
        "words in common, no signs (SQuAD)": LexicalJudge("squad_f1"),
        "longest common words (ROUGE-L)": LexicalJudge("rouge_l"),
        "last number": NumericJudge(),
    }
    for name, judge in judges.items():
        confidence = _confidence(_judged(study, judge, K), K)
        yield first._replace(choice="judge of continuations", setting=name, confidence=confidence)
    for score in study.score_names:
        given = [study.given(trace, score) for trace in study.traces]
        setting = study.label(score)
        yield first._replace(choice="confidence that came with the traces", setting=setting, confidence=given)


def _by_words(study: StudiedTraces, first: Reading) -> Iterator[Reading]:
    for aggregate in ("min", "last"):
        yield first._replace(
            choice="aggregate of the lexicon", setting=aggregate, decisiveness=_decisiveness(study, aggregate)
        )
    for deliberation in ("suggested", "measured"):
        words = _decisiveness(study, deliberation=deliberation)
        yield first._replace(choice="thinking aloud", setting=deliberation, decisiveness=words)


def _by_unit(study: StudiedTraces, first: Reading, judged: Inconsistencies) -> Iterator[Reading]:
    """Paragraphs, each as confident as its sentences on average."""
    placed = [_paragraphs(trace) for trace in study.traces]
    confidence = [
        np.array([_mean(own[list(part)]) for part in parts])
        for own, (_, parts) in zip(first.confidence, placed, strict=True)
    ]
    for aggregate in ("mean", "min", "last"):
        words = [np.array([decisiveness(text, aggregate=aggregate).score for text in texts]) for texts, _ in placed]
        yield first._replace(
            choice="unit", setting=f"paragraph, {aggregate} of its sentences", decisiveness=words, confidence=confidence
        )


def _paragraphs(trace: Trace) -> tuple[list[str], list[range]]:
    placed = place_steps(trace.text, [step.text for step in trace.steps], unit="paragraph")
    return [step.text for step in placed.steps], placed.parts


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _by_score(first: Reading) -> Iterator[Reading]:
    for bins in (5, 20):
        yield first._replace(choice="bins of cMFG*", setting=str(bins), bins=bins)
    yield first._replace(choice="mode of the score", setting="parity", mode="parity")
    yield first._replace(choice="confidence of a trace", setting="last step", rule=TraceRule("last"))
    yield first._replace(choice="score", setting="cMFG, bins of equal width", metric="cmfg")
    yield first._replace(choice="score", setting="MFG, plain mean", metric="mfg")
