"""Answers drawn at random: several after each prompt, which is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.llm.batch import plan_batches
from ccps.llm.decode import CachedRows, Choose, DecodedRow, decode, padded
from ccps.llm.forward import Prefix, read_at_left
from ccps.llm.load import LanguageModel

_LIKELIEST = 128
_ROWS_PER_DRAW = 32


class Sampled(NamedTuple):
    """An answer drawn at random.

    Attributes:
        tokens: token ids, without the token that ends the turn.
        log_prob: natural logarithm of its probability under the model as it is, neither tempered nor cut to a nucleus:
            the sum over its tokens and over the token that ends the turn, if it was drawn.
        ended: whether the model ended its turn; if not, it was cut off at the limit.
    """

    tokens: list[int]
    log_prob: float
    ended: bool


def draw(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> Tensor:
    """Draw tokens by inverting the cumulative distribution over the vocabulary.

    What is drawn is a function of the logits and the uniform numbers alone. The tokens stand in the order of their ids,
    not of their probabilities, so that rounding, which may swap two tokens of like probability, seldom changes a draw.

    Args:
        logits: `[rows, vocab]` float32.
        uniforms: `[rows, draws]` float64 in [0, 1).
        temperature: logits are divided by it, above 0.
        top_p: tokens are drawn from the nucleus, in (0, 1]: the fewest that have so much of the probability together,
            and all others as probable as the least of them (Holtzman et al. 2019, arXiv 1904.09751).

    Returns:
        Token ids `[rows, draws]`.
    """
    probabilities = (logits / temperature).softmax(dim=-1)
    return _draw_from_nucleus(probabilities, uniforms, top_p) if top_p < 1 else _inverted(probabilities, uniforms)


def _inverted(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The first token at which the sum exceeds the number: never one of probability 0."""
    total = probabilities.cumsum(dim=-1, dtype=torch.float64)
    return torch.searchsorted(total, uniforms * total[:, -1:], right=True)


def _draw_from_nucleus(probabilities: Tensor, uniforms: Tensor, top_p: float, width: int = _LIKELIEST) -> Tensor:
    """Draw from each row's nucleus, looked for among the likeliest tokens first; only its own tokens are summed up."""
    vocabulary = probabilities.shape[1]
    falling, ids = probabilities.topk(min(width, vocabulary), dim=-1)
    total = falling.cumsum(dim=-1)
    place = (total < top_p).sum(dim=-1, keepdim=True)
    outside = falling < falling.gather(-1, place.clamp(max=falling.shape[1] - 1))
    by_id = ids.masked_fill(outside, vocabulary).argsort(dim=-1)
    kept = falling.masked_fill(outside, 0.0).gather(-1, by_id)
    tokens = ids.gather(-1, by_id).gather(-1, _inverted(kept, uniforms))
    # Either there is more of the nucleus, or tokens as probable as the least of it.
    wider = (total[:, -1] < top_p) | ~outside[:, -1]
    if width < vocabulary and wider.any():
        tokens[wider] = _draw_from_nucleus(probabilities[wider], uniforms[wider], top_p, 8 * width)
    return tokens


