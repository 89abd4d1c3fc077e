"""A model with random weights and a byte tokenizer: any architecture, any size, no download."""

from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ccps.errors import expected
from ccps.llm.config import ModelConfig

_SPECIAL_TOKENS = ("<|pad|>", "<|im_start|>", "<|im_end|>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


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


def random_model(name: str, config: ModelConfig) -> tuple[Any, Any]:
    """Build a model of a named architecture with random weights, and its tokenizer.

    Args:
        name: the model's key in the configuration, for messages.
        config: `location` is the transformers model type, `architecture` the arguments of its config class.

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
        shape = AutoConfig.for_model(config.location, **config.architecture)
    except (ValueError, TypeError, StrictDataclassError) as error:
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
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)  # `torch.manual_seed` would reseed accelerators too
        model = AutoModelForCausalLM.from_config(shape, dtype=getattr(torch, config.dtype))
    model.generation_config.eos_token_id = tokenizer.eos_token_id  # the architecture's default belongs to another one
    return model, tokenizer
