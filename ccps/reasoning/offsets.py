"""Character offsets of generated tokens, taken from their ids: no text is ever tokenised again."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from ccps.data.thinking import SINGLE
from ccps.faithful import misalignment
from ccps.metrics.inputs import IntArray
from ccps.reasoning.trace import Trace

# What a tokenizer writes for bytes that are no character, or not yet.
_UNDECIDED = "\ufffd"
# So many tokens in a row never make up one character.
_MOST_PENDING = 16


def token_offsets(tokenizer: Any, ids: Sequence[int]) -> tuple[str, IntArray]:
    """Turn token ids into text, and say which characters each of them stands for.

    Detokenises a few ids at a time, so that the time is linear in their number. Tokens that are parts of one character
    share its span. Special tokens stand for no characters, except think tags that a tokenizer calls special.

    Args:
        tokenizer: a transformers tokenizer.
        ids: generated token ids.

    Returns:
        The text; and the first character and the one after the last of every token, `[tokens, 2]`, both ascending and
        without gaps.
    """
    silent = silent_tokens(tokenizer)
    heard = np.array([token not in silent for token in ids], dtype=bool)
    text, starts, ends = _spans(tokenizer, [token for token in ids if token not in silent])
    heard_so_far = np.cumsum(heard)
    first = np.array([*starts, len(text)], dtype=np.int64)[heard_so_far - heard]
    last = np.array([0, *ends], dtype=np.int64)[heard_so_far]
    return text, np.stack([first, last], axis=1)


def with_offsets(tokenizer: Any, trace: Trace) -> Trace:
    """Give a trace that has token ids but no offsets the offsets of its ids.

    Args:
        tokenizer: that of the model that wrote it.
        trace: any trace.

    Returns:
        The trace with offsets, if its ids stand for its text, white space at either end aside; else without, and
        `misaligned` says from where on they differ. A trace that has offsets, or no ids, is returned as it is.
    """
    if trace.token_ids is None or trace.offsets is not None:
        return trace
    text, offsets = token_offsets(tokenizer, trace.token_ids)
    if text.strip() != trace.text.strip():
        same = _agreement(text.strip(), trace.text.strip())
        at = same + _indent(trace.text)
        return replace(trace, misaligned=trace.misaligned or f"the ids stand for another text from character {at} on")
    shifted = np.clip(offsets + (_indent(trace.text) - _indent(text)), 0, len(trace.text))
    misaligned = trace.misaligned or misalignment(trace.text, shifted, len(trace.token_ids))
    return replace(trace, offsets=shifted, misaligned=misaligned)


def silent_tokens(tokenizer: Any) -> set[int]:
    """Special tokens, which are no text, but for the tags of thinking, where a tokenizer calls these special."""
    added = tokenizer.added_tokens_decoder
    special = {token for token, how in added.items() if how.special} | set(tokenizer.all_special_ids)
    return {token for token in special if token not in added or added[token].content.strip() not in SINGLE}


def _spans(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[int], list[int]]:
    """The text of ids of which none is silent, and where each begins and ends.

    A window slides over the ids: a few whose text is settled, since what a token stands for may depend on what is
    before it (a space at the very start is dropped by some tokenizers), then those that may still be parts of one
    character.
    """

    def decode(start: int, end: int) -> str:
        decoded: str = tokenizer.decode(list(ids[start:end]), clean_up_tokenization_spaces=False)
        return decoded

    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    length = before = settled = 0
    known = ""  # the text of the ids from `before` to `settled`
    pending: list[str] = []  # the text behind it, up to each of the ids from `settled` on
    for end in range(1, len(ids) + 1):
        pending.append(decode(before, end)[len(known) :])
        if n := _settled(pending, is_last=end == len(ids)):
            own_starts, own_ends = _shares(pending[:n])
            starts += [length + place for place in own_starts]
            ends += [length + place for place in own_ends]
            parts.append(pending[n - 1])
            length += len(parts[-1])
            before, settled = settled, settled + n
            known = decode(before, settled)
            pending = [decode(before, later)[len(known) :] for later in range(settled + 1, end + 1)]
    return "".join(parts), starts, ends


def _settled(texts: Sequence[str], *, is_last: bool) -> int:
    """How many of the pending tokens stand for what they do whatever comes after them."""
    whole = texts[-1]
    if is_last or not whole.endswith(_UNDECIDED):
        return len(texts)
    if len(texts) < _MOST_PENDING:
        return 0
    # No character: of a run of stray bytes, only the last may still become one.
    stays = (n for n in range(len(texts) - 1, 0, -1) if len(texts[n - 1]) < len(whole))
    return next((n for n in stays if whole.startswith(texts[n - 1])), 0)


def _shares(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Where each of some tokens begins and ends in the text of all, given the text up to each.

    As far as the text up to a token agrees with the text of all, its characters are whole; of the next one the token is
    a part if there is more text than that. One that adds nothing is a part of the character before it.
    """
    whole = texts[-1]
    agreed = [_agreement(text, whole) for text in texts]
    ends = [min(n + (len(text) > n), len(whole)) for n, text in zip(agreed, texts, strict=True)]
    starts = [0]
    for before, text, n in zip(texts, texts[1:], agreed, strict=False):
        starts.append(n - (text == before and n == len(text)))
    return np.maximum.accumulate(starts).tolist(), np.maximum.accumulate(ends).tolist()


def _agreement(one: str, other: str) -> int:
    """How many characters two texts have in common from the start on."""
    if other.startswith(one):
        return len(one)
    return next(place for place, both in enumerate(zip_longest(one, other)) if both[0] != both[1])


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
