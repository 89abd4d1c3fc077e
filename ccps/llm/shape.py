"""The sizes of a language model from its configuration alone: no weight is read or made."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from ccps.core.quiet import quiet_transformers
from ccps.llm.checkpoint import stored_checkpoint
from ccps.llm.config_sizes import check_sizes, window_of
from ccps.llm.load import ModelFiles
from ccps.llm.random_model import toy
from ccps.plan.shape import ModelShape
from ccps.settings.model import ModelConfig


def read_config(files: ModelFiles) -> Any:
    """The configuration, of transformers, of a model that lies here; or of one with random weights."""
    if files.folder is None:
        return config_of(files.config)
    return _from(str(files.folder), files.config)


def known_window(config: ModelConfig) -> int | None:
    """How many tokens a model can attend to, told before it is loaded, see `window_of`.

    Returns:
        None where the model has yet to be downloaded or converted, or its configuration cannot be read, which is told
        when it is loaded.
    """
    try:
        if config.source == "random":
            with quiet_transformers():
                shape = config_of(config)
        elif (folder := stored_checkpoint(config)) is None:
            return None
        else:
            check_sizes(folder / "config.json")
            shape = _from(str(folder), config)
        return window_of(shape.get_text_config())
    except Exception:  # code of transformers for a hundred architectures
        return None


def config_of(config: ModelConfig) -> Any:
    """The configuration of a model with random weights, from its settings."""
    from transformers import AutoConfig

    architecture = deepcopy(config.architecture)  # transformers writes into it
    if config.toy:
        architecture = toy(config.location, architecture)
    return AutoConfig.for_model(config.location, **architecture)


def hub_config(config: ModelConfig) -> Any:
    """The configuration of a model of the hub; its weights stay there.

    Raises:
        Exception: one of a dozen types, where the hub does not give it away.
    """
    return _from(config.location, config, revision=config.revision)


def hub_tokenizer(config: ModelConfig) -> Any:
    """The tokenizer of a model of the hub; raises as `hub_config` does."""
    from transformers import AutoTokenizer

    with quiet_transformers():
        return AutoTokenizer.from_pretrained(
            config.location, revision=config.revision, trust_remote_code=config.remote_code
        )


def _from(location: str, config: ModelConfig, **options: Any) -> Any:
    from transformers import AutoConfig

    with quiet_transformers():
        return AutoConfig.from_pretrained(location, trust_remote_code=config.remote_code, **options)


def shape_of(config: Any, dtype: str) -> ModelShape:
    """The sizes of a model, counted on one without memory behind its weights.

    Weights of several experts count all, although a token is multiplied with a few of them.

    Args:
        config: of transformers.
        dtype: in which weights are held.

    Raises:
        ValueError: transformers knows no causal language model of that type.
    """
    from transformers import AutoModelForCausalLM

    text = deepcopy(config).get_text_config()
    with torch.device("meta"), quiet_transformers():
        model: Any = AutoModelForCausalLM.from_config(text, dtype=getattr(torch, dtype))
    decoder = model.get_decoder()
    looked_up = {id(module.weight) for module in decoder.modules() if isinstance(module, nn.Embedding)}
    dense = sum(weight.numel() for weight in decoder.parameters() if weight.ndim > 1 and id(weight) not in looked_up)
    heads = text.num_attention_heads
    return ModelShape(
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        heads=heads,
        groups=getattr(text, "num_key_value_heads", None) or heads,
        head_width=getattr(text, "head_dim", None) or text.hidden_size // heads,
        feed_forward=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        vocabulary=model.get_output_embeddings().weight.shape[0],
        dense=dense,
        parameters=model.num_parameters(),
        dtype=dtype,
    )
