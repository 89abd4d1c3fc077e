"""A language model for the parts that need one, and the states of its answers."""

from collections.abc import Sequence

import torch

from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model
from ccps.pipeline.model import SharedModel
from experiments.benchmarks import forward
from experiments.benchmarks.features import TokenStates


def open_model(name: str, config: ModelConfig, device: torch.device) -> SharedModel:
    """Find a model and load it.

    Raises:
        UserError: it is not to be had.
    """
    shared = SharedModel(find_model(name, config))
    shared.get(device)
    return shared


def answer_states(lm: LanguageModel, questions: Sequence[Question], max_batch_tokens: int) -> TokenStates:
    """The greedy answer tokens of questions, with their states, and the head."""
    states = forward.read_bucketed(lm, forward.build_prompts(lm, questions, max_batch_tokens))
    head, token_ids = lm.head.to(lm.device, torch.float32), lm.own_logits(states).argmax(1)
    return TokenStates(states.float(), head, token_ids, f"{lm.files.name} on MMLU")
