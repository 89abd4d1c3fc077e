"""The language model behind a scorer: handed over in memory, or named and loaded when it is first asked."""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ccps.assets.catalogue import ASSETS
from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.core.settings import is_name
from ccps.llm import LanguageModel, ModelFiles, find_model, load_model
from ccps.llm.checkpoint import resolve_checkpoint
from ccps.llm.handed import PREFIX, as_it_is, check_same, other_model, take_model, weights_fingerprint
from ccps.perturbation import Head
from ccps.settings.model import DTYPES, ModelConfig

_WAY_IN = (
    "Say which model it is: `ConfidenceScorer.load(path, model=…)` with a loaded one, or `location=…` with its place."
)


class Source:
    """A model that is read by one thread at a time, and left as it was; made by `handed` or `named`.

    Args:
        name: the model's.
        config: where it lies; of a model in memory, where it says that it came from.
        device: where a model goes that is loaded here.
        wanted: the fingerprint that it must have; None for any.
        taken: the model, if it is in memory already.
    """

    def __init__(
        self, name: str, config: ModelConfig, device: str, wanted: str | None = None, taken: LanguageModel | None = None
    ) -> None:
        self.name = name
        self.config = config
        self.wanted = wanted
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._lm = taken
        self._head: Head | None = None
        self._fingerprint = wanted
        self._opening = threading.RLock()

    @classmethod
    def handed(cls, model: Any, tokenizer: Any = None, wanted: str | None = None) -> "Source":
        """A model in memory, or a pipeline.

        Args:
            model: of transformers.
            tokenizer: its own.
            wanted: the fingerprint that it must have; None for any.

        Raises:
            UserError: it is no causal language model, has no tokenizer or another head than a linear one, or is not
                the one that is wanted.
        """
        taken = take_model(model, tokenizer)
        source = cls(taken.files.name, taken.files.config, "auto", wanted, taken)
        if wanted is None:
            source._fingerprint = taken.files.fingerprint
        elif wanted.startswith(PREFIX):
            check_same(taken, wanted)
        else:
            _check_files(taken.files, wanted)
        return source

    @classmethod
    def named(cls, model: str | Path | ModelConfig, device: str, dtype: str | None = None) -> "Source":
        """A model that is found now and loaded when it is first asked.

        Args:
            model: a folder, a GGUF file, the name of an asset, a hub id, or settings as in `conf/model`.
            device: where it goes: `auto`, `cpu`, `cuda`, ….
            dtype: in which it is held; None for that of its files, or bfloat16.

        Raises:
            UserError: there is no such model.
        """
        config = model if isinstance(model, ModelConfig) else config_of(str(model), dtype)
        return cls(name_of(config.location), config, device)

    @classmethod
    def again(cls, name: str, config: ModelConfig, location: str | Path | None, device: str, wanted: str) -> "Source":
        """The model that a scorer was fitted on, loaded and compared when it is first asked.

        Args:
            name: the model's.
            config: where it was, and how it is held.
            location: where it is now, if that is another place.
            device: where it goes.
            wanted: its fingerprint.
        """
        if location is not None:
            found = config_of(str(location), config.dtype)
            config = replace(config, source=found.source, location=found.location, revision=None)
        return cls(name, config, device, wanted)

    @property
    def fingerprint(self) -> str:
        """Hash of what decides what the model computes, see `ccps.llm.handed`; loads the model."""
        with self.held():
            assert self._fingerprint is not None
            return self._fingerprint

    @contextmanager
    def held(self) -> Iterator[LanguageModel]:
        """The model, for this thread alone and in evaluation mode."""
        lm = self.opened()
        with as_it_is(lm.model):
            yield lm

    def opened(self) -> LanguageModel:
        """The model, loaded if it is not yet."""
        with self._opening:
            if self._lm is None:
                self._lm = self._load()
            return self._lm

    @property
    def head(self) -> Head:
        """The model's head in float32: on the CPU, or on the GPU that holds the model's states."""
        lm = self.opened()
        with self._opening:
            if self._head is None:
                self._head = lm.head.to(lm.device if lm.device.type == "cuda" else torch.device("cpu"), torch.float32)
            return self._head

    def _load(self) -> LanguageModel:
        if not self.config.location:
            raise expected(f"model `{self.name}`", "one that can be found again", "one that was in memory", _WAY_IN)
        files = find_model(self.name, self.config)
        by_weights = self.wanted is None or self.wanted.startswith(PREFIX)
        if not by_weights and files.fingerprint != self.wanted:
            raise other_model(self.name, str(self.wanted), files.fingerprint)
        lm = load_model(files, self._device)
        if by_weights:
            self._fingerprint = weights_fingerprint(lm.model, lm.tokenizer)
            if self.wanted is not None and self._fingerprint != self.wanted:
                raise other_model(self.name, self.wanted, self._fingerprint)
        return lm


def config_of(location: str, dtype: str | None = None) -> ModelConfig:
    """Settings of a model that is named by its place alone: a folder, a GGUF file, an asset, or a hub id.

    Raises:
        UserError: nothing lies there.
    """
    path = local_path(location)
    source = "hub"
    if path.is_dir():
        source = "folder"
    elif path.suffix == ".gguf":
        source = "gguf"
    elif location in ASSETS:
        source = "asset"
    config = ModelConfig(source=source, location=location)
    if dtype is not None or source not in ("folder", "hub"):
        return config if dtype is None else replace(config, dtype=dtype)
    return replace(config, dtype=_dtype_of(resolve_checkpoint(name_of(location), config)))


def name_of(location: str) -> str:
    """What to call a model that lies somewhere."""
    name = Path(location).name
    return name if is_name(name) else "model"


def _dtype_of(folder: Path) -> str:
    """The dtype that a checkpoint names, if it is one that models are held in; else bfloat16."""
    stored: Any = {}
    with contextlib.suppress(OSError, ValueError):
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = [part.get(key) for part in (stored, stored.get("text_config") or {}) for key in ("dtype", "torch_dtype")]
    return next((one for one in named if one in DTYPES), "bfloat16")


def _check_files(files: ModelFiles, wanted: str) -> None:
    """Compare a model in memory with one that is known by its files, where it says which these are.

    Raises:
        UserError: they are other files.
    """
    try:
        found = find_model(files.name, files.config).fingerprint
    except UserError:
        say(
            "scorer",
            files.name,
            "the scorer knows its model by the files, and these are not to be had",
            state="not checked",
        )
        return
    if found != wanted:
        raise other_model(files.name, wanted, found)
