"""What methods read that takes the language model beyond its answers: who makes it, and how it is read back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.needs.asked import Asked
from ccps.needs.references import ReferenceStage, read_references
from ccps.needs.samples import SampleStage, read_samples
from ccps.needs.tune import TuneStage
from ccps.needs.tuned import AskTunedStage, read_no_yes
from ccps.needs.verbalised import VerbaliseStage, read_verbalised
from ccps.pipeline.stage import Stage
from ccps.settings.tuning import unregularised


@dataclass(frozen=True)
class Need:
    """One of the fields of `Evidence` that a stage of its own makes.

    Attributes:
        stage: what makes it for one side; it is also given the artifact of `training`.
        read: its value for some questions, in their order, out of the artifact.
        training: what must be learnt from the training side first, if anything.
    """

    stage: Callable[[Asked, Artifact | None], Stage]
    read: Callable[[Artifact, Sequence[str]], Any]
    training: Callable[[Asked], Stage] | None = None


def _ask_tuned(asked: Asked, tuned: Artifact | None) -> Stage:
    assert tuned is not None
    return AskTunedStage(asked, tuned)


NEEDS: Mapping[str, Need] = {
    "samples": Need(lambda asked, _: SampleStage(asked), read_samples),
    "verbalised": Need(lambda asked, _: VerbaliseStage(asked), read_verbalised),
    "references": Need(lambda asked, _: ReferenceStage(asked, asked.config.litcab.wrong_seed), read_references),
    "instruction_tuned": Need(
        _ask_tuned, read_no_yes, lambda asked: TuneStage(asked, unregularised(asked.config.tuning))
    ),
    "calibration_tuned": Need(_ask_tuned, read_no_yes, lambda asked: TuneStage(asked, asked.config.tuning)),
}
"""By the field of `Evidence` that they fill."""
