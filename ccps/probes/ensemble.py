"""Probes of several seeds as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ccps.core.stored import read_json, write_json
from ccps.probes.curve import CurvePoint
from ccps.probes.fitted import FittedProbe, TrainingRecord
from ccps.probes.preprocess import EvaluationRows
from ccps.probes.stored import WAY_OUT
from ccps.settings.probe import ProbeConfig

FORMAT_VERSION = 1
SETTINGS_FILE = "ensemble.json"
_LEAST_P = 1e-12


class EnsembleRecord(NamedTuple):
    """How probes that are averaged came about."""

    first: TrainingRecord
    """Of the first; the others were fitted to the same answers, divided otherwise."""
    members: int
    refitted: Mapping[str, int]
    curve: tuple[CurvePoint, ...] = ()
    """There is no training of the whole; each member has its own."""

    def summary(self) -> dict[str, Any]:
        """Rows used, those left out and why, and what had collapsed."""
        return {**self.first.summary(), "averaged": self.members, "refitted": dict(self.refitted)}


@dataclass(frozen=True)
class ProbeEnsemble:
    """Several probes of the same features; its logit is the mean of theirs.

    A probe of ten thousand weights depends on its seed where rows are few: on the split, the first weights, the order
    of the rows. The mean depends on it less, and costs as many passes of a network that takes microseconds.
    """

    members: tuple[FittedProbe, ...]
    """At least one."""
    refitted: Mapping[str, int] = field(default_factory=dict)
    """What has been fitted anew, or is left out, because it had collapsed → how many fits."""

    @property
    def config(self) -> ProbeConfig:
        """Their recipe."""
        return self.members[0].config

    @property
    def training(self) -> EnsembleRecord:
        """How they came about."""
        return EnsembleRecord(self.members[0].training, len(self.members), self.refitted)

    @property
    def parameters(self) -> int:
        """Numbers that training has set, over all members."""
        return sum(probe.parameters for probe in self.members)

    def predict(self, features: ArrayLike, lengths: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return the probability that each answer is correct, `[answers]`; arguments as of `FittedProbe.predict`."""
        p = np.array([probe.predict(features, lengths) for probe in self.members])
        mean: NDArray[np.float64] = expit(logit(p.clip(_LEAST_P, 1 - _LEAST_P)).mean(axis=0))
        return mean

    def clean(self, features: ArrayLike) -> EvaluationRows:
        """Return the rows as `predict` sees them before scaling."""
        return self.members[0].clean(features)

    def notes(self, features: ArrayLike, lengths: Sequence[int]) -> dict[str, Any]:
        """What `predict` changes, which is the same for all members."""
        return self.members[0].notes(features, lengths)

    def truncated(self, lengths: Sequence[int]) -> int:
        """Count the answers, of lengths `[answers]`, of which `predict` reads only the first tokens."""
        return self.members[0].truncated(lengths)

    def save(self, folder: Path) -> None:
        """Write each member into a folder of its own, and `ensemble.json`; the folder is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"member{number}" for number in range(len(self.members))]
        for name, probe in zip(names, self.members, strict=True):
            probe.save(folder / name)
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, {"members": names, "refitted": dict(self.refitted)})

    @classmethod
    def load(cls, folder: Path) -> "ProbeEnsemble":
        """Read what `save` wrote.

        Raises:
            UserError: a file is missing or unreadable, or a member does not fit its settings.
        """
        path = folder / SETTINGS_FILE
        stored = read_json(path, "probes that are averaged", FORMAT_VERSION, {"members", "refitted"}, WAY_OUT)
        return cls(tuple(FittedProbe.load(folder / name) for name in stored["members"]), stored["refitted"])


def load_probe(folder: Path) -> FittedProbe | ProbeEnsemble:
    """Read what `FittedProbe.save` or `ProbeEnsemble.save` wrote.

    Raises:
        UserError: see these.
    """
    return (ProbeEnsemble if (folder / SETTINGS_FILE).is_file() else FittedProbe).load(folder)
