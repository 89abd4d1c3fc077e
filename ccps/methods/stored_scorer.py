"""The probe of CCPS as it is given away: with the model that it belongs to, and how that is asked and perturbed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from ccps.asking.interview import Manner
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.probes import ONE_P, FittedProbe, is_collapsed
from ccps.settings.model import ModelConfig

_SETTINGS = "scorer.json"
_FORMAT_VERSION = 2


@dataclass(frozen=True)
class ScorerSettings:
    """What a scorer needs beside its probe.

    Attributes:
        model_name: name of the language model.
        model: where its weights lie.
        fingerprint: hash of the weights the probe was fitted on.
        radius: largest perturbation radius.
        steps: perturbation steps.
        format: of the questions that the probe was fitted on: `mc` (multiple choice) or `oe` (open-ended).
        manner: how questions are put to the model.
        spread: standard deviation of P(correct) over the answers that the probe was fitted to; None where it is not
            known, as of scorers that were saved before it was measured.
    """

    model_name: str
    model: ModelConfig
    fingerprint: str
    radius: float
    steps: int
    format: str
    manner: Manner
    spread: float | None = None


class StoredScorer(NamedTuple):
    """A fitted probe with its settings, as files."""

    probe: FittedProbe
    settings: ScorerSettings

    @classmethod
    def load(cls, path_or_repo: str | Path) -> "StoredScorer":
        """Read what `save` wrote into a folder, or what a hub repository holds.

        Of a probe that has collapsed a line says that it gives one P for every answer.

        Raises:
            UserError: there is no scorer there, or its files are broken.
        """
        folder = Path(path_or_repo).expanduser()
        if not folder.is_dir():
            folder = _from_hub(str(path_or_repo))
        try:
            stored = json.loads((folder / _SETTINGS).read_text())
            if stored.pop("format_version") != _FORMAT_VERSION:
                raise ValueError(f"its format version is not {_FORMAT_VERSION}")
            parts = {"model": ModelConfig(**stored["model"]), "manner": Manner(**stored["manner"])}
            settings = ScorerSettings(**{**stored, **parts})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise expected(
                f"`{folder / _SETTINGS}`",
                "the settings of a scorer",
                f"{type(error).__name__}: {error}",
                "Give a folder that `ConfidenceScorer.save` wrote, or run the main job, which writes one.",
            ) from error
        if settings.spread is not None and is_collapsed(settings.spread):
            say("scorer", str(path_or_repo), f"this probe gives {ONE_P}", state="collapsed")
        return cls(FittedProbe.load(folder), settings)

    def save(self, path: str | Path) -> None:
        """Write `probe.safetensors`, `probe.json` and `scorer.json` into a folder; no weights of the LLM."""
        folder = Path(path).expanduser()
        self.probe.save(folder)
        stored = {"format_version": _FORMAT_VERSION, **asdict(self.settings)}
        (folder / _SETTINGS).write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not to be had"
        raise expected(
            "`path_or_repo`",
            "a folder with a scorer, or a hub repository that can be reached",
            repr(repository),
            "Run the main job, which writes scorers into outputs/<experiment>/scorers.",
        ) from error
