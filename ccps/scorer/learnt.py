"""What a scorer has learnt: its method, and what is known of how well that does."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.calibrators import Calibrator
from ccps.core.errors import expected
from ccps.methods import Method, TrainedMethod, find_method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.stored_scorer import StoredScorer
from ccps.needs.base import is_portable
from ccps.scorer import card
from ccps.scorer.held_out import FILE as HELD_OUT_FILE
from ccps.scorer.held_out import HeldOut
from ccps.scorer.reading import Heard, Reads, spread_out
from ccps.scorer.summary import Summary

SHIFT = "recalibration"
"""Folder of the intercept that labels of another domain have given."""


class Learnt(NamedTuple):
    """What a scorer is made of, beside the model.

    Attributes:
        stored: what the method has learnt, and its settings.
        summary: what fitting has shown; None if that is not known.
        held_out: labelled answers to certify thresholds on; None if there are none.
        shift: an intercept that labels of another domain have given; None if there is none.
    """

    stored: StoredScorer
    summary: Summary | None = None
    held_out: HeldOut | None = None
    shift: Calibrator | None = None

    @property
    def method(self) -> Method | TrainedMethod:
        """The method, with its calibrator."""
        return find_method(self.stored.settings.method, self.stored.settings.calibrator)

    @property
    def reads(self) -> Reads:
        """What of an answer it reads."""
        settings = self.stored.settings
        reads = Reads.of([self.method], settings.format, settings.radius, settings.steps)
        # What is needed only for fitting is not read again.
        return reads._replace(needs=reads.needs & self.method.reads())

    def p_correct(self, heard: Heard) -> FloatArray:
        """P(correct) as it was fitted, `[questions]`; NaN of an empty answer."""
        if heard.evidence is None:
            return np.full(len(heard.answers), np.nan)
        return spread_out(self.stored.fitted.p_correct(heard.evidence), heard.filled, len(heard.answers))

    def shifted(self, p: FloatArray) -> FloatArray:
        """P(correct) at the base rate that labels have given, if any have."""
        known = np.isfinite(p)
        if self.shift is None or not known.any():
            return p
        shifted = p.copy()
        shifted[known] = self.shift.predict(p[known])
        return shifted

    def truncated(self, heard: Heard) -> set[int]:
        """Places of the answers of which the method reads only the first tokens."""
        if heard.evidence is None:
            return set()
        return set(heard.filled[_truncated(self.stored, heard.evidence)].tolist())

    def check_portable(self) -> None:
        """Refuse a method that takes more than one pass over question and answer.

        Raises:
            UserError: it does.
        """
        if not is_portable(self.method):
            raise expected(
                "the method of a scorer",
                "one that reads nothing but a question and its answer",
                f"`{self.method.name}`",
                "Run the main job, which writes a scorer for every method that can be one.",
            )

    def save(self, folder: Path, licence: str | None, *, place: bool = True) -> None:
        """Write everything into a folder, and a model card.

        Args:
            folder: made if need be.
            licence: of the scorer, for the card.
            place: whether the model's place is seen from the folder, or written as it is.
        """
        self.stored.save(folder, place=place)
        for name in (HELD_OUT_FILE, f"{SHIFT}/calibrator.json", card.SUMMARY):
            (folder / name).unlink(missing_ok=True)  # of a scorer that was saved there before
        if self.held_out is not None:
            self.held_out.save(folder)
        if self.shift is not None:
            self.shift.save(folder / SHIFT)
        card.save(folder, self.stored.settings, self.summary, self.held_out, self.shift, licence)

    @classmethod
    def load(cls, folder: Path) -> "Learnt":
        """Read what `save` wrote, or what the main job did.

        Raises:
            UserError: a file is missing or broken.
        """
        stored = StoredScorer.load(folder)
        shift = Calibrator.load(folder / SHIFT) if (folder / SHIFT / "calibrator.json").is_file() else None
        return cls(stored, card.load_summary(folder), HeldOut.load(folder), shift)


def _truncated(stored: StoredScorer, evidence: Evidence) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(evidence.lengths), dtype=np.bool_)
    if stored.fitted.notes(evidence).get("truncated"):
        for one in range(len(found)):
            found[one] = bool(stored.fitted.notes(evidence.select(np.array([one]))).get("truncated"))
    return found
