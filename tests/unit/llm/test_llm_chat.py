from typing import Any, Literal

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ccps.core.errors import UserError
from ccps.llm import plain_text, prompt_ids
from ccps.llm.random_model import byte_tokenizer

WORDS = ["<s>", "<unk>", "be", "brief", "why", "user:", "system:", "assistant:"]
BOS = 0
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why"}]
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
TURNS = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}assistant:"


def word_tokenizer(template: Any, adds_bos: Any) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>", chat_template=template
    )


def ids(text: str) -> list[Any]:
    return [WORDS.index(word) for word in text.split()]


RENDERED = "system: be brief user: why assistant:"


def test_strict_takes_the_ids_of_the_template() -> None:
    tokenizer = word_tokenizer("{{ bos_token }} " + TURNS, adds_bos=True)
    assert prompt_ids(tokenizer, MESSAGES, "strict") == [BOS, *ids(RENDERED)]


def test_parity_doubles_a_bos_that_template_and_tokenizer_both_add() -> None:
    tokenizer = word_tokenizer("{{ bos_token }} " + TURNS, adds_bos=True)
    assert prompt_ids(tokenizer, MESSAGES, "parity") == [BOS, BOS, *ids(RENDERED)]


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_modes_agree_where_only_the_template_adds_a_bos(mode: Literal["strict", "parity"]) -> None:
    tokenizer = word_tokenizer("{{ bos_token }} " + TURNS, adds_bos=False)
    assert prompt_ids(tokenizer, MESSAGES, mode) == [BOS, *ids(RENDERED)]


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_prompt_ends_where_the_answer_begins(mode: Literal["strict", "parity"]) -> None:
    tokenizer = byte_tokenizer()
    prompt = prompt_ids(tokenizer, MESSAGES, mode)
    assert tokenizer.decode(prompt) == (
        "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nwhy<|im_end|>\n<|im_start|>assistant\n"
    )
    assert all(type(token) is int for token in prompt)


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_tokenizer_without_a_template_gets_plain_text(mode: Literal["strict", "parity"]) -> None:
    tokenizer = word_tokenizer(None, adds_bos=True)
    assert prompt_ids(tokenizer, MESSAGES, mode) == [BOS, *ids("be brief why")]


def test_plain_text_separates_contents_by_blank_lines() -> None:
    assert plain_text(MESSAGES) == "be brief\n\nwhy"


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_template_that_refuses_a_system_message_names_the_setting(mode: Literal["strict", "parity"]) -> None:
    tokenizer = word_tokenizer(NO_SYSTEM + TURNS, adds_bos=False)
    with pytest.raises(UserError, match=r"System role not supported.*`system_role` to `prepend` or `omit`"):
        prompt_ids(tokenizer, MESSAGES, mode)
    assert prompt_ids(tokenizer, MESSAGES[1:], mode) == ids("user: why assistant:")
