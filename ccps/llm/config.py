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
        toy: for `random`: whether the architecture is scaled down, see `ccps.llm.random_model.toy`.
        quantisation: `int8` or `nf4` holds the weights of the layers in 8 or 4 bits, see `ccps.llm.quantise`; empty
            holds them as they are. The head keeps `dtype` always.
        device_map: empty puts the whole model on the device of the run; `auto`, `balanced` or `sequential` has
            accelerate spread it over GPUs, CPU memory and disk; a mapping of module names to devices says it all.
        max_memory: for the first three: how much the weights may take, by GPU number and "cpu" ("40GiB").
        offload_folder: where weights are written that go to disk but do not stand in the checkpoint as they are needed.
    """

    source: str = MISSING
    location: str = MISSING
    revision: str | None = None
    dtype: str = "bfloat16"
    system_role: str = "system"
    architecture: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    toy: bool = False
    quantisation: str | None = None
    device_map: Any = None
    max_memory: dict[Any, Any] = field(default_factory=dict)
    offload_folder: str | None = None
