"""The one interface of all confidence methods."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.perturbation import FEATURE_NAMES
from ccps.probes import FittedProbe

FloatArray = npt.NDArray[np.float64]


class Evidence(NamedTuple):
    """What the pipeline has computed about some answers.

    Attributes:
        features: `[tokens, 75]` stability features of every answer token, answer by answer, columns as in
            `FEATURE_NAMES`.
        lengths: `[answers]`, tokens of each answer, at least one.
        vocabulary: number of tokens of the language model.
        probe: the fitted probe, for methods that need one.
    """

    features: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    vocabulary: int
    probe: FittedProbe | None = None

    def mean(self, name: str) -> FloatArray:
        """One feature, averaged over the tokens of each answer, `[answers]`."""
        column = self.features[:, FEATURE_NAMES.index(name)].astype(np.float64)
        starts = np.cumsum(self.lengths) - self.lengths
        means: FloatArray = np.add.reduceat(column, starts) / self.lengths
        return means


class Method(ABC):
    """A way to say how probable it is that an answer is correct.

    Every method states what it is (`label`), where it comes from (`source`) and whether it is trained; all return
    P(correct) in [0, 1], higher meaning more confident. A method raises `version` whenever it would give another result
    for the same evidence.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    source: ClassVar[str]
    trained: ClassVar[bool] = False
    version: ClassVar[int] = 1

    @abstractmethod
    def p_correct(self, evidence: Evidence) -> FloatArray:
        """Return P(correct) of each answer, `[answers]`."""
