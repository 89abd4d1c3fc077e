"""Go on from many places of a text: the text is read once, and all that is drawn is decoded in one batch.

The samples are those of `ccps.llm.sample.sample` for the same numbers, which reads every prompt for itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.llm.branches import Branches, Trunk, branching
from ccps.llm.load import LanguageModel
from ccps.llm.memory import is_out_of_memory
from ccps.llm.quiet import quiet_transformers
from ccps.llm.sample import Sampled, check_logits, draw, log_probs

_CHUNK = 1024
# A batch is made smaller when so large a share of its rows has nothing more to draw.
_DONE = 1 / 8
_ROWS_PER_DRAW = 32
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


Complete = Callable[[list[int]], bool]
"""Says of the tokens drawn so far whether they are all that is wanted; asked after each token."""


@torch.inference_mode()
def read_trunk(lm: LanguageModel, tokens: Sequence[int], chunk: int = _CHUNK) -> Trunk:
    """Read a text in one pass.

    Args:
        lm: the model.
        tokens: token ids, at least one.
        chunk: how many are read at a time, which bounds memory.

    Raises:
        UserError: the model does not keep what it has read.
    """
    from transformers import DynamicCache

    cache: Any = DynamicCache(config=lm.model.config)
    read = torch.tensor([list(tokens[:-1])], dtype=torch.long, device=lm.device)
    for part in read.split(chunk, dim=1) if read.shape[1] else ():
        lm.model.get_decoder()(input_ids=part, past_key_values=cache, use_cache=True)
    if read.shape[1] and any(layer.keys.shape[2] != read.shape[1] for layer in cache.layers):
        raise expected(
            f"model `{lm.files.name}`",
            f"one that keeps all of the {read.shape[1]} tokens it has read",
            "one that forgets the first of them",
            "Leave out longer texts.",
        )
    return Trunk(list(tokens), cache)


def plant(lm: LanguageModel, prompts: Sequence[Sequence[int]]) -> list[Fork]:
    """Read prompts, but not those that another one begins with: they become places in it."""
    trunks: list[Trunk] = []
    forks: dict[int, Fork] = {}
    for index in sorted(range(len(prompts)), key=lambda i: -len(prompts[i])):
        tokens = list(prompts[index])
        trunk = next((one for one in trunks if one.tokens[: len(tokens)] == tokens), None)
        if trunk is None:
            trunk = read_trunk(lm, tokens)
            trunks.append(trunk)
        forks[index] = Fork(trunk, len(tokens))
    return [forks[index] for index in range(len(prompts))]


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
    rows = [_Row(forks[index], uniforms[index, sample]) for index in order for sample in range(count)]
    batch, branches = rows, _branches(rows, limit)
    with branching(lm):
        for step in range(limit):
            states = _read_on(lm, branches, [row.last for row in batch], [row.seen + step for row in batch])
            numbers = np.array([row.numbers[step] for row in batch])
            for row, token, log_prob in zip(batch, *_drawn(lm, states, numbers, temperature, top_p), strict=True):
                row.take(token, log_prob, lm.end_tokens, complete)
            going = [place for place, row in enumerate(batch) if not row.done]
            if not going:
                break
            if len(batch) - len(going) >= _DONE * len(batch):
                branches.keep(going)
                batch = [batch[place] for place in going]
    samples = [Sampled(row.tokens, row.log_prob, row.ended) for row in rows]
    found = {index: samples[at * count : (at + 1) * count] for at, index in enumerate(order)}
    return [found[index] for index in range(len(forks))]


@dataclass
class _Row:
    """One sample in the making."""

    fork: Fork
    numbers: npt.NDArray[np.float64]
    tokens: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    ended: bool = False
    done: bool = False

    @property
    def seen(self) -> int:
        """Tokens of the trunk in its cache that stand before: all but the one that is read first."""
        return self.fork.place - 1

    @property
    def last(self) -> int:
        """The token to be read next."""
        return self.tokens[-1] if self.tokens else self.fork.trunk.tokens[self.seen]

    def take(self, token: int, log_prob: float, end_tokens: Sequence[int], complete: Complete | None) -> None:
        """Add what was drawn, unless nothing more is wanted."""
        if self.done:
            return
        self.log_prob += log_prob
        if token in end_tokens:
            self.ended = self.done = True
        else:
            self.tokens.append(token)
            self.done = complete is not None and complete(self.tokens)


def _branches(rows: Sequence[_Row], limit: int) -> Branches:
    return Branches([row.fork.trunk for row in rows], [row.seen for row in rows], limit)


def _by_trunk(forks: Sequence[Fork]) -> list[int]:
    """Forks of one trunk together, in the order of their places; trunks in the order of their first."""
    first: dict[int, int] = {}
    for index, one in enumerate(forks):
        first.setdefault(id(one.trunk), index)
    return sorted(range(len(forks)), key=lambda index: (first[id(forks[index].trunk)], forks[index].place))


def _read_on(lm: LanguageModel, branches: Branches, tokens: Sequence[int], places: Sequence[int]) -> Tensor:
    """Final states `[rows, d]` after one more token in every row."""
    output = lm.model.get_decoder()(
        input_ids=torch.tensor(tokens, device=lm.device)[:, None],
        position_ids=torch.tensor(places, device=lm.device)[:, None],
        past_key_values=branches,
        use_cache=True,
        branches=branches,
    )
    states: Tensor = output.last_hidden_state[:, -1]
    return states


def _drawn(
    lm: LanguageModel, states: Tensor, numbers: npt.NDArray[np.float64], temperature: float, top_p: float
) -> tuple[list[int], list[float]]:
    """A token for each state `[rows, d]` and its log-probability; some rows at a time, to stay in cache."""
    uniforms = torch.from_numpy(numbers).to(states.device)[:, None]
    tokens, logarithms = [], []
    parts = lm.own_logits(states).split(_ROWS_PER_DRAW)
    for part, own in zip(parts, uniforms.split(_ROWS_PER_DRAW), strict=True):
        logits = part.float()
        # A sum says more quickly that nothing is broken.
        if not logits.sum().isfinite():
            check_logits(lm, logits)
        drawn = draw(logits, own.to(logits.device), temperature, top_p)
        tokens.append(drawn[:, 0])
        logarithms.append(log_probs(logits, drawn)[:, 0])
    return torch.cat(tokens).tolist(), torch.cat(logarithms).double().tolist()


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
        row = _Row(Fork(read_trunk(lm, tokens), half), np.empty(0))
        branches = _branches([row], limit)
        with quiet_transformers(), branching(lm):
            for place in range(half - 1, limit):
                states = _read_on(lm, branches, tokens[place : place + 1], [place])
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        return False
    off = (states[0].float() - wanted).norm() / wanted.norm()
    return bool(off < _TOLERANCE[lm.model.dtype])
