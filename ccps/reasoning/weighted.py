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

    Both depend on the confidences alone. The first resample is the traces as they are.

    Args:
        trace_confidence: of each trace, `[traces]`, none missing.
        questions: of each trace.
        settings: bins, number of resamples, seed.
    """

    def __init__(self, trace_confidence: FloatArray, questions: Labels, settings: ScoringSettings) -> None:
        n = len(trace_confidence)
        names, group = np.unique(questions.astype(str), return_inverse=True)
        drawn = counted(drawn_places(np.random.default_rng(settings.seed), settings.resamples, len(names)))
        self.times: FloatArray = np.concatenate([np.ones((1, n)), drawn[:, group]])
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

    Words take a few values only. With H how often each value stands in each trace, and K the mean distance of a trace's
    confidences from each value, the expected distance of dealt-out words is bilinear in resampled weights and counts: a
    simulation costs three small products for all resamples together.

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
        self._distance = np.stack(
            [np.abs(confidence[trace == own][:, None] - levels).mean(axis=0) for own in range(len(self.sizes))]
        )

    def of(self, words: IntArray) -> FloatArray:
        """The excess in each resample, `[1 + resamples]`.

        Args:
            words: of each step the place of its decisiveness among the levels.
        """
        traces, levels = len(self.sizes), len(self.levels)
        often = np.bincount(self.trace * levels + words, minlength=traces * levels).reshape(traces, levels)
        own = np.bincount(self.trace, np.abs(self.confidence - self.levels[words]), minlength=traces) / self.sizes
        times, weights = self.resamples.times, self.resamples.weights
        dealt = (weights @ (self._distance @ often.T) * times).sum(axis=1) / (times @ self.sizes)
        found: FloatArray = dealt - weights @ own
        return found
