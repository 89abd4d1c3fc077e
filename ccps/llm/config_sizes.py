"""Sizes that a configuration names, before a library believes them and counts up to ten to the thirty layers."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ccps.core.errors import expected

# Ten times the largest that are known: 126 layers, 262,208 tokens of a vocabulary.
_MOST_LAYERS, _MOST = 2_000, 10_000_000
_LAYERS = re.compile(r"(?:num|n)_(?:\w+_)?(?:layers?|blocks?)")
_SIZES = re.compile(r"\w*_(?:size|dim|heads|experts)|(?:num|n)_\w+|d_(?:model|ff|kv)")


def check_sizes(file: Path) -> None:
    """Refuse sizes of a model that no model has.

    Args:
        file: `config.json`; one that is not there, or no JSON object, is told as such elsewhere.

    Raises:
        UserError: naming the first.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    for path, value in _numbers(found, ()):
        most = _MOST_LAYERS if _LAYERS.fullmatch(path[-1]) else _MOST if _SIZES.fullmatch(path[-1]) else None
        if most is not None and abs(value) > most:
            wanted = f"at most {most:,}"
            raise expected(f"`{'.'.join(path)}` in {file}", wanted, f"{value:.3g}", "Save the model again.")


def window_of(shape: Any) -> int:
    """How many tokens a model can attend to, and no more than a window that slides over some of its layers.

    Such a window counts places, and padding inside a batch takes some of them: a longer text would lose tokens.

    Args:
        shape: the configuration of its text part, of transformers.
    """
    limits = [getattr(shape, name, None) for name in ("max_position_embeddings", "sliding_window")]
    return min((limit for limit in limits if limit is not None), default=1 << 30)


def _numbers(found: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every number with the names that lead to it; settings nested in one another are few."""
    if isinstance(found, Mapping) and len(path) < 8:
        for name, value in found.items():
            yield from _numbers(value, (*path, str(name)))
    elif isinstance(found, int | float) and not isinstance(found, bool) and path:
        yield path, found
