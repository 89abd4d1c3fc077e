"""A method as it is given away: what it has learnt, the model that it belongs to, how that is asked and perturbed."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ccps.asking.interview import Manner
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.llm.seen import note_place, noted_place
from ccps.methods.base import Fitted, Method
from ccps.methods.calibrated import Untrained
from ccps.methods.fitted import FittedByProbe
from ccps.methods.registry import find_method
from ccps.probes import ONE_P, FittedProbe, ProbeEnsemble, is_collapsed
from ccps.settings.model import ModelConfig

_SETTINGS = "scorer.json"
_FORMAT_VERSION = 4
_NAMELESS = 2
"""Version of scorers that hold a probe of CCPS and do not say so."""
_PLACED = 3
"""Version of scorers that know their model by the place that a run had it at."""

_ON_DISK = ("folder", "gguf")


@dataclass(frozen=True)
class ScorerSettings:
    """What a scorer needs beside what its method has learnt.

    Attributes:
        model_name: name of the language model.
        model: where its weights lie; no path of this machine is stored, see `_on_the_way`.
        fingerprint: of the model that the method was fitted on: of its files, or of what was in memory
            (`ccps.llm.handed`).
        radius: largest perturbation radius.
        steps: perturbation steps.
        format: of the questions that the method was fitted on: `mc` (multiple choice) or `oe` (open-ended).
        manner: how questions are put to the model.
        method: name of the method.
        calibrator: kind of the calibrator on top of it; None if it has none.
        spread: standard deviation of P(correct) over the answers that the probe was fitted to; None where it is not
            known, as of scorers that were saved before it was measured, or of methods that learn nothing.
    """

    model_name: str
    model: ModelConfig
    fingerprint: str
    radius: float
    steps: int
    format: str
    manner: Manner
    method: str = "ccps"
    calibrator: str | None = None
    spread: float | None = None


class StoredScorer(NamedTuple):
    """What a method has learnt, with its settings, as files."""

    fitted: Fitted
    settings: ScorerSettings

    @property
    def probe(self) -> FittedProbe | ProbeEnsemble:
        """The probe of CCPS, or those that are averaged, for those who read it on something else than answers.

        Raises:
            UserError: this is a scorer of another method.
        """
        if isinstance(self.fitted, FittedByProbe) and isinstance(self.fitted.probe, FittedProbe | ProbeEnsemble):
            return self.fitted.probe
        way_out = "Give the folder of a format itself (`…/scorers/<model>/oe`), which holds that of CCPS."
        raise expected("the scorer", "a probe of CCPS", f"one of `{self.settings.method}`", way_out)

    @classmethod
    def load(cls, path_or_repo: str | Path) -> "StoredScorer":
        """Read what `save` wrote into a folder, or what a hub repository holds.

        Of a fit that has collapsed a line says that it gives one P for every answer.

        Raises:
            UserError: there is no scorer there, or its files are broken.
        """
        folder = scorer_folder(path_or_repo)
        try:
            stored = json.loads((folder / _SETTINGS).read_text())
            version = stored.pop("format_version")
            if version not in (_NAMELESS, _PLACED, _FORMAT_VERSION):
                raise ValueError(f"its format version is not {_FORMAT_VERSION}")
            if version != _NAMELESS and "method" not in stored:
                raise ValueError("it does not say which method it is of")
            model = ModelConfig(**stored["model"])
            if version == _FORMAT_VERSION:
                model = _from_here(model, stored["fingerprint"], folder)
            parts = {"model": model, "manner": Manner(**stored["manner"])}
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
        method = find_method(settings.method, settings.calibrator)
        return cls(Untrained(method) if isinstance(method, Method) else method.load(folder), settings)

    def save(self, path: str | Path, *, place: bool = True) -> None:
        """Write what was learnt and `scorer.json` into a folder: JSON and safetensors, no weights of the LLM.

        Args:
            path: the folder; made if need be.
            place: whether the place of a model on this machine is written as the way there from the folder, or as it
                stands in the settings.
        """
        folder = local_path(path)
        folder.mkdir(parents=True, exist_ok=True)
        self.fitted.save(folder)
        settings = self.settings
        if place:
            settings = replace(settings, model=_on_the_way(settings, folder))
        stored = {"format_version": _FORMAT_VERSION, **asdict(settings)}
        (folder / _SETTINGS).write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")


def scorer_folder(path_or_repo: str | Path) -> Path:
    """The folder of a scorer: one on this machine, or a copy of a hub repository.

    Raises:
        UserError: there is neither.
    """
    folder = local_path(path_or_repo)
    return folder if folder.is_dir() else _from_hub(str(path_or_repo))


def _on_the_way(settings: ScorerSettings, folder: Path) -> ModelConfig:
    """A model's place as it is stored in a folder: relative, so that both can be moved together.

    Where they have nothing but the root in common that would be the whole path over again: there its name alone is
    stored, and this machine remembers the rest.
    """
    model = settings.model
    if model.source not in _ON_DISK or not model.location:
        return replace(model, offload_folder=None)
    path, here = local_path(model.location).absolute(), folder.absolute()
    if os.path.commonpath([path, here]) == path.anchor:
        note_place(settings.fingerprint, path)
        return replace(model, location=path.name, offload_folder=None)
    return replace(model, location=os.path.relpath(path, here), offload_folder=None)


def _from_here(model: ModelConfig, fingerprint: str, folder: Path) -> ModelConfig:
    """A model's place as it was stored in a folder, seen from where the program runs."""
    if model.source not in _ON_DISK or not model.location:
        return model
    path = Path(os.path.normpath(folder.absolute() / model.location))
    return replace(model, location=str(path if path.exists() else noted_place(fingerprint) or path))


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
