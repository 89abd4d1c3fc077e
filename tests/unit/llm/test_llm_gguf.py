"""GGUF files that are damaged, lie about themselves or are of another kind are refused in one line, and soon."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from gguf import GGUFWriter
from tokenizers import pre_tokenizers

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.llm.gguf_header import check_gguf

WIDTH, HEADS, INNER, LAYERS = 32, 4, 48, 2
SPECIAL = ["<|endoftext|>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
END, TURN = 2, 4
TOKENS = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
Values = dict[str, tuple[str, Any]]
Tensors = dict[str, npt.NDArray[np.float32]]

SOUND: Values = {
    "llama.block_count": ("uint32", LAYERS),
    "llama.context_length": ("uint32", 64),
    "llama.embedding_length": ("uint32", WIDTH),
    "llama.feed_forward_length": ("uint32", INNER),
    "llama.attention.head_count": ("uint32", HEADS),
    "llama.attention.head_count_kv": ("uint32", HEADS),
    "llama.attention.layer_norm_rms_epsilon": ("float32", 1e-5),
    "llama.rope.freq_base": ("float32", 10000.0),
    "llama.rope.dimension_count": ("uint32", WIDTH // HEADS),
    "llama.vocab_size": ("uint32", len(TOKENS)),
    "tokenizer.ggml.model": ("string", "gpt2"),
    "tokenizer.ggml.tokens": ("array", TOKENS),
    "tokenizer.ggml.token_type": ("array", [3] * len(SPECIAL) + [1] * 257),
    "tokenizer.ggml.merges": ("array", ["a b"]),
    "tokenizer.ggml.bos_token_id": ("uint32", 1),
    "tokenizer.ggml.eos_token_id": ("uint32", END),
}


def sound_tensors() -> Tensors:
    draw = np.random.default_rng(0)
    tensors = {"token_embd.weight": (len(TOKENS), WIDTH), "output.weight": (len(TOKENS), WIDTH)}
    for layer in range(LAYERS):
        own = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        own |= {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        tensors |= {f"blk.{layer}.{name}.weight": shape for name, shape in own.items()}
    norms = {f"blk.{layer}.{name}.weight" for layer in range(LAYERS) for name in ("attn_norm", "ffn_norm")}
    found = {name: draw.normal(size=shape, scale=0.3).astype(np.float32) for name, shape in tensors.items()}
    return found | {name: np.ones(WIDTH, np.float32) for name in (*sorted(norms), "output_norm.weight")}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model of two layers; values and tensors may be changed, and are left out where they are None."""

    def write(values: dict[str, Any] | None = None, tensors: Any = None, architecture: str = "llama") -> Path:
        writer = GGUFWriter(str(tmp_path / "m.gguf"), architecture)
        for name, value in {**SOUND, **(values or {})}.items():
            if value is not None:
                getattr(writer, f"add_{value[0]}")(name, value[1])
        for name, tensor in {**sound_tensors(), **(tensors or {})}.items():
            if tensor is not None:
                writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / "m.gguf"

    return write


def load(file: Path) -> LanguageModel:
    return load_model(find_model("m", ModelConfig("gguf", str(file), dtype="float32")))


def said_of(act: Callable[[], object]) -> str:
    """What is said against something; nothing if it is taken."""
    try:
        act()
    except UserError as error:
        return str(error)
    return ""


def refused(file: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(file)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"Expected {file} to be a GGUF model that transformers can read, but got ")
    assert said.endswith("use a checkpoint folder of the same model (source=folder).")
    return said.split("but got ")[1].split(". Download")[0]


def test_a_sound_file_is_the_model_that_it_holds(write: Callable[..., Path]) -> None:
    lm = load(write())
    tensors = sound_tensors()
    np.testing.assert_array_equal(lm.model.get_input_embeddings().weight, tensors["token_embd.weight"])
    np.testing.assert_array_equal(lm.model.model.layers[1].mlp.down_proj.weight, tensors["blk.1.ffn_down.weight"])
    assert (lm.context_window, lm.end_tokens) == (64, (END,))


def test_a_file_without_an_end_token_is_taken_where_something_ends_a_turn(write: Callable[..., Path]) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    lm = load(write({"tokenizer.ggml.eos_token_id": None, "tokenizer.chat_template": ("string", template)}))
    assert TURN in lm.end_tokens


# --- bytes ---


def text(value: str | bytes) -> bytes:
    written = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(written)) + written