def log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Natural logarithms of the probabilities of `tokens` `[rows, draws]` under `logits` `[rows, vocab]`."""
    return logits.gather(-1, tokens) - logits.logsumexp(dim=-1, keepdim=True)


def check_logits(lm: LanguageModel, logits: Tensor) -> None:
    """Refuse logits `[rows, vocab]` of which any is NaN or infinite.

    Raises:
        UserError: naming how many rows there are.
    """
    broken = int((~torch.isfinite(logits)).any(dim=-1).sum())
    if broken:
        raise expected(
            f"the logits of model `{lm.files.name}`",
            "finite numbers",
            f"NaN or infinity in {broken} of {len(logits)} rows",
            f"It overflows in {lm.files.config.dtype}: try model.{lm.files.name}.dtype=float32.",
        )


@torch.inference_mode()
def sample(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    uniforms: npt.NDArray[np.float64],
    temperature: float,
    top_p: float,
    prefix: Prefix | None = None,
    *,
    max_batch_tokens: int | None = None,
) -> list[list[Sampled]]:
    """Continue each prompt several times with tokens drawn at random.

    Of every prompt all tokens but the last are read once, then the cache is repeated and each sample goes on from the
    last. Nothing of the checkpoint's sampling settings applies.

    Without a bound, all samples are one batch, and rows that have ended stay in it: the last bits of the others' logits
    do not depend on when that was. With a bound, rows that have ended make room for others (`ccps.llm.turns`).

    Args:
        lm: the model.
        prompts: token ids; all begin with the prefix and go on after it.
        uniforms: `[prompts, samples, limit]` in [0, 1), one for each token that may be drawn, see `draw`; after `limit`
            tokens a sample is cut off.
        temperature: see `draw`.
        top_p: see `draw`.
        prefix: tokens that all prompts share, already computed.
        max_batch_tokens: bound on rows times width, what all prompts share left out; a single sample that is longer is
            drawn by itself. A model of which a layer does not keep keys and values of all tokens is given fixed
            batches, in which every sample has room to reach its limit. None sets no bound.

    Returns:
        For each prompt its samples.

    Raises:
        UserError: a logit is NaN or infinite.
    """
    from ccps.llm.room import has_room  # what imports transformers is imported when a model is there
    from ccps.llm.turns import Turn, write_in_turns

    count, limit = uniforms.shape[1:]
    rows = [DrawnRow(numbers=numbers) for numbers in uniforms.reshape(-1, limit)]
    choose = drawing(lm, temperature, top_p)
    if max_batch_tokens is None:
        draw_together(lm, prompts, rows, choose, prefix, drop_ended=False)
    elif has_room(lm):
        asked = [prompt for prompt in prompts for _ in range(count)]
        turns = [Turn(row, prompt, limit) for row, prompt in zip(rows, asked, strict=True)]
        write_in_turns(lm, turns, choose, max_batch_tokens, prefix)
    else:
        widths = [count * (len(prompt) - (prefix.length if prefix else 0) + limit) for prompt in prompts]
        for batch in plan_batches(widths, max_batch_tokens):
            own = [row for index in batch for row in rows[index * count : (index + 1) * count]]
            draw_together(lm, [prompts[index] for index in batch], own, choose, prefix, drop_ended=True)
    return grouped(rows, count)


def draw_together(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    rows: Sequence["DrawnRow"],
    choose: Choose["DrawnRow"],
    prefix: Prefix | None,
    *,
    drop_ended: bool,
) -> None:
    """Draw all rows, as many after each prompt, of which each has room to reach its limit."""
    count = len(rows) // len(prompts)
    # The last token stands at the right end and all others at the left, where the cache of right-padded rows has them.
    ids, mask = padded(prompts, [len(prompt) - 1 for prompt in prompts])
    cache = read_at_left(lm, [prompt[:-1] for prompt in prompts], prefix)
    cache.batch_repeat_interleave(count)
    batch = CachedRows(lm, ids.repeat_interleave(count, dim=0), mask.repeat_interleave(count, dim=0), cache)
    keep = batch.keep if drop_ended else None
    decode(rows, batch.begin(), batch.read, choose, len(rows[0].numbers), lm.end_tokens, keep=keep)


@dataclass(kw_only=True)
class DrawnRow(DecodedRow):
    """A sample in the making.

    Attributes:
        numbers: `[limit]` in [0, 1), one for each token that may be drawn.
        log_prob: see `Sampled`.
    """

    numbers: npt.NDArray[np.float64]
    log_prob: float = 0.0


def drawing(lm: LanguageModel, temperature: float, top_p: float) -> Choose[DrawnRow]:
    """Draw the next tokens of some rows by their own numbers; some rows at a time, to stay in cache."""

    def choose(states: Tensor, rows: Sequence[DrawnRow]) -> list[int]:
        all_logits = lm.own_logits(states)
        numbers = [0.0 if row.done else row.numbers[len(row.tokens)] for row in rows]
        uniforms = torch.tensor(numbers, dtype=torch.float64)[:, None]
        tokens, logarithms = [], []
        for part, own in zip(all_logits.split(_ROWS_PER_DRAW), uniforms.split(_ROWS_PER_DRAW), strict=True):
            logits = part.float()
            # A sum says more quickly that nothing is broken.
            if not logits.sum().isfinite():
                check_logits(lm, all_logits)
            drawn = draw(logits, own.to(logits.device), temperature, top_p)
            tokens.append(drawn[:, 0])
            logarithms.append(log_probs(logits, drawn)[:, 0])
        for row, log_prob in zip(rows, torch.cat(logarithms).double().tolist(), strict=True):
            row.log_prob += 0.0 if row.done else log_prob
        found: list[int] = torch.cat(tokens).tolist()
        return found

    return choose


def grouped(rows: Sequence[DrawnRow], count: int) -> list[list[Sampled]]:
    """The samples of rows, so many of each prompt."""
    samples = [Sampled(row.tokens, row.log_prob, row.ended) for row in rows]
    return [samples[start : start + count] for start in range(0, len(samples), count)]
