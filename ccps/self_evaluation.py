"""Ask a language model whether an answer of its own is correct."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.follow_up import QUERY
from ccps.interview import Manner
from ccps.llm import (
    LanguageModel,
    Passage,
    check_context_window,
    common_prefix,
    compute_prefix,
    final_states,
    letter_tokens,
    plan_batches,
    prompt_ids,
)


class SelfEvaluation:
    """Questions with answers, each followed by the query in a turn of its own, laid out in batches.

    Args:
        lm: the model.
        questions: what was asked, at least one.
        answers: what was answered, a text per question, not empty.
        manner: how the questions were put.

    Raises:
        UserError: a conversation is too long, an option letter is not one token of the model, or the model's chat
            template refuses the messages.
    """

    def __init__(
        self, lm: LanguageModel, questions: Sequence[Question], answers: Sequence[str], manner: Manner
    ) -> None:
        self.lm = lm
        self.letters = letter_tokens(lm, 2)
        self.prompts = [
            prompt_ids(
                lm.tokenizer,
                [
                    *chat_messages(question, system_role=manner.system_role),
                    {"role": "assistant", "content": answer},
                    {"role": "user", "content": QUERY},
                ],
                manner.prompt,
            )
            for question, answer in zip(questions, answers, strict=True)
        ]
        passages = [Passage(prompt) for prompt in self.prompts]
        check_context_window(lm, [question.id for question in questions], passages)
        self.shared = common_prefix(self.prompts)
        self.prefix = compute_prefix(lm, self.prompts[0][: self.shared])
        lengths = [len(prompt) - self.shared for prompt in self.prompts]
        self.batches = plan_batches(lengths, manner.max_batch_tokens)

    def ask(self, batch: Sequence[int]) -> Tensor:
        """Return the logits of "no" and "yes", `[batch, 2]` float32, for the questions at some positions."""
        states = final_states(self.lm, [Passage(self.prompts[index]) for index in batch], self.prefix)
        with torch.inference_mode():
            return self.lm.own_logits(torch.cat(states))[:, self.letters].float().cpu()
