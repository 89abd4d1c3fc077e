"""From the logits of a prompt to the one token that answers it."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Literal

import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.llm.load import LanguageModel

Choice = Literal["greedy", "letters"]


def choose_tokens(lm: LanguageModel, logits: Tensor, n_options: Sequence[int], choice: Choice) -> list[int]:
    """Choose the answer token of multiple-choice prompts.

    Args:
        lm: the model.
        logits: `[prompts, vocab]`, those that follow each prompt.
        n_options: how many options each question has.
        choice: `greedy` takes the most probable token (CCPS, arXiv 2505.21772), `letters` the most probable of the
            question's option letters.

    Returns:
        One token id per prompt.

    Raises:
        UserError: a logit is NaN or infinite, or with `letters`, a letter is not one token of the tokenizer.
    """
    if not torch.isfinite(logits).all():
        raise expected(
            f"the logits of model `{lm.files.name}`",
            "finite numbers",
            f"NaN or infinity after {int((~torch.isfinite(logits)).any(dim=1).sum())} of {len(logits)} prompts",
            f"It overflows in {lm.files.config.dtype}: try model.{lm.files.name}.dtype=float32.",
        )
    if choice == "greedy":
        return [int(token) for token in logits.argmax(dim=-1)]
    letters = letter_tokens(lm, max(n_options))
    return [letters[int(row[letters[:n]].argmax())] for row, n in zip(logits, n_options, strict=True)]


def letter_tokens(lm: LanguageModel, n_options: int) -> list[int]:
    """Token ids of the option letters a, b, …, as they stand at the start of an answer.

    Raises:
        UserError: a letter is not one token of this tokenizer.
    """
    ids = [lm.tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in ascii_lowercase[:n_options]]
    for letter, tokens in zip(ascii_lowercase, ids, strict=False):
        if len(tokens) != 1:
            raise expected(
                f"option letter `{letter}`",
                f"one token of model `{lm.files.name}`",
                f"{len(tokens)} tokens",
                "With this model, use answering.method=greedy and leave out the methods that have it judge its answers "
                "(p_true, lts, it, ct).",
            )
    return [tokens[0] for tokens in ids]
