"""What could have been seen: words that are made to follow the confidence in a share of the steps, and looked for.

Words dealt out at random are the control that must fail. This is the one that must succeed: the same traces and
intervals, the words dealt out and then planted anew in some of the steps, so that they say the confidence exactly, or
by the nearest expression of the lexicon (`ccps.faithful.phrase`).
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ccps.faithful import sayings
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning.estimator_rows import Sample
from ccps.reasoning.weighted import DealtExcess, WeightedResamples

CONTROL_COLUMNS = ("estimator", "planted", "share", "found", "of", "excess")
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
ENOUGH = 0.95
"""So many of the simulations must find what was planted for it to count as noticed."""
_SIMULATIONS, _DEALT = 100, 1000


def control_rows(
    sample: Sample, *, simulations: int = _SIMULATIONS, dealt: int = _DEALT
) -> Iterator[tuple[str, str, float, int, int, float]]:
    """How often planted words are found, for each share of the steps; rows of `CONTROL_COLUMNS`.

    Found is an excess over dealt-out words whose interval lies above 0, as on the page. `excess` is the mean over the
    simulations.

    Args:
        sample: traces with decisiveness and confidence of their steps.
        simulations: for each share of planted words.
        dealt: simulations of words that are dealt out and nothing else.
    """
    c, d, trace = _pooled(sample)
    if len(sample.traces) < 2 or len(set(sample.questions)) < 2:
        return
    resamples = WeightedResamples(sample.values("confidence"), sample.questions, sample.settings)
    rng = np.random.default_rng(sample.settings.seed)
    levels, own = np.unique(d, return_inverse=True)
    excess = DealtExcess(c, trace, levels, resamples)
    nothing = _counted(excess, (rng.permutation(own) for _ in range(dealt)), sample)
    for planted, follow in planted_words(c).items():
        yield sample.estimator, planted, SHARES[0], *nothing
        levels = np.unique(np.concatenate([d, follow]))
        own, wanted = (np.searchsorted(levels, values) for values in (d, follow))
        excess = DealtExcess(c, trace, levels, resamples)
        for share in SHARES[1:]:
            simulated = (_planted(own, wanted, share, rng) for _ in range(simulations))
            yield sample.estimator, planted, share, *_counted(excess, simulated, sample)


def _counted(excess: DealtExcess, simulated: Iterable[IntArray], sample: Sample) -> tuple[int, int, float]:
    """How many simulations find something, of how many, and the mean excess."""
    drawn = np.stack([excess.of(words) for words in simulated])
    low = np.quantile(drawn[:, 1:], (1 - sample.settings.level) / 2, axis=1)
    return int((low > 0).sum()), len(drawn), float(drawn[:, 0].mean())


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
