"""One language model for several stages: loaded when first needed, let go when no longer."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ccps.core.artifacts import Artifact
from ccps.engines import Engine, EngineConfig, EngineWriter, OwnWriter, VllmEngine, Writer, engine_inputs
from ccps.llm import LanguageModel, ModelFiles, load_model
from ccps.perturbation import Head
from ccps.pipeline.heads import HEAD
from ccps.pipeline.shard_writer import peak_memory
from ccps.pipeline.stage import Run
from ccps.pipeline.trainer import run_device

_HEAD_VERSION = 1


@dataclass
class SharedModel:
    """Holds a language model between stages.

    Attributes:
        files: which model.
        engine: what writes its open-ended answers.
    """

    files: ModelFiles
    engine: EngineConfig = field(default_factory=EngineConfig)
    _loaded: LanguageModel | None = field(default=None, repr=False)
    _engine: Engine | None = field(default=None, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Weights are not sent to other processes: each loads them where it is, once for all stages."""
        return _sent, (self.files, self.engine)

    @property
    def name(self) -> str:
        """Key of the model in the configuration."""
        return self.files.name

    def get(self, device: torch.device) -> LanguageModel:
        """Load the model, or return it if it is loaded."""
        if self._loaded is None:
            self._loaded = load_model(self.files, device)
        return self._loaded

    @property
    def engine_inputs(self) -> Mapping[str, str]:
        """What of the engine determines what is written."""
        return engine_inputs(self.engine)

    def writer(self, device: torch.device) -> Writer:
        """What writes answers; loads the model, and the engine if it is another.

        Raises:
            UserError: the engine cannot load the model.
        """
        lm = self.get(device)
        if self.engine.name == "transformers":
            return OwnWriter(lm)
        if self._engine is None:
            self._engine = VllmEngine(lm, self.engine.gpu_memory_utilization)
        return EngineWriter(lm, self._engine, self.engine)

    def release(self) -> None:
        """Free its memory, and that of the engine."""
        if self._engine is not None:
            self._engine.close()
        self._loaded = self._engine = None
        gc.collect()

    def head_artifact(self, run: Run) -> Artifact:
        """Where the measured head is kept, so that what needs only the head never loads the layers."""
        inputs = {"version": _HEAD_VERSION, "model": self.files.fingerprint}
        return run.artifact("head", inputs)

    def save_head(self, run: Run, device: torch.device) -> Artifact:
        """Write the head if it is not there; loads the model only in that case."""
        artifact = self.head_artifact(run)
        if not artifact.complete and run.pool is not None:
            run.pool.do(_save_head, self)
        elif not artifact.complete:
            head, started = self.get(device).head, time.perf_counter()
            with artifact.writing(waits=run.waits):
                _write_head(artifact, head, started)
        return artifact


def _write_head(artifact: Artifact, head: Head, started: float) -> None:
    if artifact.complete:  # by another process, for which this one has waited
        return
    if not artifact.has_shard(0):
        with artifact.shard(0) as folder:
            head.save(folder / HEAD)
            artifact.add_cost(0, seconds=time.perf_counter() - started, peak_memory=peak_memory(), n=1)
    vocabulary, width = head.weight.shape
    artifact.finish(1, {"vocabulary": vocabulary, "width": width, "dtype": str(head.weight.dtype)})


_SENT: list[SharedModel] = []
"""The model that a process holds for stages that are sent to it; one at a time."""


def _sent(files: ModelFiles, engine: EngineConfig) -> SharedModel:
    """What a model becomes in a process that a stage is sent to: the one that is held there, if it is the same."""
    if not any((held.files, held.engine) == (files, engine) for held in _SENT):
        while _SENT:
            _SENT.pop().release()
        _SENT.append(SharedModel(files, engine))
    return _SENT[0]


def _save_head(model: SharedModel, run: Run) -> None:
    model.save_head(run, run_device(run))
