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

Collected = Literal["layer_states", "self_evaluation"]

LAYERS = ("middle", "upper_middle", "final")
"""What the layers of `probed_layers` are called, in their order."""

# The self-evaluation query of the code released with CCPS (arXiv 2505.21772).
QUERY = "Is the proposed answer correct?\nChoices:\na) no\nb) yes\nAnswer: "


class AfterAnswer(NamedTuple):
    """What was read after one answer; None where it was not asked for, or there is no answer.

    Attributes:
        layer_states: `[3, d]` states of the answer's last token, what the chat template puts after it included, at the
            layers of `probed_layers`; in the model's dtype, on the CPU.
        self_evaluation: `[2]` float32 logits of "no" and "yes" after `QUERY`, in a turn of its own, see `query_ids`.
    """

    layer_states: Tensor | None = None
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

    Raises:
        UserError: the decoder's layers are not found, or an option letter is not one token of the model.
    """

    def __init__(self, lm: LanguageModel, messages: Sequence[dict[str, str]], collect: Collection[Collected]) -> None:
        self.lm = lm
        self.letters = letter_tokens(lm, 2) if "self_evaluation" in collect else []
        self.layers = probed_layers(number_of_layers(lm)) if "layer_states" in collect else ()
        closing = ids_after_answer(lm.tokenizer, messages)
        self.tokens = query_ids(lm.tokenizer, messages) if self.letters else closing
        # Where the answer's turn ends, counted from the answer's last token.
        self.end = len(closing) if self.tokens[: len(closing)] == closing else common_prefix([closing, self.tokens])
        self.seconds = 0.0
        self.tokens_read = 0

    def read(self, last_tokens: Sequence[int], context: Context) -> list[AfterAnswer]:
        """Read on after a batch of answers.

        Args:
            last_tokens: the last token id of each answer.
            context: what the model has read before that token, row by row.
        """
        started = time.perf_counter()
        tokens = torch.tensor([[last, *self.tokens] for last in last_tokens])
        followed = follow(self.lm, context, tokens, self.layers)
        rows = len(tokens)
        layers = followed.layers[:, self.end].cpu() if self.layers else [None] * rows
        logits = self._yes_or_no(followed.final[:, -1]) if self.letters else [None] * rows
        self.seconds += time.perf_counter() - started
        self.tokens_read += tokens.numel()
        return [AfterAnswer(*found) for found in zip(layers, logits, strict=True)]

    def _yes_or_no(self, states: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.lm.own_logits(states.contiguous())[:, self.letters].float().cpu()


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
