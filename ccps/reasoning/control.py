"""What could have been seen: words that are made to follow the confidence in a share of the steps, and looked for.

Words dealt out at random are the control that must fail. This is the one that must succeed: the same traces and
intervals, the words dealt out and then planted anew in some of the steps, so that they say the confidence exactly, or
by the nearest expression of the lexicon (`ccps.faithful.phrase`).
"""

from collections.abc import Iterator, Mapping

import numpy as np

from ccps.faithful import sayings
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning.estimator_rows import Sample
from ccps.reasoning.weighted import DealtExcess, WeightedResamples

CONTROL_COLUMNS = ("estimator", "planted", "share", "found", "of", "excess")
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
ENOUGH = 0.95
"""So many of the simulations must find what was planted for it to count as noticed."""
_SIMULATIONS = 100


def control_rows(
    sample: Sample, *, simulations: int = _SIMULATIONS
) -> Iterator[tuple[str, str, float, int, int, float]]:
    """How often planted words are found, for each share of the steps; rows of `CONTROL_COLUMNS`.

    Found is an excess over dealt-out words whose interval lies above 0, as on the page. `excess` is the mean over the
    simulations.

    Args:
        sample: traces with decisiveness and confidence of their steps.
        simulations: for each share.
    """
    c, d, trace = _pooled(sample)
    if len(sample.traces) < 2 or len(set(sample.questions)) < 2:
        return
    resamples = WeightedResamples(sample.values("confidence"), sample.questions, sample.settings)
    low = (1 - sample.settings.level) / 2
    for planted, follow in planted_words(c).items():
        levels = np.unique(np.concatenate([d, follow]))
        own, wanted = (np.searchsorted(levels, values) for values in (d, follow))
        excess = DealtExcess(c, trace, levels, resamples)
        rng = np.random.default_rng(sample.settings.seed)
        for share in SHARES:
            drawn = [excess.of(_planted(own, wanted, share, rng)) for _ in range(simulations)]
            found = sum(bool(np.quantile(one[1:], low) > 0) for one in drawn)
            yield sample.estimator, planted, share, found, simulations, float(np.mean([one[0] for one in drawn]))


def planted_words(confidence: FloatArray) -> Mapping[str, FloatArray]:
    """Decisiveness that follows a confidence, by how it is put into words."""
    norms = np.array(sorted({one.norm for one in sayings()}))
    between = (norms[:-1] + norms[1:]) / 2
    return {"exactly": confidence, "by the lexicon’s phrases": norms[np.searchsorted(between, confidence)]}


def _planted(own: IntArray, wanted: IntArray, share: float, rng: np.random.Generator) -> IntArray:
    """The words dealt out, and those of a random share of the steps planted."""
    words: IntArray = rng.permutation(own)
    places = rng.permutation(len(words))[: round(share * len(words))]
    words[places] = wanted[places]
    return words


def _pooled(sample: Sample) -> tuple[FloatArray, FloatArray, IntArray]:
    """Confidence and decisiveness of all steps that have both, and their traces."""
    c, d = (np.concatenate([np.empty(0), *side]) for side in (sample.confidence, sample.decisiveness))
    trace = np.repeat(np.arange(len(sample.confidence)), [len(own) for own in sample.confidence])
    both = ~np.isnan(c + d)
    return c[both], d[both], trace[both]
