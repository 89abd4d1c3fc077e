"""cMFG*, and its excess over dealt-out words, in many resamples at once, whatever the words of the steps might be."""

from typing import cast

import numpy as np

from ccps.faithful import Mode, stratify
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.metrics.resampling import counted, drawn_places
from ccps.reasoning.resampling import Labels
from ccps.settings.faithful.scoring import ScoringSettings


class WeightedResamples:
    """How often each trace is in each resample of questions, and what its faithfulness counts there.

    Both depend on the confidences alone. The first resample is the traces as they are. `drawn` `[1 + resamples,
    questions]` is how often each question is drawn, `question` `[traces]` the place of a trace's, `times` and `weights`
    `[1 + resamples, traces]` are of traces.

    Args:
        trace_confidence: of each trace, `[traces]`, none missing.
        questions: of each trace.
        settings: bins, number of resamples, seed.
    """

    def __init__(self, trace_confidence: FloatArray, questions: Labels, settings: ScoringSettings) -> None:
        names, self.question = np.unique(questions.astype(str), return_inverse=True)
        drawn = counted(drawn_places(np.random.default_rng(settings.seed), settings.resamples, len(names)))
        self.drawn: FloatArray = np.concatenate([np.ones((1, len(names))), drawn])
        self.times: FloatArray = self.drawn[:, self.question]
        self.weights: FloatArray = np.stack(
            [_weights(trace_confidence, row.astype(np.int64), settings) for row in self.times]
        )

    def cmfg_star(self, faithfulness: FloatArray) -> FloatArray:
        """cMFG* of each resample, `[1 + resamples]`, from the faithfulness of each trace."""
        found: FloatArray = self.weights @ faithfulness
        return found


def _weights(confidence: FloatArray, times: IntArray, settings: ScoringSettings) -> FloatArray:
    rows = np.repeat(np.arange(len(times)), times)
    strata = stratify("cmfg_star", confidence[rows], bins=settings.bins, mode=cast(Mode, settings.mode))
    return np.bincount(rows, strata.row_weights, minlength=len(times)).astype(np.float64)


class DealtExcess:
    """cMFG* beyond the same words dealt out at random, as `ccps.reasoning.excess.Excess.over_permutation` has it.

    Words take a few values only. With H how often each value stands in the traces of each question, and K the mean
    distance of a trace's confidences from each value, the expected distance of dealt-out words is bilinear in
    resampled weights and counts: a simulation costs three small products for all resamples together.

    Args:
        confidence: of the steps, `[steps]`, none missing.
        trace: of each step, from 0.
        levels: every value that decisiveness may take, ascending.
        resamples: of the traces.
    """

    def __init__(
        self, confidence: FloatArray, trace: IntArray, levels: FloatArray, resamples: WeightedResamples
    ) -> None:
        self.confidence, self.trace, self.levels, self.resamples = confidence, trace, levels, resamples
        self.sizes = np.bincount(trace, minlength=resamples.times.shape[1])
        self._steps = resamples.times @ self.sizes
        self._place = resamples.question[trace] * len(levels)
        self._distance = np.stack(
            [np.abs(confidence[trace == own][:, None] - levels).mean(axis=0) for own in range(len(self.sizes))]
        )

    def of(self, words: IntArray) -> FloatArray:
        """The excess in each resample, `[1 + resamples]`.

        Args:
            words: of each step the place of its decisiveness among the levels.
        """
        drawn, weights = self.resamples.drawn, self.resamples.weights
        shape = drawn.shape[1], len(self.levels)
        often = np.bincount(self._place + words, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        distance = np.abs(self.confidence - self.levels[words])
        own = np.bincount(self.trace, distance, minlength=len(self.sizes)) / self.sizes
        dealt = (weights @ (self._distance @ often.T) * drawn).sum(axis=1) / self._steps
        found: FloatArray = dealt - weights @ own
        return found
