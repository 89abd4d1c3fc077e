"""What the model has in mind once it has answered: read on from its answers, without reading their prompts again."""

import time
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor

from ccps.llm import Context, LanguageModel, common_prefix, follow, ids_after_answer, letter_tokens, number_of_layers
from ccps.llm.chat import opens_thinking

Collected = Literal["layer_states", "pooled_states", "self_evaluation"]

LAYERS = ("middle", "upper_middle", "final")
"""What the layers of `probed_layers` are called, in their order."""

# The self-evaluation query of the code released with CCPS (arXiv 2505.21772).
QUERY = "Is the proposed answer correct?\nChoices:\na) no\nb) yes\nAnswer: "


class AfterAnswer(NamedTuple):
    """What was read after one answer; None where it was not asked for, or there is no answer.

    Attributes:
        layer_states: `[3, d]` states of the answer's last token, what the chat template puts after it included, at the
            layers of `probed_layers`; in the model's dtype, on the CPU.
        pooled_states: `[d]` float32, the mean over the answer's tokens of their states at the first of `probed_layers`;
            on the CPU.
        self_evaluation: `[2]` float32 logits of "no" and "yes" after `QUERY`, in a turn of its own, see `query_ids`.
    """

    layer_states: Tensor | None = None
    pooled_states: Tensor | None = None
    self_evaluation: Tensor | None = None


class FollowUp:
    """What is read after every answer to some questions: the same tokens, whatever the answer.

    Args:
        lm: the model.
        messages: the conversation before an answer; which one does not matter.
        collect: what is wanted.

    Attributes:
        tokens: token ids that are read after the last one of an answer.
        seconds: time that reading has taken so far.
        tokens_read: tokens that were read so far.
        sum_layer: the entry of the model's hidden states that must be summed while an answer is read or written; None
            if none need be.

    Raises:
        UserError: the decoder's layers are not found, or an option letter is not one token of the model.
    """

    def __init__(self, lm: LanguageModel, messages: Sequence[dict[str, str]], collect: Collection[Collected]) -> None:
        self.lm = lm
        self.letters = letter_tokens(lm, 2) if "self_evaluation" in collect else []
        reads_layers = bool({"layer_states", "pooled_states"} & set(collect))
        # The middle one comes first: it is at hand for the mean.
        probed: tuple[int, ...] = probed_layers(number_of_layers(lm)) if reads_layers else ()
        self.layers = probed if "layer_states" in collect else probed[:1]
        self.sum_layer = probed[0] if "pooled_states" in collect else None
        self.keeps_layers = "layer_states" in collect
        closing = ids_after_answer(lm.tokenizer, messages)
        after = closing if self.keeps_layers else []
        self.tokens = query_ids(lm.tokenizer, messages) if self.letters else after
        # Where the answer's turn ends, counted from the answer's last token.
        self.end = len(closing) if self.tokens[: len(closing)] == closing else common_prefix([closing, self.tokens])
        self.seconds = 0.0
        self.tokens_read = 0

    def read(self, answers: Sequence[Sequence[int]], context: Context) -> list[AfterAnswer]:
        """Read on after a batch of answers.

        Args:
            answers: token ids of each answer. After an empty one any token will do: nobody keeps what follows it.
            context: what the model has read before the last token of each, row by row.
        """
        started = time.perf_counter()
        tokens = torch.tensor([[answer[-1] if answer else 0, *self.tokens] for answer in answers])
        followed = follow(self.lm, context, tokens, self.layers)
        rows = len(tokens)
        layers = followed.layers[:, self.end].cpu() if self.keeps_layers else [None] * rows
        sums = context.summed
        pooled = [None] * rows if sums is None else _means(answers, sums, followed.layers[:, 0, 0])
        logits = self._yes_or_no(followed.final[:, -1]) if self.letters else [None] * rows
        self.seconds += time.perf_counter() - started
        self.tokens_read += tokens.numel()
        return [AfterAnswer(*found) for found in zip(layers, pooled, logits, strict=True)]

    def _yes_or_no(self, states: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.lm.own_logits(states.contiguous())[:, self.letters].float().cpu()


def _means(answers: Sequence[Sequence[int]], summed: Tensor, last: Tensor) -> Tensor:
    """Means `[answers, d]` over the tokens of each answer, from sums over all but the last one and its states."""
    lengths = torch.tensor([max(1, len(answer)) for answer in answers])
    return (summed.to(last.device) + last.float()).cpu() / lengths[:, None]


def probability_of_yes(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Softmax over the logits of "no" and "yes" `[answers, 2]`, at "yes": `[answers]`."""
    no, yes = logits.astype(np.float64).T
    probability: npt.NDArray[np.float64] = expit(yes - no)
    return probability


def query_ids(tokenizer: Any, messages: Sequence[dict[str, str]]) -> list[int]:
    """Token ids of what comes between an answer and the letter that judges it: `QUERY`, in a turn of its own.

    Where the chat template opens a thought for the reply (`<think>`), as those of reasoning models do, an empty thought
    is closed at once: the letter is read where a reply begins, not where a thought does.

    Args:
        tokenizer: a transformers tokenizer.
        messages: the conversation before an answer; which one does not matter.

    Raises:
        UserError: the chat template refuses the query.
    """
    ids = ids_after_answer(tokenizer, messages, [{"role": "user", "content": QUERY}])
    if marks := opens_thinking(tokenizer, ids):
        ids += tokenizer(f"{marks.closing}\n\n", add_special_tokens=False)["input_ids"]
    return ids


def probed_layers(n_layers: int) -> tuple[int, int, int]:
    """The entries of a model's hidden states that SAPLMA is said to read: middle, upper middle and last but one.

    They are L//2, int(0.75 L) and L−1 of L + 1 entries, of which the first are the embeddings: the last is what goes
    into the last layer. So the authors of CCPS have it in later work; what CCPS (arXiv 2505.21772) has is not known.
    """
    return n_layers // 2, int(0.75 * n_layers), n_layers - 1
