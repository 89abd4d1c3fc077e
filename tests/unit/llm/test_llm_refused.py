"""Checkpoints that would be taken for something else are refused in one line, before anything is answered."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.llm.gguf_rope import llama3_factors, rope_scaling

QUESTION = Question("q", "s", "How many legs has a spider?", ("six", "eight"), ("b",), "test", "s")


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Callable[..., LanguageModel]) -> Path:
    """A sound checkpoint, to be spoilt."""
    lm = tiny_model("llama")
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def load(folder: Path) -> LanguageModel:
    return load_model(find_model("m", ModelConfig("folder", str(folder), dtype="float32")))


def test_a_sound_checkpoint_is_taken(folder: Path) -> None:
    assert load(folder).head.weight.shape[1] == 32


def test_layers_that_the_configuration_does_not_know(folder: Path) -> None:
    edit(folder / "config.json", num_hidden_layers=1)
    with pytest.raises(
        UserError, match=r"weights of layers are in its files unknown to its config\.json, model\.layers\.1\."
    ):
        load(folder)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"hidden_size": 31}),
        ("config.json", {"num_hidden_layers": "2"}),
        ("config.json", {"num_attention_heads": 0}),
        ("config.json", {"num_key_value_heads": 0}),
        ("config.json", {"rms_norm_eps": "small"}),
        ("config.json", {"model_type": [1]}),
        ("config.json", {"model_type": "t5"}),
        ("config.json", {"dtype": "nothing"}),
        ("config.json", {"eos_token_id": "x"}),
        ("config.json", {"pad_token_id": 99999}),
        ("config.json", {"quantization_config": 5}),
        ("config.json", {"layer_types": ["full_attention"]}),
    ],
    ids=str,
)
def test_whatever_a_reader_raises_is_put_into_a_few_words(folder: Path, file: str, changes: dict[str, Any]) -> None:
    edit(folder / file, **changes)
    with pytest.raises(UserError, match=r"^Model `m` cannot be loaded from .* point `location` at a whole") as caught:
        load(folder)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize("content", ["[]", '{"model_type": "gpt2"}[', "nothing"])
@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_a_damaged_file_beside_the_weights(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=r"Expected .*generation_config\.json to be|cannot be loaded from"):
        load(folder)


def test_an_end_token_that_is_a_truth_value(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [true]}')
    with pytest.raises(UserError, match=r"`eos_token_id` of .* to be ids of tokens|cannot be loaded from"):
        load(folder)


def test_a_template_that_writes_half_a_character(folder: Path) -> None:
    lm = load(folder)
    lm.tokenizer.chat_template += "{{ '\\ud800' }}"
    with pytest.raises(UserError, match=r"half a surrogate pair, which its chat template puts there"):
        Interview(lm, [QUESTION], Manner())


def test_an_adapter_that_lies_in_the_folder(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"adapter_config\.json, which would be put on top of the model without a word"):
        load(folder)


@pytest.mark.parametrize("file", ["../m.safetensors", "pytorch_model.bin", "/tmp/m.safetensors", "a/b.safetensors"])
def test_an_index_that_leads_out_of_the_folder(folder: Path, file: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": file}}))
    with pytest.raises(UserError, match="an index of safetensors in its own folder"):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}'])
def test_an_index_that_is_none(folder: Path, text: str) -> None:
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match="an index of weights"):
        load(folder)


def test_a_tokenizer_with_more_tokens_than_embeddings(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<more>"] if len(tokenizer) >= 259 else [f"<more{i}>" for i in range(300)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match="one of at most 259 tokens, as many as the model has embeddings"):
        load(folder)


def test_code_beside_the_weights_is_never_run(folder: Path) -> None:
    edit(folder / "config.json", model_type="xx", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"})
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w').write('x')\nclass C: pass\nclass M: pass\n")
    code = f"""from ccps.llm import ModelConfig, find_model, load_model
