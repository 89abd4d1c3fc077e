"""What training has made of the methods that are one probe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.methods.base import curve_table
from ccps.methods.evidence import Evidence, FloatArray
from ccps.probes import FittedProbe, FittedStateProbe, ProbeEnsemble


@dataclass(frozen=True)
class FittedByProbe:
    """A probe as the pipeline uses it."""

    probe: FittedProbe | FittedStateProbe | ProbeEnsemble
    inputs: Callable[[Evidence], tuple[Any, ...]]
    """What the probe reads of the evidence."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set."""
        return self.probe.parameters

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the probe reads it."""
        return self.probe.predict(*self.inputs(evidence))

    def save(self, folder: Path) -> None:
        """Write the probe."""
        self.probe.save(folder)

    def summary(self) -> Mapping[str, Any]:
        """Rows used, and those left out and why."""
        return self.probe.training.summary()

    def curve(self) -> pd.DataFrame:
        """All evaluations during training."""
        return curve_table(self.probe.training.curve)

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Values that the probe sets to 0, and answers whose end it does not read."""
        return self.probe.notes(*self.inputs(evidence))
