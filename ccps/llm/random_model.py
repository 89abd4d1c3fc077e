"""A model with random weights and a byte tokenizer: any architecture, any size, no download."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ccps.core.errors import expected
from ccps.llm.memory import is_out_of_memory
from ccps.settings.model import ModelConfig

_SPECIAL_TOKENS = ("<|pad|>", "<|im_start|>", "<|im_end|>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# The sizes of a toy; what else an architecture has stays as it is.
_TOY_LAYERS = 2
_TOY_GROUPS = 2
_TOY_HEAD_WIDTH = 8
_TOY_VOCABULARY = 320


def byte_tokenizer() -> Any:
    """Build a tokenizer whose tokens are the 256 bytes and three special tokens, with a ChatML template."""
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*_SPECIAL_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_SPECIAL_TOKENS[0],
        eos_token=_SPECIAL_TOKENS[2],
        additional_special_tokens=[_SPECIAL_TOKENS[1]],
        chat_template=_CHAT_TEMPLATE,
    )


def toy(model_type: str, architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Scale an architecture down to one that answers in milliseconds, and is of the same kind.

    Layers, heads, widths and vocabulary shrink. The ratios between them stay (query heads per key-value head, width to
    heads, feed-forward to width; the vocabulary still has more rows than there are bytes), and so does everything
    else: ties, biases, scales, soft caps, rotary embeddings. Initial weights grow as the width shrinks, so that logits
    spread as widely as those of the full size.

    Args:
        model_type: the transformers model type; its sizes must go by the names that Llama gives them.
        architecture: arguments of its config class.

    Returns:
        Arguments of the same class.

    Raises:
        StrictDataclassError: the arguments do not fit the class.
        AttributeError: the class calls its sizes by other names.
    """
    from transformers import AutoConfig

    given = {key: deepcopy(value) for key, value in architecture.items() if key != "layer_types"}
    full = AutoConfig.for_model(model_type, **deepcopy(given))
    heads, groups = full.num_attention_heads, full.num_key_value_heads
    has_head_width = getattr(full, "head_dim", None) is not None
    head_width = full.head_dim if has_head_width else full.hidden_size // heads
    toy_groups = min(groups, _TOY_GROUPS)
    toy_heads = toy_groups * heads // groups
    width = toy_heads * _TOY_HEAD_WIDTH * full.hidden_size // (heads * head_width)
    return {
        **given,
        "vocab_size": min(full.vocab_size, _TOY_VOCABULARY),
        "hidden_size": width,
        "intermediate_size": width * full.intermediate_size // full.hidden_size,
        "num_hidden_layers": min(full.num_hidden_layers, _TOY_LAYERS),
        "num_attention_heads": toy_heads,
        "num_key_value_heads": toy_groups,
        **({"head_dim": _TOY_HEAD_WIDTH} if has_head_width else {}),
        "initializer_range": full.initializer_range * math.sqrt(full.hidden_size / width),
    }


def random_model(name: str, config: ModelConfig) -> tuple[Any, Any]:
    """Build a model of a named architecture with random weights, and its tokenizer.

    Args:
        name: the model's key in the configuration, for messages.
        config: `location` is the transformers model type, `architecture` the arguments of its config class, at full
            size even if a `toy` is wanted.

    Returns:
        The model (in `config.dtype`) and a byte tokenizer.

    Raises:
        UserError: the architecture is unknown or impossible, or its vocabulary is smaller than the tokenizer's.
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if config.location not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise expected(
            f"`model.{name}.location`",
            "the transformers type of a causal language model, such as llama or qwen2",
            repr(config.location),
            "Name an architecture that the installed transformers knows.",
        )
    tokenizer = byte_tokenizer()
    try:
        architecture = deepcopy(config.architecture)  # transformers writes into it
        if config.toy:
            architecture = toy(config.location, architecture)
        shape = AutoConfig.for_model(config.location, **architecture)
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, StrictDataclassError) as error:
        raise expected(
            f"`model.{name}.architecture`",
            f"arguments of the {config.location} configuration",
            f"{config.architecture} ({error})",
            "Mend the one that is named.",
        ) from error
    if shape.vocab_size < len(tokenizer):
        raise expected(
            f"`model.{name}.architecture.vocab_size`",
            f"at least {len(tokenizer)}, the bytes and special tokens",
            shape.vocab_size,
            "Raise it.",
        )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)  # `torch.manual_seed` would reseed accelerators too
            model = AutoModelForCausalLM.from_config(shape, dtype=getattr(torch, config.dtype))
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise expected(
            f"`model.{name}.architecture`", "one that can be built", f"{config.architecture} ({error})", "Mend it."
        ) from error
    model.generation_config.eos_token_id = tokenizer.eos_token_id  # the architecture's default belongs to another one
    return model, tokenizer
