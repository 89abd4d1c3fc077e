"""What the user says about a language model."""

from dataclasses import dataclass
from typing import Any

from ccps.core.fields import LARGEST_SEED, MISSING, setting

SOURCES = ("hub", "folder", "gguf", "asset", "random")
DTYPES = ("bfloat16", "float16", "float32")
SYSTEM_ROLES = ("system", "omit", "prepend")


@dataclass
class ModelConfig:
    """One causal language model: where its weights lie and how to hold them."""

    source: str = setting(
        MISSING,
        "`hub` (a hub id), `folder` (a local checkpoint), `gguf` (a GGUF file), `asset` (a GGUF file that "
        "package wheels carry, see `docs/assets.md`) or `random` (random weights of `architecture`)",
        one_of=SOURCES,
    )
    location: str = setting(MISSING, 'hub id, path or asset name; for `random` the model type ("llama", "qwen2", …)')
    revision: str | None = setting(None, "hub commit or tag; null means the default branch")
    dtype: str = setting(
        "bfloat16",
        "in which the weights are held: `bfloat16`, `float16` or `float32`. Features are float32 always",
        one_of=DTYPES,
    )
    system_role: str = setting(
        "system",
        "`system`, or for chat templates that know no system message `omit` (what the released code of CCPS "
        "does for Gemma) or `prepend` (put before the user's text)",
        one_of=SYSTEM_ROLES,
    )
    template: str | None = setting(None, "name of the chat template, for a tokenizer with several; null: `default`")
    template_arguments: dict[str, Any] = setting(
        {}, "what the chat template is told beside the messages, such as `{enable_thinking: false}`"
    )
    remote_code: bool = setting(
        False, "whether Python code that lies beside the weights may be run; without it such a checkpoint is refused"
    )
    architecture: dict[str, Any] = setting({}, "for `random`: keyword arguments of the transformers config class")
    seed: int = setting(0, "for `random`: seed of the initialisation", at_least=0, at_most=LARGEST_SEED)
    toy: bool = setting(False, "for `random`: whether the architecture is scaled down, see `ccps.llm.random_model.toy`")
    quantisation: str | None = setting(
        None,
        "`int8` or `nf4` holds the weights of the layers in 8 or 4 bits, see `ccps.llm.quantise`; null holds"
        " them as they are. The head keeps `dtype` always",
    )
    device_map: Any = setting(
        None,
        "null puts the whole model on the device of the run; `auto`, `balanced` or `sequential` has "
        "accelerate spread it over GPUs, CPU memory and disk; a mapping of module names to devices says it "
        "all",
    )
    max_memory: dict[Any, Any] = setting(
        {}, 'for the first three: how much the weights may take, by GPU number and "cpu" ("40GiB")'
    )
    offload_folder: str | None = setting(
        None, "where weights are written that go to disk but do not stand in the checkpoint as they are needed"
    )
