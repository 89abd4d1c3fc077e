"""Toy checkpoints of every family of models: its architecture, its way of making logits, its form of chat template.

The templates have the form of the families' own: which tokens mark a turn, who may speak, what ends an answer.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from tokenizers.processors import TemplateProcessing

from ccps.llm import ModelConfig
from ccps.llm.random_model import random_model, toy
from experiments.configs import CONF


@dataclass(frozen=True)
class Chat:
    """A form of chat template and the tokens it takes.

    Attributes:
        template: in Jinja.
        start: the token every prompt starts with, which the tokenizer puts before any text too; empty for none.
        end: the token that ends an answer.
        marks: further tokens that mark turns.
    """

    template: str
    start: str
    end: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes:
        location: the transformers model type.
        architecture: arguments of its config class, at full size.
        chat: how it is talked to.
        dtype: in which the weights are held.
        system_role: what becomes of the system prompt.
        scale: what the product of head and state is multiplied by.
        softcap: what the logits are capped at, if anything.
        sizes: arguments that are not those of its toy.
    """

    location: str
    architecture: dict[str, Any]
    chat: Chat
    dtype: str = "float32"
    system_role: str = "system"
    scale: float = 1.0
    softcap: float | None = None
    sizes: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write a checkpoint of its toy, with a tokenizer of bytes."""
        sizes = toy(self.location, self.architecture) | self.sizes
        config = ModelConfig(source="random", location=self.location, dtype="float32", architecture=sizes)
        model, tokenizer = random_model("toy", config)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            for parameter in model.parameters():
                if parameter.dim() == 1:  # norms and biases; as they are before training, a tied head repeats its input
                    parameter.copy_(1.5 * torch.randn_like(parameter))
        set_chat(tokenizer, self.chat)
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def config(self, folder: Path) -> ModelConfig:
        """The settings of the checkpoint in a folder."""
        return ModelConfig(source="folder", location=str(folder), dtype=self.dtype, system_role=self.system_role)


def set_chat(tokenizer: Any, chat: Chat) -> None:
    """Have a tokenizer talk in the form of a family."""
    tokenizer.add_special_tokens(
        {
            "eos_token": chat.end,
            "additional_special_tokens": list(chat.marks),
            **({"bos_token": chat.start} if chat.start else {}),
        }
    )
    tokenizer.chat_template = chat.template
    if chat.start:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{chat.start} $A", special_tokens=[(chat.start, tokenizer.bos_token_id)]
        )


LLAMA3 = Chat(
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    start="<|begin_of_text|>",
    end="<|eot_id|>",
    marks=("<|start_header_id|>", "<|end_header_id|>"),
)
# Puts in a system message where there is none.
CHATML = Chat(
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    start="",
    end="<|im_end|>",
    marks=("<|im_start|>",),
)
# Marks nothing where an answer begins.
MISTRAL = Chat(
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}[SYSTEM_PROMPT]{{ message['content'] }}[/SYSTEM_PROMPT]"
    "{% elif message['role'] == 'user' %}[INST]{{ message['content'] }}[/INST]"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}",
    start="<s>",
    end="</s>",
    marks=("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
)
# Knows no system message, has its marks in plain text, and a space before each answer.
OLD_MISTRAL = Chat(
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('After user comes assistant, and user again') }}{% endif %}"
    "{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}",
    start="<s>",
    end="</s>",
)
# Knows no system message, and calls the assistant by another name.
GEMMA = Chat(
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    start="<bos>",
    end="<end_of_turn>",
    marks=("<start_of_turn>",),
)
GRANITE = Chat(
    "{% for message in messages %}<|start_of_role|>{{ message['role'] }}<|end_of_role|>{{ message['content'] }}"
    "<|end_of_text|>\n{% endfor %}{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}",
    start="",
    end="<|end_of_text|>",
    marks=("<|start_of_role|>", "<|end_of_role|>"),
)
# Marks each role by a token of its own.
COHERE = Chat(
    "{{ bos_token }}{% for message in messages %}<|START_OF_TURN_TOKEN|>"
    "{{ {'system': '<|SYSTEM_TOKEN|>', 'user': '<|USER_TOKEN|>', 'assistant': '<|CHATBOT_TOKEN|>'}[message['role']] }}"
    "{{ message['content'] | trim }}<|END_OF_TURN_TOKEN|>{% endfor %}"
    "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}",
    start="<BOS_TOKEN>",
    end="<|END_OF_TURN_TOKEN|>",
    marks=("<|START_OF_TURN_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"),
)


def configured(name: str) -> dict[str, Any]:
    """The architecture of a random model in `conf/model`."""
    settings = OmegaConf.to_container(OmegaConf.load(CONF / "model" / f"{name}.yaml"))
    assert isinstance(settings, dict)
    architecture = settings[name]["architecture"]
    assert isinstance(architecture, dict)
    return architecture


_GEMMA = {
    "vocab_size": 256000,
    "hidden_size": 3584,
    "intermediate_size": 14336,
    "num_hidden_layers": 42,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 10.0,  # Gemma 2 has 30; what is untrained says nothing that loudly
    "sliding_window": 1024,
}
_GRANITE = {
    "vocab_size": 49155,
    "hidden_size": 4096,
    "intermediate_size": 12800,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
    "embedding_multiplier": 12.0,
    "residual_multiplier": 0.22,
    "attention_multiplier": 0.125,
    "logits_scaling": 16.0,
    "initializer_range": 0.1,  # of untrained logits the scale would leave little
}
_COHERE = {
    "vocab_size": 256000,
    "hidden_size": 8192,
    "intermediate_size": 22528,
    "num_hidden_layers": 40,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "tie_word_embeddings": True,
    "logit_scale": 0.0625,
    "initializer_range": 0.1,
    "eos_token_id": None,
}

# Bytes and marks of the chat template are fewer than the 320 rows of a toy's vocabulary: it is padded, as Qwen's is.
FAMILIES = {
    "llama": Family("llama", configured("llama31_8b_random"), LLAMA3),
    "llama_tied": Family(
        "llama", configured("llama31_8b_random") | {"tie_word_embeddings": True}, LLAMA3, dtype="bfloat16"
    ),
    "qwen": Family("qwen2", configured("qwen25_14b_random"), CHATML, dtype="bfloat16"),
    "qwen_32b": Family("qwen2", configured("qwen25_32b_random"), CHATML),
    "mistral": Family("mistral", configured("mistral_small_24b_random"), MISTRAL, dtype="bfloat16"),
    "old_mistral": Family(
        "mistral",
        configured("mistral_small_24b_random") | {"sliding_window": 1024},
        OLD_MISTRAL,
        system_role="prepend",
        sizes={"vocab_size": 261},  # no row too many
    ),
    "gemma": Family("gemma2", _GEMMA, GEMMA, system_role="omit", softcap=10.0),
    "gemma_bf16": Family("gemma2", _GEMMA, GEMMA, dtype="bfloat16", system_role="prepend", softcap=10.0),
    "granite": Family("granite", _GRANITE, GRANITE, scale=1 / 16),
    "cohere": Family("cohere", _COHERE, COHERE, dtype="bfloat16", scale=0.0625),
}