load_model(find_model("m", ModelConfig("folder", {str(folder)!r})))"""
    done = subprocess.run([sys.executable, "-c", code], input=b"y\n" * 9, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"UserError" in done.stderr
    assert not (folder / "ran").exists()


def test_decoders_that_call_their_layers_otherwise_are_asked_about_their_answers(tmp_path: Path, folder: Path) -> None:
    shape = GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=2, n_positions=2048, bos_token_id=1, eos_token_id=2)
    GPT2LMHeadModel(shape).save_pretrained(folder)
    lm = load(folder)
    for collect in (("self_evaluation",), ("layer_states",)):
        [answer] = Interview(lm, [QUESTION], Manner(choice="letters"), collect=collect).answer_all()  # type: ignore[arg-type]
        assert getattr(answer.after, collect[0]) is not None


def test_the_text_part_of_a_model_that_sees_is_read(tmp_path: Path, folder: Path) -> None:
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration, MistralConfig, PixtralVisionConfig

    text = MistralConfig(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=2048, head_dim=16,
    )  # fmt: skip
    eyes = PixtralVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    shape = Mistral3Config(text_config=text.to_dict(), vision_config=eyes.to_dict(), image_token_index=10)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    Mistral3ForConditionalGeneration(shape).save_pretrained(folder)
    lm = load(folder)
    assert lm.head.weight.shape == (320, 32)
    assert Interview(lm, [QUESTION], Manner(choice="letters")).answer_all()[0].text in ("a", "b")


def gguf(path: Path, *, factors: list[float] | None = None, name: str = "rope_freqs.weight", **stated: Any) -> Path:
    """A GGUF file with what it says of rotary positions, and nothing else."""
    writer = GGUFWriter(str(path / "m.gguf"), "llama")
    writer.add_rope_freq_base(500000.0)
    for key, value in stated.items():
        adders: dict[type, Any] = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}
        adders[type(value)](f"llama.rope.{key.replace('__', '.')}", value)
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    if factors is not None:
        writer.add_tensor(name, np.array(factors, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path / "m.gguf"


def test_a_file_without_scaling_has_none(tmp_path: Path) -> None:
    assert rope_scaling(gguf(tmp_path)) is None
    assert rope_scaling(gguf(tmp_path, scaling__type="none")) is None


def test_linear_scaling_and_yarn_are_kept(tmp_path: Path) -> None:
    linear = rope_scaling(gguf(tmp_path, scaling__type="linear", scaling__factor=4.0))
    assert linear == {"rope_type": "linear", "rope_theta": 500000.0, "factor": 4.0}
    yarn = gguf(tmp_path, scaling__type="yarn", scaling__factor=2.0, scaling__original_context_length=4096)
    assert rope_scaling(yarn) == {
        "rope_type": "yarn",
        "rope_theta": 500000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 4096,
    }


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_factors_of_llama_3_are_those_of_transformers(tmp_path: Path, factor: float) -> None:
    parameters = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    shape = LlamaConfig(hidden_size=256, num_attention_heads=2, rope_parameters=parameters)
    slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](shape, torch.device("cpu"))
    plain = 1 / 500000.0 ** (torch.arange(0, 128, 2) / 128)
    np.testing.assert_allclose(llama3_factors(64, parameters), plain / slowed, rtol=1e-5)
    assert rope_scaling(gguf(tmp_path, factors=llama3_factors(64, parameters).tolist())) == parameters


@pytest.mark.parametrize(
    "stated",
    [
        {"factors": [1.0, 2.0, 3.0]},
        {"factors": [1.0, 2.0], "name": "rope_factors_long.weight"},
        {"scaling__type": "longrope", "scaling__factor": 2.0},
        {"scaling__type": "linear"},
    ],
    ids=str,
)
def test_scaling_that_is_not_known_is_refused(tmp_path: Path, stated: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="the scaling of rotary positions in"):
        rope_scaling(gguf(tmp_path, **stated))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_hidden_layers": 10**30}, "num_hidden_layers"),
        ({"num_hidden_layers": 2001}, "num_hidden_layers"),
        ({"hidden_size": 10**8}, "hidden_size"),
        ({"vocab_size": -(10**9)}, "vocab_size"),
        ({"text_config": {"num_attention_heads": 10**12}}, "text_config.num_attention_heads"),
    ],
)
def test_sizes_that_no_model_has_are_never_counted_to(folder: Path, changes: dict[str, Any], named: str) -> None:
    edit(folder / "config.json", **changes)
    with pytest.raises(UserError, match=rf"Expected `{named}` in .*config\.json to be at most [0-9,]+, but got"):
        load(folder)
