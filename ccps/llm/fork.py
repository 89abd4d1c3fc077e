"""Go on from many places of a text: the text is read once, and all that is drawn is decoded in one batch.

Ten continuations from each of twenty steps of a trace of 10,000 tokens are two hundred prompts, which share nearly all
they have: each is a beginning of the same text. Under causal attention the keys and values of a token depend on what
stands before it and on nothing else, so those of a beginning are the first rows of those of the whole. Read once, the
text serves as the cache of all two hundred (`ccps.llm.branches`): where a repeated prompt would cost its tokens again,
and its cache its memory again, a fork costs the tokens that it adds.

The samples are those of `ccps.llm.sample.sample` for the same numbers, which reads every prompt for itself.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.core.quiet import quiet_transformers
from ccps.llm.batch import LITTLE_PADDING, plan_batches
from ccps.llm.branches import Branches, Trunk, branching
from ccps.llm.decode import Complete, decode
from ccps.llm.forward import CHUNK, Prefix, read_at_left
from ccps.llm.load import LanguageModel
from ccps.llm.memory import is_out_of_memory
from ccps.llm.sample import DrawnRow, Sampled, drawing, grouped

_TRIED = 16
_SENTENCE = "A text is read once, and then it goes on from here, or from there."
# Of the length of a state; a row that sees another text than it should is further off by far.
_TOLERANCE = {torch.float32: 2**-10, torch.bfloat16: 2**-4, torch.float16: 2**-4}


class Fork(NamedTuple):
    """A place to go on from.

    Attributes:
        trunk: the text.
        place: how many of its tokens stand before what is drawn, at least 1.
    """

    trunk: Trunk
    place: int


def read_trunk(lm: LanguageModel, tokens: Sequence[int], chunk: int = CHUNK, prefix: Prefix | None = None) -> Trunk:
    """Read a text in one pass, see `read_trunks`."""
    return read_trunks(lm, [tokens], chunk, prefix)[0]


@torch.inference_mode()
def read_trunks(
    lm: LanguageModel, texts: Sequence[Sequence[int]], chunk: int = CHUNK, prefix: Prefix | None = None
) -> list[Trunk]:
    """Read texts, short ones of like length together.

    Args:
        lm: the model.
        texts: token ids of each, at least one.
        chunk: how many are read at a time, which bounds memory.
        prefix: tokens that all texts begin with and go on after, already computed.

    Raises:
        UserError: the model does not keep what it has read.
    """
    known = prefix.length if prefix else 0
    trunks: dict[int, Trunk] = {}
    for batch in plan_batches([len(tokens) - 1 - known for tokens in texts], chunk, LITTLE_PADDING):
        # The last token is left to whoever goes on: reading it gives the state that predicts the next one.
        cache = read_at_left(lm, [texts[index][:-1] for index in batch], prefix, chunk)
        _check_kept(lm, cache, max(len(texts[index]) - 1 for index in batch))
        trunks |= {index: Trunk(list(texts[index]), cache, row) for row, index in enumerate(batch)}
    return [trunks[index] for index in range(len(texts))]


def _check_kept(lm: LanguageModel, cache: Any, length: int) -> None:
    if length and any(layer.keys.shape[2] != length for layer in cache.layers):
        raise expected(
            f"model `{lm.files.name}`",
            f"one that keeps all of the {length} tokens it has read",
            "one that forgets the first of them",
            "Leave out longer texts.",
        )


def plant(lm: LanguageModel, prompts: Sequence[Sequence[int]], prefix: Prefix | None = None) -> list[Fork]:
    """Read prompts, but not those that another one begins with: they become places in it.

    Args:
        lm: the model.
        prompts: token ids; all begin with the prefix and go on after it.
        prefix: tokens that all prompts share, already computed.
    """
    texts: list[list[int]] = []
    of: dict[int, int] = {}
    # The longest first, so that a prompt comes after whatever it is a beginning of.
    for index in sorted(range(len(prompts)), key=lambda i: -len(prompts[i])):
        tokens = list(prompts[index])
        of[index] = next((at for at, text in enumerate(texts) if text[: len(tokens)] == tokens), len(texts))
        if of[index] == len(texts):
            texts.append(tokens)
    trunks = read_trunks(lm, texts, prefix=prefix)
    return [Fork(trunks[of[index]], len(prompts[index])) for index in range(len(prompts))]


@torch.inference_mode()
def fork(
    lm: LanguageModel,
    forks: Sequence[Fork],
    uniforms: npt.NDArray[np.float64],
    temperature: float,
    top_p: float,
    complete: Complete | None = None,
) -> list[list[Sampled]]:
    """Go on from each place several times with tokens drawn at random.

    Rows that have ended, or are complete, leave the batch.

    Args:
        lm: the model; one for which `can_fork` is true.
        forks: places.
        uniforms: `[forks, samples, limit]` in [0, 1), one for each token that may be drawn, see `draw`; after `limit`
            tokens a sample is cut off.
        temperature: see `draw`.
        top_p: see `draw`.
        complete: ends a sample before the limit.

    Returns:
        For each place its samples; one that is complete has not ended.

    Raises:
        UserError: a logit is NaN or infinite.
        ValueError: what may be drawn runs over the context window.
    """
    if not forks:
        return []
    count, limit = uniforms.shape[1:]
    _check_room(lm, forks, limit)
    order = _by_trunk(forks)
    rows = [DrawnRow(numbers=uniforms[index, sample]) for index in order for sample in range(count)]
    batch = _BranchedRows(lm, [forks[index] for index in order for _ in range(count)], limit)
    with branching(lm):
        decode(
            rows,
            batch.begin(),
            batch.read,
            drawing(lm, temperature, top_p),
            limit,
            lm.end_tokens,
            complete=complete,
            keep=batch.keep,
        )
    found = dict(zip(order, grouped(rows, count), strict=True))
    return [found[index] for index in range(len(forks))]


class _BranchedRows:
    """Rows that go on from forks, see `Branches`; all have added the same number of tokens."""

    def __init__(self, lm: LanguageModel, forks: Sequence[Fork], limit: int) -> None:
        self.lm = lm
        self.forks = list(forks)
        self.branches = Branches([one.trunk for one in forks], [one.place - 1 for one in forks], limit)
        self.step = 0

    def begin(self) -> Tensor:
        """Read the last token before each place, which no cache holds for sure."""
        return self.read([one.trunk.tokens[one.place - 1] for one in self.forks])

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Final states `[rows, d]` after one more token in every row."""
        places = [one.place - 1 + self.step for one in self.forks]
        output = self.lm.model.get_decoder()(
            input_ids=torch.tensor(tokens, device=self.lm.device)[:, None],
            position_ids=torch.tensor(places, device=self.lm.device)[:, None],
            past_key_values=self.branches,
            use_cache=True,
            branches=self.branches,
        )
        self.step += 1
        states: Tensor = output.last_hidden_state[:, -1]
        return states

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all rows but these, given in ascending order."""
        self.branches.keep(rows)
        self.forks = [self.forks[row] for row in rows]


def _by_trunk(forks: Sequence[Fork]) -> list[int]:
    """Forks of one trunk together, in the order of their places; trunks in the order of their first."""
    first: dict[int, int] = {}
    for index, one in enumerate(forks):
        first.setdefault(id(one.trunk), index)
    return sorted(range(len(forks)), key=lambda index: (first[id(forks[index].trunk)], forks[index].place))


def _check_room(lm: LanguageModel, forks: Sequence[Fork], limit: int) -> None:
    furthest = max(one.place for one in forks) + limit
    if furthest > lm.context_window:
        raise ValueError(
            f"Expected `forks` to leave room for {limit} tokens in a context of {lm.context_window}, but got one that "
            f"would reach token {furthest}. Leave it out, or draw fewer tokens."
        )


@torch.inference_mode()
def can_fork(lm: LanguageModel) -> bool:
    """Whether a model can go on from forks: its states after a few tokens are those of a plain pass.

    Not so where attention is none of those that `transformers` lets one exchange, or has more to it than keys and
    values (attention sinks, learned position biases), or where layers keep something else than keys and values.
    """
    tokens = list(lm.tokenizer(_SENTENCE)["input_ids"])[:_TRIED]
    half, limit = len(tokens) // 2, len(tokens)
    plain = lm.model.get_decoder()(input_ids=torch.tensor([tokens], device=lm.device), use_cache=False)
    wanted = plain.last_hidden_state[0, -1].float()
    try:
        row = _BranchedRows(lm, [Fork(read_trunk(lm, tokens), half)], limit)
        with quiet_transformers(), branching(lm):
            for place in range(half - 1, limit):
                states = row.read(tokens[place : place + 1])
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        return False
    off = (states[0].float() - wanted).norm() / wanted.norm()
    return bool(off < _TOLERANCE[lm.model.dtype])
