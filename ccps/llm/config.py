"""What the user says about a language model."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

SOURCES = ("hub", "folder", "gguf", "asset", "random")
DTYPES = ("bfloat16", "float16", "float32")


@dataclass
class ModelConfig:
    """One causal language model: where its weights lie and how to hold them.

    Attributes:
        source: `hub` (a hub id), `folder` (a local checkpoint), `gguf` (a GGUF file), `asset` (a GGUF file that
            package wheels carry, see `docs/assets.md`) or `random` (random weights of `architecture`).
        location: hub id, path or asset name; for `random` the model type ("llama", "qwen2", …).
        revision: hub commit or tag; empty means the default branch.
        dtype: in which the weights are held: `bfloat16`, `float16` or `float32`. Features are float32 always.
        system_role: `system`, or for chat templates that know no system message `omit` (what the released code of
            CCPS does for Gemma) or `prepend` (put before the user's text).
        architecture: for `random`: keyword arguments of the transformers config class.
        seed: for `random`: seed of the initialisation.
    """

    source: str = MISSING
    location: str = MISSING
    revision: str | None = None
    dtype: str = "bfloat16"
    system_role: str = "system"
    architecture: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
