from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from ccps.probes.pairs import Examples, in_blocks, pair_indices, random_partners, row_batches, row_indices


def numbered(rows: int) -> Examples:
    """Rows whose only input is their own index; odd rows are labelled 1."""
    return Examples(torch.arange(rows, dtype=torch.float32)[:, None], torch.arange(rows) % 2)


@given(st.integers(2, 50), st.integers(0, 2**32 - 1))
def test_a_partner_is_another_row_of_the_same_examples(rows: int, seed: int) -> None:
    anchors = np.arange(rows)
    partners = random_partners(anchors, rows, np.random.default_rng(seed))
    assert (partners != anchors).all()
    assert partners.min() >= 0
    assert partners.max() < rows


@pytest.mark.parametrize("anchor", [0, 2, 4])
def test_partners_are_uniform_over_the_other_rows(anchor: int) -> None:
    partners = random_partners(np.full(20_000, anchor), 5, np.random.default_rng(0))
    counts = np.bincount(partners, minlength=5)
    assert counts[anchor] == 0
    assert chisquare(np.delete(counts, anchor)).pvalue > 0.01


def test_one_row_has_no_partner() -> None:
    with pytest.raises(ValueError, match="Expected `rows` to be at least 2, but got 1"):
        random_partners(np.zeros(1, dtype=np.int64), 1, np.random.default_rng(0))


def test_every_row_is_an_anchor_once_in_an_epoch_and_meets_new_partners_in_the_next() -> None:
    # 10 rows in batches of 4: an epoch is 4 + 4 + 2.
    batches = list(islice(pair_indices(10, 4, seed=3), 6))
    assert [len(batch) // 2 for batch in batches] == [4, 4, 2, 4, 4, 2]
    epochs = [np.concatenate([b.reshape(2, -1) for b in batches[start : start + 3]], axis=1) for start in (0, 3)]
    partner_of = []
    for anchors, partners in epochs:
        assert sorted(anchors.tolist()) == list(range(10))
        partner_of.append(dict(zip(anchors.tolist(), partners.tolist(), strict=True)))
    assert partner_of[0] != partner_of[1]


def test_row_batches_cover_each_epoch_in_a_new_order_with_labels_in_step() -> None:
    batches = list(islice(row_batches(numbered(10), 4, seed=3), 6))
    epochs = [torch.cat([b.inputs[:, 0] for b in batches[start : start + 3]]).tolist() for start in (0, 3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]
    assert all((batch.inputs[:, 0] % 2 == batch.labels).all() for batch in batches)


@pytest.mark.parametrize("stream", [pair_indices, row_indices])
def test_the_seed_decides_the_batches(stream: Any) -> None:
    def draw(seed: int) -> Any:
        return np.concatenate(list(islice(stream(10, 4, seed), 5))).tolist()

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


@given(st.integers(0, 40), st.integers(1, 15))
def test_blocks_are_the_stream_cut_in_order(steps: int, size: int) -> None:
    blocks = [list(block) for block in in_blocks(iter(range(100)), steps, size)]
    assert [item for block in blocks for item in block] == list(range(steps))
    assert all(len(block) == size for block in blocks[:-1])