def value(name: str | bytes, kind: int, content: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + content


def tensor(name: str, dimensions: list[int], kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def header(*values: bytes, tensors: tuple[bytes, ...] = (), counts: tuple[int, int] | None = None) -> bytes:
    n = (len(tensors), len(values)) if counts is None else counts
    return b"GGUF" + struct.pack("<IQQ", 3, *n) + b"".join(values) + b"".join(tensors) + bytes(256)


LLAMA = value("general.architecture", 8, text("llama"))
EMBEDDING = tensor("token_embd.weight", [4, 4])


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"GGU", "a file of 3 bytes that ends before its first word"),
        (b"GGML" + bytes(60), "a file of another kind"),
        (b"GGUF", "a file of 4 bytes that ends before its version"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "a big-endian file"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "a file of version 1"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "a file of version 99"),
        (b"GGUF" + struct.pack("<IQ", 3, 0), "a file of 16 bytes that ends before its counts"),
        (header(LLAMA, counts=(0, 2**60)), "the name of a value of 0 characters"),
        (header(LLAMA, counts=(2**60, 1)), "the name of a tensor of 0 characters"),
        (header(struct.pack("<Q", 2**63)), "ends before the name of a value"),
        (header(value("long", 8, struct.pack("<Q", 2**63))), "ends before `long`"),
        (header(value("list", 9, struct.pack("<IQ", 0, 2**60))), "ends before the end of `list`"),
        (header(value("list", 9, struct.pack("<IQ", 8, 2**60))), "ends before the end of `list`"),
        (header(value("list", 9, struct.pack("<IQ", 9, 2**60))), "lists in `list`"),
        (header(value("list", 9, struct.pack("<IQ", 77, 1))), "`list` of the unknown type 77"),
        (header(value("odd", 77, bytes(8))), "`odd` of the unknown type 77"),
        (header(value(b"\xff\xfe", 4, bytes(4))), "the name of a value that is no UTF-8"),
        (header(value("words", 8, text(b"\xff\xfe"))), "`words` that is no UTF-8"),
        (header(LLAMA, LLAMA), "`general.architecture` twice"),
        (header(value("general.alignment", 4, struct.pack("<I", 0))), "tensors that lie 0 bytes apart"),
        (header(value("general.alignment", 4, struct.pack("<I", 24))), "tensors that lie 24 bytes apart"),
        (header(value("general.alignment", 8, text("x"))), "tensors that lie 'x' bytes apart"),
        (header(LLAMA, tensors=(tensor("t", []),)), "the tensor `t` of 0 dimensions"),
        (header(LLAMA, tensors=(tensor("t", [1] * 5),)), "the tensor `t` of 5 dimensions"),
        (header(LLAMA, tensors=(tensor("t", [4], kind=99),)), "the tensor `t` of the unknown type 99"),
        (header(LLAMA, tensors=(tensor("t", [4], kind=8),)), "the tensor `t` of 4 columns in blocks of 32"),
        (header(LLAMA, tensors=(tensor("t", [4], offset=2**40),)), "ends before the end of the tensor `t`"),
        (header(LLAMA, tensors=(tensor("t", [2**32, 2**32]),)), "ends before the end of the tensor `t`"),
        (header(LLAMA, tensors=(EMBEDDING, EMBEDDING)), "the tensor `token_embd.weight` twice"),
        (header(tensors=(EMBEDDING,)), "no `general.architecture`"),
        (header(value("general.architecture", 4, bytes(4))), "no `general.architecture`"),
        (header(LLAMA), "no matrix `token_embd.weight`"),
    ],
)
def test_damaged_bytes(tmp_path: Path, content: bytes, got: str) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    assert got in refused(tmp_path / "m.gguf")


