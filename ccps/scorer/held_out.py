"""Scores of answers that are known to be right or wrong, kept with a scorer: what a threshold is certified on."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ccps.core.errors import expected
from ccps.methods.evidence import FloatArray

FILE = "held_out.safetensors"
OUT_OF_FOLD, TARGET = "out_of_fold", "target"


class HeldOut(NamedTuple):
    """Labelled answers.

    Attributes:
        p_correct: P(correct) as it was fitted, without a later intercept, `[n]`.
        correct: `[n]` bool.
        basis: `out_of_fold` for answers to the questions that were fitted to, each scored by a fit to others: nearly
            what the scorer itself would say of new ones. `target` for labels that were given afterwards and fitted
            nothing.
    """

    p_correct: FloatArray
    correct: npt.NDArray[np.bool_]
    basis: str

    def save(self, folder: Path) -> None:
        """Write `held_out.safetensors`."""
        tensors: dict[str, npt.NDArray[Any]] = {"p_correct": self.p_correct, "correct": self.correct.astype(np.uint8)}
        save_file(tensors, folder / FILE, metadata={"basis": self.basis})

    @classmethod
    def load(cls, folder: Path) -> "HeldOut | None":
        """Read what `save` wrote; None where there is nothing.

        Raises:
            UserError: the file is broken.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="np") as stored:
                basis = stored.metadata()["basis"]
                p, correct = (stored.get_tensor(name) for name in ("p_correct", "correct"))
            if p.shape != correct.shape or p.ndim != 1 or basis not in (OUT_OF_FOLD, TARGET):
                raise ValueError(f"shapes {p.shape} and {correct.shape}, of {basis}")
            return cls(p.astype(np.float64), correct.astype(bool), basis)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise expected(
                f"`{path}`", "scores and labels of a scorer", str(error), "Save the scorer again."
            ) from error
