"""Which tokens make up which step, by the characters each token stands for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ccps.faithful.segment import Step
from ccps.metrics.inputs import IntArray


def step_token_indices(steps: Sequence[Step], offsets: npt.ArrayLike) -> list[IntArray]:
    """The tokens of each step: all whose characters overlap its span.

    A token that reaches from one step into the next counts for both (arXiv 2606.03969, released code).

    Args:
        steps: spans on the generated text.
        offsets: first character and the one after the last of every generated token, `[tokens, 2]`, in order.

    Returns:
        For each step the indices of its tokens, counted from the first generated token; empty if it has none.

    Raises:
        ValueError: offsets of another shape, or not in order.
    """
    starts, ends = _read(offsets).T
    first = np.searchsorted(ends, [step.start for step in steps], side="right")
    after = np.searchsorted(starts, [step.end for step in steps], side="left")
    return [np.arange(a, b) for a, b in zip(first, after, strict=True)]


def misalignment(text: str, offsets: npt.ArrayLike, n_tokens: int) -> str:
    """Say why token offsets do not fit a text, so that nothing is computed from states that belong to other words.

    Args:
        text: what the model generated.
        offsets: as in `step_token_indices`.
        n_tokens: how many tokens there are ids, states or probabilities for.

    Returns:
        A sentence for the record of the trace; empty if they fit.

    Raises:
        ValueError: offsets of another shape, or not in order.
    """
    spans = _read(offsets)
    if len(spans) != n_tokens:
        return f"{len(spans)} token offsets for {n_tokens} tokens"
    if len(spans) and spans[-1, 1] > len(text):
        return f"token offsets reach to character {spans[-1, 1]} of {len(text)}"
    covered = np.zeros(len(text) + 1, dtype=np.int64)
    np.add.at(covered, spans[:, 0], 1)
    np.add.at(covered, spans[:, 1], -1)
    bare = [place for place in np.flatnonzero(np.cumsum(covered)[: len(text)] <= 0) if not text[place].isspace()]
    return f"no token stands for character {bare[0]} ({len(bare)} such)" if bare else ""


def _read(offsets: npt.ArrayLike) -> IntArray:
    spans = np.asarray(offsets, dtype=np.int64).reshape(-1, 2) if np.size(offsets) == 0 else np.asarray(offsets)
    if spans.ndim != 2 or spans.shape[1] != 2 or not np.issubdtype(spans.dtype, np.integer):
        raise ValueError(
            f"Expected `offsets` to be whole numbers of shape [tokens, 2], but got "
            f"{spans.dtype} of shape {spans.shape}. Pass the start and end character of every generated token."
        )
    ordered = bool((np.diff(spans, axis=0) >= 0).all() and (spans[:, 0] <= spans[:, 1]).all())
    if not ordered or (len(spans) and spans[0, 0] < 0):
        raise ValueError(
            "Expected `offsets` to run through the text in order, but got a token that begins or ends before the one "
            "before it. Pass the offsets of the generated ids, in the order of generation."
        )
    return spans.astype(np.int64)
