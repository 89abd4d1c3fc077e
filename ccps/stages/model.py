"""One language model for several stages: loaded when first needed, let go when no longer."""

import gc
import time
from dataclasses import dataclass, field

import torch

from ccps.artifacts import Artifact
from ccps.llm import Head, LanguageModel, ModelFiles, load_model
from ccps.stages.stage import Run, peak_memory

HEAD = "head.safetensors"
_HEAD_VERSION = 1


@dataclass
class SharedModel:
    """Holds a language model between stages.

    Attributes:
        files: which model.
    """

    files: ModelFiles
    _loaded: LanguageModel | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Key of the model in the configuration."""
        return self.files.name

    def get(self, device: torch.device) -> LanguageModel:
        """Load the model, or return it if it is loaded."""
        if self._loaded is None:
            self._loaded = load_model(self.files, device)
        return self._loaded

    def release(self) -> None:
        """Free its memory."""
        self._loaded = None
        gc.collect()

    def head_artifact(self, run: Run) -> Artifact:
        """Where the measured head is kept, so that what needs only the head never loads the layers."""
        return Artifact.at(run.artifacts, "head", {"version": _HEAD_VERSION, "model": self.files.fingerprint})

    def save_head(self, run: Run, device: torch.device) -> Artifact:
        """Write the head if it is not there; loads the model only in that case."""
        artifact = self.head_artifact(run)
        if not artifact.complete:
            head, started = self.get(device).head, time.perf_counter()
            with artifact.writing():
                if not artifact.has_shard(0):
                    with artifact.shard(0) as folder:
                        head.save(folder / HEAD)
                artifact.add_cost(0, seconds=time.perf_counter() - started, peak_memory=peak_memory(), n=1)
                vocabulary, width = head.weight.shape
                artifact.finish(1, {"vocabulary": vocabulary, "width": width, "dtype": str(head.weight.dtype)})
        return artifact


def load_head(artifact: Artifact) -> Head:
    """Read a head that `SharedModel.save_head` wrote."""
    return Head.load(artifact.path(HEAD))
