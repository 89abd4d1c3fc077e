"""Weights of a causal language model, read from its files: all of them, and none made up."""

import re
from pathlib import Path
from typing import Any

import torch

# Weights of the decoder; towers for images and heads for training may lie beside them unread.
_OF_DECODER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.\d+\.")
_OTHER_MODALITIES = re.compile(r"vision|visual|image|audio|speech|mtp")


def read_weights(folder: Path | str, dtype: str, **options: Any) -> Any:
    """Read a causal language model all of whose weights are in its files; of a model that also sees, the whole.

    Raises:
        ValueError: weights are missing, and transformers would put random ones in their place; or there are layers that
            its configuration does not know, and the model would be cut short.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    kind: Any = AutoModelForCausalLM
    if "gguf_file" not in options:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=options.get("trust_remote_code", False))
        if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and config.get_text_config() is not config:
            kind = AutoModelForImageTextToText
    loaded: Any = kind.from_pretrained(folder, dtype=getattr(torch, dtype), output_loading_info=True, **options)
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} weights are missing from its files, {missing[0]} among them")
    beyond = sorted(key for key in info["unexpected_keys"] if _is_cut(key))
    if beyond:
        raise ValueError(
            f"{len(beyond)} weights of layers are in its files unknown to its config.json, {beyond[0]} among them"
        )
    return model


def _is_cut(key: str) -> bool:
    """Whether an unread weight is one of the decoder's layers."""
    return _OF_DECODER.search(key) is not None and _OTHER_MODALITIES.search(key) is None