def test_a_file_that_ends_anywhere_is_refused(write: Callable[..., Path]) -> None:
    file = write()
    whole = file.read_bytes()
    for length in range(0, len(whole), len(whole) // 60):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"but got (an empty file|a file of .* bytes that ends before)"):
            check_gguf(file)
    file.write_bytes(whole)
    check_gguf(file)


def test_a_file_with_any_bit_flipped_is_read_or_refused(write: Callable[..., Path]) -> None:
    file = write()
    whole = bytearray(file.read_bytes())
    draw = np.random.default_rng(1)
    for at in draw.integers(0, 4000, size=300):
        spoilt = whole.copy()
        spoilt[at] ^= 1 << int(draw.integers(8))
        file.write_bytes(spoilt)
        assert "\n" not in said_of(lambda: check_gguf(file))


# --- what it says of itself ---


@pytest.mark.parametrize(
    ("values", "got"),
    [
        ({"llama.block_count": ("uint32", 10**9)}, "2 layers where `block_count` is 1000000000"),
        ({"llama.block_count": ("uint32", 1)}, "2 layers where `block_count` is 1"),
        ({"llama.block_count": ("uint32", 3)}, "2 layers where `block_count` is 3"),
        ({"llama.block_count": None}, "2 layers where `block_count` is None"),
        ({"llama.block_count": ("string", "2")}, "2 layers where `block_count` is 2"),
        ({"llama.embedding_length": ("uint32", 10**9)}, "embeddings of 32 numbers where"),
        ({"llama.embedding_length": None}, "embeddings of 32 numbers where"),
        ({"llama.feed_forward_length": ("uint32", 10**9)}, "`feed_forward_length` of 1,000,000,000, and no tensor"),
        ({"llama.attention.head_count": ("uint32", 10**9)}, "`attention.head_count` of 1,000,000,000, and no tensor"),
        ({"llama.attention.head_count_kv": ("uint32", 10**9)}, "`attention.head_count_kv` of 1,000,000,000, and no"),
        ({"llama.attention.key_length": ("uint32", 10**9)}, "`attention.key_length` of 1,000,000,000, and no tensor"),
        ({"llama.attention.key_length": ("uint32", 40)}, "4 heads of `attention.key_length` 40, and no tensor"),
        ({"llama.expert_count": ("uint32", 10**9)}, "`expert_count` of 1,000,000,000, and no tensor of more than 48"),
        ({"llama.vocab_size": ("uint32", 10**9)}, "`vocab_size` of 1,000,000,000, and no tensor of more than 262"),
        ({"tokenizer.ggml.tokens": ("array", [*TOKENS, "x"])}, "a tokenizer of 263 tokens and 262 embeddings"),
        ({"tokenizer.ggml.tokens": ("string", "x")}, "a tokenizer without a list of tokens"),
    ],
    ids=str,
)
def test_sizes_that_are_not_those_of_the_tensors(write: Callable[..., Path], values: Any, got: str) -> None:
    assert got in refused(write(values))


def test_layers_and_positions_that_are_not_there(write: Callable[..., Path]) -> None:
    without = {name: None for name in sound_tensors() if name.startswith("blk.0.")}
    assert "layers 1 to 1, of which some are missing" in refused(write(tensors=without))
    positions = np.zeros((7, WIDTH), np.float32)
    assert "7 positions where `context_length`" in refused(write(tensors={"position_embd.weight": positions}))


@pytest.mark.parametrize("name", ["blk.1.attn_k.weight", "output_norm.weight", "blk.0.ffn_norm.weight"])
def test_a_tensor_that_is_missing(write: Callable[..., Path], name: str) -> None:
    assert "weights are missing from its files" in refused(write(tensors={name: None}))


def test_a_tensor_of_another_shape(write: Callable[..., Path]) -> None:
    refused(write(tensors={"blk.0.attn_q.weight": np.zeros((WIDTH, 16), np.float32)}))


def test_a_bias_that_the_model_has_no_place_for(write: Callable[..., Path]) -> None:
    got = refused(write(tensors={"blk.0.attn_q.bias": np.ones(WIDTH, np.float32)}))
    assert "1 tensors that its architecture has no place for, blk.0.attn_q.bias among them" in got


@pytest.mark.parametrize("architecture", ["perceiver", "", "bert"])
def test_an_architecture_that_is_not_known(write: Callable[..., Path], architecture: str) -> None:
    values: dict[str, Any] = {name.replace("llama", architecture): given for name, given in SOUND.items()}
    values |= {name: None for name in SOUND if name.startswith("llama.") and architecture}
    refused(write(values, architecture=architecture))


@pytest.mark.parametrize(
    "values",
    [
        {"llama.rope.freq_base": ("string", "much")},
        {"llama.rope.freq_base": ("array", [1.0, 2.0])},
        {"llama.rope.scaling.type": ("string", "linear"), "llama.rope.scaling.factor": ("string", "much")},
        {"llama.rope.scaling.type": ("uint32", 3)},
        {"llama.attention.layer_norm_rms_epsilon": ("string", "little")},
        {"llama.context_length": ("string", "long")},
        {"llama.attention.head_count": ("uint32", 0)},
        {"llama.attention.head_count": ("uint32", 3)},
        {"tokenizer.ggml.model": ("string", "none of them")},
        {"tokenizer.ggml.model": None},
        {"tokenizer.ggml.tokens": None},
        {"tokenizer.ggml.tokens": ("array", [1, 2, 3])},
        {"tokenizer.ggml.merges": ("array", ["no_pair"])},
        {"tokenizer.ggml.eos_token_id": ("uint32", 10**9)},
        {"tokenizer.ggml.eos_token_id": ("string", "end")},
    ],
    ids=str,
)
def test_values_of_another_kind_never_end_in_a_traceback(write: Callable[..., Path], values: Any) -> None:
    loaded: list[LanguageModel] = []
    said = said_of(lambda: loaded.append(load(write(values))))
    assert "\n" not in said
    assert bool(said) != bool(loaded)
    for lm in loaded:
        assert torch.isfinite(lm.head.weight).all()
        assert all(0 <= end < len(TOKENS) for end in lm.end_tokens)


def test_every_scaling_of_positions_is_taken_or_refused(write: Callable[..., Path]) -> None:
    stated = {"llama.rope.scaling.type": ("string", "linear"), "llama.rope.scaling.factor": ("float32", 4.0)}
    assert load(write(stated)).model.config.rope_parameters["factor"] == 4.0
    for kind, factor in (("longrope", 4.0), ("linear", 0.5), ("dynamic", 2.0)):
        changed = {"llama.rope.scaling.type": ("string", kind), "llama.rope.scaling.factor": ("float32", factor)}
        with pytest.raises(UserError, match="the scaling of rotary positions in"):
            load(write(changed))
