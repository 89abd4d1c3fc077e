"""Causal language models: loading, prompts as token ids, and the final states of answers."""

from ccps.llm.batch import Layout, common_prefix, lay_out, plan_batches, work_off
from ccps.llm.between import number_of_layers
from ccps.llm.chat import answer_ids, ids_after_answer, plain_text, prompt_ids
from ccps.llm.choose import choose_tokens, letter_tokens
from ccps.llm.follow import Followed, follow
from ccps.llm.forward import (
    Context,
    Passage,
    compute_prefix,
    final_states,
    read,
)
from ccps.llm.generate import Generated, generate, write
from ccps.llm.head import measure_head
from ccps.llm.load import LanguageModel, ModelFiles, find_model, load_model
from ccps.settings.model import ModelConfig

__all__ = [
    "Context",
    "Followed",
    "Generated",
    "LanguageModel",
    "Layout",
    "ModelConfig",
    "ModelFiles",
    "Passage",
    "answer_ids",
    "choose_tokens",
    "common_prefix",
    "compute_prefix",
    "final_states",
    "find_model",
    "follow",
    "generate",
    "ids_after_answer",
    "lay_out",
    "letter_tokens",
    "load_model",
    "measure_head",
    "number_of_layers",
    "plain_text",
    "plan_batches",
    "prompt_ids",
    "read",
    "work_off",
    "write",
]
