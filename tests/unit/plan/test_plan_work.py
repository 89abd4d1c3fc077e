"""Operations and bytes: counted by hand, and by torch's own counter on a tiny model."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ccps.llm import LanguageModel
from ccps.llm.shape import shape_of
from ccps.plan.shape import ModelShape
from ccps.plan.work import (
    Amount,
    Part,
    Work,
    decoder,
    features,
    flip_radii,
    own_logits,
    read_batch,
    write_batch,
)

# Two layers of width 8: queries and outputs 8·8 each, keys and values 8·4 each, three products with 16.
SHAPE = ModelShape(
    layers=2,
    width=8,
    heads=2,
    groups=1,
    head_width=4,
    feed_forward=16,
    vocabulary=100,
    dense=2 * (2 * 64 + 2 * 32 + 3 * 128),
    parameters=2000,
)


def counted(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        work()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral", "gemma2"])
def test_reading_a_batch_takes_what_torch_counts(architecture: str, tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model(architecture, attn_implementation="eager")
    shape = shape_of(lm.model.config, "float32")
    ids = torch.ones(3, 7, dtype=torch.long)
    decode = lm.model.get_decoder()
    work = decoder(shape, read_batch(3, 7))
    rotary = 3 * 7 * shape.head_width  # angles of positions are a product of their own: 2·(head width / 2) a place
    assert work.flop == pytest.approx(counted(lambda: decode(input_ids=ids, use_cache=False)), abs=rotary)


def test_going_on_after_a_cache_takes_what_torch_counts(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", attn_implementation="eager")
    shape = shape_of(lm.model.config, "float32")
    decode = lm.model.get_decoder()
    with torch.inference_mode():
        cache = decode(input_ids=torch.ones(2, 5, dtype=torch.long), use_cache=True).past_key_values
    one = counted(lambda: decode(input_ids=torch.ones(2, 1, dtype=torch.long), past_key_values=cache, use_cache=True))
    assert decoder(shape, write_batch(2, 5, 1), "write").flop == pytest.approx(one, abs=2 * shape.head_width)


def test_features_take_the_three_products_that_torch_counts(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    head, tokens = lm.head.to(torch.device("cpu"), torch.float32), torch.tensor([1, 2, 3])
    states = torch.randn(3, head.weight.shape[1], generator=torch.Generator().manual_seed(0))
    shape = shape_of(lm.model.config, "float32")

    def by_the_paper() -> None:  # L0 = W·h, the gradient Wᵀ(p − e), and S = W·d
        logits = states @ head.weight.T
        gradient = logits.softmax(dim=1).index_put((torch.arange(3), tokens), torch.tensor(-1.0)) @ head.weight
        assert (gradient @ head.weight.T).shape == logits.shape

    assert features(shape, 3, 5).flop == counted(by_the_paper)


def test_sizes_by_hand() -> None:
    assert (SHAPE.item, SHAPE.bytes, SHAPE.cache_bytes) == (2, 4000, 2 * 2 * 1 * 4 * 2)
    # A layer: 26 widths of 8, ten times three heads of 4, five times 16; two bytes each, two layers.
    assert SHAPE.elementwise_bytes == 2 * 2 * (26 * 8 + 10 * 3 * 4 + 5 * 16)


def test_a_pass_by_hand() -> None:
    """Three rows of five tokens after four that are cached."""
    amount = read_batch(3, 5, before=4)
    assert amount == Amount(tokens=15, pairs=15 * 9, keys=27, passes=1, most=15, held=27)
    products, attention, between = decoder(SHAPE, amount).parts
    assert (products.flop, products.moved) == (2 * 1152 * 15, 1152 * 2)
    assert (attention.flop, attention.moved) == (4 * 2 * 2 * 4 * 135, 32 * 27)
    assert (between.flop, between.moved) == (0, SHAPE.elementwise_bytes * 15)
    assert decoder(SHAPE, amount).layer_calls == 2


def test_writing_reads_all_weights_for_each_token_of_a_batch() -> None:
    """Three tokens after ten: the keys are 11, 12 and 13."""
    amount = write_batch(2, 10, 3)
    assert amount == Amount(tokens=6, pairs=72, keys=72, passes=3, most=2, held=26)
    assert decoder(SHAPE, amount, "write").parts[0] == Part("write", "bfloat16", 2 * 1152 * 6, 3 * 1152 * 2)


def test_batches_one_after_the_other() -> None:
    both = read_batch(2, 3).joined(read_batch(1, 10))
    assert both == Amount(16, 2 * 9 + 100, 6 + 10, 2, 10, 10)
    assert both.scaled(3) == Amount(48, 354, 48, 6, 10, 10)


def test_the_head_by_hand() -> None:
    [part] = own_logits(SHAPE, states=7, passes=2).parts
    assert (part.flop, part.moved) == (2 * 7 * 800, 2 * 1600 + 7 * 200)


def test_features_by_hand() -> None:
    """Four tokens, two radii, room for one block: three products of 4·100·8, the head read thrice."""
    head, entries = features(SHAPE, 4, 2).parts
    assert head == Part("head", "float32", 3 * 2 * 4 * 800, 4 * 3 * (800 + 400))
    assert entries == Part("vocabulary", "float32", 0, 4 * 100 * 4 * (12 + 2 * 10))
    assert features(SHAPE, 4, 2, swept=True).parts[1].kind == "sweep"


def test_small_blocks_read_the_head_more_often() -> None:
    """L0 and S of a token take 800 bytes: a scratch of 1,600 holds two tokens, and ten are five blocks."""
    assert features(SHAPE, 10, 1, scratch=1600).parts[0].moved == 4 * 3 * (5 * 800 + 1000)


def test_radii_at_which_it_flips_take_the_same_products() -> None:
    assert flip_radii(SHAPE, 4).parts[0] == features(SHAPE, 4, 2).parts[0]
    assert flip_radii(SHAPE, 4).parts[1].moved == 4 * 100 * 4 * 22


def test_work_adds_up() -> None:
    once = Work((Part("read", "bfloat16", 10, 3),), 4)
    assert (once + once.times(2)).flop == 30
    assert (once + once.times(2)).moved == 9
    assert (once + once.times(2)).layer_calls == 12
