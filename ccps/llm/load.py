"""Load a causal language model and make sure of its head."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ccps.artifacts import digest
from ccps.errors import UserError, expected
from ccps.llm.checkpoint import fingerprint, read_weights, resolve_checkpoint
from ccps.llm.config import DTYPES, ModelConfig
from ccps.llm.head import Head, measure_head
from ccps.llm.quiet import quiet_transformers
from ccps.llm.random_model import random_model

_REAL_SENTENCE = "The capital of France is Paris, and 12 times 12 is 144. Water boils at 100 degrees Celsius."


@dataclass(frozen=True)
class ModelFiles:
    """A model that has been found but not loaded.

    Attributes:
        name: key of the model in the configuration.
        config: its settings.
        folder: the local checkpoint; None for a random model.
        fingerprint: hash of everything that decides what the model computes, dtype included.
    """

    name: str
    config: ModelConfig
    folder: Path | None
    fingerprint: str


@dataclass(frozen=True)
class LanguageModel:
    """A loaded causal language model.

    Attributes:
        files: where it came from.
        model: the transformers model, in evaluation mode.
        tokenizer: its tokenizer.
        head: the measured linear head, on the CPU.
        end_tokens: ids of the tokens that end the model's turn, as its own generation config names them.
    """

    files: ModelFiles
    model: Any
    tokenizer: Any
    head: Head
    end_tokens: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return torch.device(self.model.device)

    @cached_property
    def context_window(self) -> int:
        """How many tokens the model can attend to."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 1 << 30))

    def own_logits(self, hidden: Tensor) -> Tensor:
        """Apply the model's own head in the model's dtype: `[tokens, rows of the head]`.

        The greedy choice is that of the model's `generate`; a constant logit scale is not applied.
        """
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        return logits[:, : len(self.head.weight)]  # without padding rows


def find_model(name: str, config: ModelConfig) -> ModelFiles:
    """Locate a model (download or convert it if need be) and fingerprint it, without loading it.

    Raises:
        UserError: a setting is wrong or the model is not to be had.
    """
    if config.dtype not in DTYPES:
        raise expected(f"`model.{name}.dtype`", f"one of {', '.join(DTYPES)}", repr(config.dtype), "Set one of these.")
    if config.source == "random":
        identity = {"type": config.location, "architecture": config.architecture, "seed": config.seed}
        return ModelFiles(name, config, None, digest({**identity, "dtype": config.dtype}))
    folder = resolve_checkpoint(name, config)
    return ModelFiles(name, config, folder, digest({"files": fingerprint(folder), "dtype": config.dtype}))


def load_model(files: ModelFiles, device: torch.device | str = "cpu") -> LanguageModel:
    """Load a model and measure its head on real tokens.

    Args:
        files: what `find_model` returned.
        device: where the model is put.

    Raises:
        UserError: the checkpoint cannot be read, gives NaN or infinite logits, or its head is not linear.
    """
    from transformers import GenerationConfig

    if files.folder is None:
        model, tokenizer = random_model(files.name, files.config)
    else:
        model, tokenizer = _load_checkpoint(files)
    model = model.eval().requires_grad_(False).to(device)
    end_tokens = _end_tokens(model, tokenizer)
    # What else a checkpoint asks for (sampling, a repetition penalty) would creep into generation by default.
    model.generation_config = GenerationConfig()
    return LanguageModel(files, model, tokenizer, _checked_head(files.name, model, tokenizer), end_tokens)


def _end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Those of the generation config; for a checkpoint without one, the tokenizer's own."""
    named = model.generation_config.eos_token_id
    if named is None:
        named = tokenizer.eos_token_id
    if named is None:
        return ()
    return tuple(named) if isinstance(named, list) else (int(named),)


def _load_checkpoint(files: ModelFiles) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    folder = str(files.folder)
    try:
        with quiet_transformers():
            model = read_weights(folder, files.config.dtype, use_safetensors=True)
            return model, AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"Model `{files.name}` cannot be loaded from {files.folder}: {error}. "
            "Remove that folder if it is a cached copy and run again, or point `location` at a whole checkpoint."
        ) from error


@torch.inference_mode()
def _checked_head(name: str, model: Any, tokenizer: Any) -> Head:
    ids = torch.tensor([tokenizer(_REAL_SENTENCE)["input_ids"]], device=model.device)
    hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0]
    logits = model(input_ids=ids, use_cache=False).logits[0]
    output = model.get_output_embeddings()
    return measure_head(name, output.weight, getattr(output, "bias", None), hidden, logits)
