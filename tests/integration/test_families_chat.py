"""Chat templates of every form: what is asked, what is probed, what is read after an answer."""

from typing import Any

import pytest
from families import CHATML, COHERE, GEMMA, GRANITE, LLAMA3, MISTRAL, OLD_MISTRAL, set_chat

from ccps.core.errors import UserError
from ccps.llm import answer_ids, ids_after_answer, prompt_ids
from ccps.llm.random_model import byte_tokenizer

SYSTEM, USER = {"role": "system", "content": "be brief"}, {"role": "user", "content": "why?\nAnswer:"}
AGAIN = [{"role": "user", "content": "sure?"}]
CHATS = {
    "llama3": LLAMA3,
    "chatml": CHATML,
    "mistral": MISTRAL,
    "old_mistral": OLD_MISTRAL,
    "gemma": GEMMA,
    "granite": GRANITE,
    "cohere": COHERE,
}
# By hand. Of each form: the prompt, what ends an answer, and what stands between an answer and the next.
PROMPTS = {
    "llama3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nbe brief<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nwhy?\nAnswer:<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "chatml": "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nwhy?\nAnswer:<|im_end|>\n"
    "<|im_start|>assistant\n",
    "mistral": "<s>[SYSTEM_PROMPT]be brief[/SYSTEM_PROMPT][INST]why?\nAnswer:[/INST]",
    "old_mistral": "<s>[INST] why?\nAnswer: [/INST]",
    "gemma": "<bos><start_of_turn>user\nwhy?\nAnswer:<end_of_turn>\n<start_of_turn>model\n",
    "granite": "<|start_of_role|>system<|end_of_role|>be brief<|end_of_text|>\n"
    "<|start_of_role|>user<|end_of_role|>why?\nAnswer:<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
    "cohere": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>be brief<|END_OF_TURN_TOKEN|>"
    "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>why?\nAnswer:<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
}
ENDS = {
    "llama3": "<|eot_id|>",
    "chatml": "<|im_end|>\n",
    "mistral": "</s>",
    "old_mistral": "</s>",
    "gemma": "<end_of_turn>\n",
    "granite": "<|end_of_text|>\n",
    "cohere": "<|END_OF_TURN_TOKEN|>",
}
BETWEEN = {
    "llama3": "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nsure?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "chatml": "<|im_end|>\n<|im_start|>user\nsure?<|im_end|>\n<|im_start|>assistant\n",
    "mistral": "</s>[INST]sure?[/INST]",
    "old_mistral": "</s>[INST] sure? [/INST]",
    "gemma": "<end_of_turn>\n<start_of_turn>user\nsure?<end_of_turn>\n<start_of_turn>model\n",
    "granite": "<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>sure?<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>",
    "cohere": "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>sure?<|END_OF_TURN_TOKEN|>"
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
}
WITHOUT_SYSTEM = ("old_mistral", "gemma")


@pytest.fixture(params=CHATS)
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def tokenizer(form: Any) -> Any:
    own = byte_tokenizer()
    set_chat(own, CHATS[form])
    return own


@pytest.fixture
def messages(form: Any) -> list[Any]:
    return [USER] if form in WITHOUT_SYSTEM else [SYSTEM, USER]


def test_prompt_has_the_form_of_the_family(form: Any, tokenizer: Any, messages: list[Any]) -> None:
    ids = prompt_ids(tokenizer, messages)
    assert tokenizer.decode(ids) == PROMPTS[form]
    # Marks are tokens of their own: all else is a byte each.
    marks = [token for token in tokenizer.all_special_tokens if token in PROMPTS[form]]
    rest = PROMPTS[form]
    for mark in marks:
        rest = rest.replace(mark, "")
    assert len(ids) == len(rest) + sum(PROMPTS[form].count(mark) for mark in marks)
    assert {CHATS[form].start, *CHATS[form].marks} - {""} <= set(tokenizer.all_special_tokens)


def test_parity_doubles_the_first_token_where_the_tokenizer_puts_one_too(
    form: Any, tokenizer: Any, messages: list[Any]
) -> None:
    first = [tokenizer.bos_token_id] if CHATS[form].start else []
    assert prompt_ids(tokenizer, messages, "parity") == first + prompt_ids(tokenizer, messages)


def test_answer_is_its_own_text_and_in_parity_what_the_template_makes_of_it(
    form: Any, tokenizer: Any, messages: list[Any]
) -> None:
    assert tokenizer.decode(answer_ids(tokenizer, messages, "yes")) == "yes"
    space = " " if form == "old_mistral" else ""
    assert tokenizer.decode(answer_ids(tokenizer, messages, "yes", "parity")) == space + "yes" + ENDS[form]


def test_what_follows_an_answer(form: Any, tokenizer: Any, messages: list[Any]) -> None:
    assert tokenizer.decode(ids_after_answer(tokenizer, messages)) == ENDS[form]
    assert tokenizer.decode(ids_after_answer(tokenizer, messages, AGAIN)) == BETWEEN[form]


def test_a_form_without_a_system_message_says_what_to_set(form: Any, tokenizer: Any) -> None:
    if form in WITHOUT_SYSTEM:
        with pytest.raises(UserError, match=r"set the model's `system_role` to `prepend` or `omit`"):
            prompt_ids(tokenizer, [SYSTEM, USER])
    else:
        assert "be brief" in tokenizer.decode(prompt_ids(tokenizer, [SYSTEM, USER]))
