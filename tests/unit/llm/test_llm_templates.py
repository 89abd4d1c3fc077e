"""What is asked stands in the prompt, on any day, and an opened thought is not taken for an answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model, prompt_ids
from ccps.llm.chat import ids_after_answer, opens_thinking
from ccps.llm.templates import TODAY, depends_on_clock

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKS = CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n"
    "{% endif %}{% endif %}",
)
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many  legs\nhas a spider?"}]
QUESTION = Question("q", "s", "How many legs has a spider?", ("six", "eight"), ("b",), "test", "s")

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path, tiny_model: Callable[..., LanguageModel]) -> Saved:
    """A checkpoint folder of a tiny model with a chat template and end tokens of its own."""

    def save(template: str, end: int | None = None) -> Path:
        from transformers import AutoTokenizer, GenerationConfig

        lm = tiny_model("llama", vocab_size=300)
        lm.model.save_pretrained(tmp_path)
        lm.tokenizer.save_pretrained(tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path)
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        tokenizer.chat_template = template
        tokenizer.save_pretrained(tmp_path)
        GenerationConfig(eos_token_id=end).save_pretrained(tmp_path)
        return tmp_path

    return save


def load(folder: Path, **settings: Any) -> LanguageModel:
    return load_model(find_model("m", ModelConfig("folder", str(folder), dtype="float32", **settings)))


def test_a_prompt_is_what_the_template_says(saved: Saved) -> None:
    lm = load(saved(CHATML))
    ids = prompt_ids(lm.tokenizer, ASKED)
    assert ids == lm.tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, return_dict=False)
    assert "has a spider?" in lm.tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("template", "role"),
    [
        (CHATML.replace("{{ m['content'] }}", "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}"), "system"),
        (CHATML.replace("{{ m['content'] }}", "{% if m['role'] == 'system' %}{{ m['content'] }}{% endif %}"), "user"),
        (CHATML.replace("{{ m['content'] }}", "{{ m['content'][:9] }}"), "user"),
    ],
)
def test_a_template_that_leaves_out_what_is_asked_is_refused(saved: Saved, template: str, role: str) -> None:
    with pytest.raises(UserError, match=rf"one that holds the text of the {role}, but got a prompt without"):
        prompt_ids(load(saved(template)).tokenizer, ASKED)


@pytest.mark.parametrize(
    "filter",
    [
        "| e",
        "| escape",
        "| replace('<', '&lt;')",
        "| replace('\"', '')",
        "| striptags",
        "| upper",
        "| truncate(20)",
        "| replace('\\n', ' ')",
        "| replace('    ', ' ')",
        "| wordwrap(20)",
        "| tojson",
        "| urlize",
        "| indent(2)",
    ],
)
def test_a_template_that_changes_some_questions_is_refused_before_any_is_asked(saved: Saved, filter: str) -> None:
    with pytest.raises(UserError, match=r"holds the text of the user|leaves questions as they are"):
        load(saved(CHATML.replace("{{ m['content'] }}", f"{{{{ m['content'] {filter} }}}}")))


@pytest.mark.parametrize(
    ("template", "arguments", "got"),
    [
        (CHATML, {"enable_thinking": False}, "'enable_thinking', which it never names. Leave it out"),
        (THINKS, {"enable_thinkin": False}, "'enable_thinkin', which it never names. It knows enable_thinking"),
        (THINKS, {"enable_thinking": False, "thinking": False}, "'thinking', which it never names"),
    ],
)
def test_what_a_template_does_not_ask_for_is_refused(
    saved: Saved, template: str, arguments: dict[str, bool], got: str
) -> None:
    with pytest.raises(UserError, match=rf"`model\.m\.template_arguments` to be what the chat template asks.*{got}"):
        load(saved(template), template_arguments=arguments)


def test_white_space_may_be_laid_out_anew(saved: Saved) -> None:
    load(saved(CHATML.replace("{{ m['content'] }}", r"{{ m['content'].replace('\n\n', '\n') }}")))
    lm = load(saved(CHATML.replace("{{ m['content'] }}", "{{ m['content'] | trim }}")))
    assert prompt_ids(lm.tokenizer, [{"role": "user", "content": "  x \n"}])


def test_the_date_stands_still_and_is_part_of_the_fingerprint(saved: Saved) -> None:
    template = "Today is {{ strftime_now('%d %b %Y') }}. " + CHATML
    assert depends_on_clock(template)
    folder = saved(CHATML)
    without = find_model("m", ModelConfig("folder", str(folder), dtype="float32")).fingerprint
    lm = load(saved(template))
    assert lm.files.fingerprint != without
    assert lm.tokenizer.decode(prompt_ids(lm.tokenizer, ASKED)).lstrip().startswith(f"Today is {TODAY:%d %b %Y}. ")


def test_the_token_that_ends_a_turn_ends_an_answer(saved: Saved) -> None:
    lm = load(saved(CHATML, end=0))
    [turn] = lm.tokenizer.convert_tokens_to_ids(["<|im_end|>"])
    assert ids_after_answer(lm.tokenizer, ASKED)[0] == turn
    assert lm.end_tokens == (0, turn)


def test_text_after_an_answer_is_no_end_token(saved: Saved) -> None:
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    lm = load(saved(template + "{% if add_generation_prompt %}assistant:{% endif %}", end=0))
    assert lm.end_tokens == (0,)


def test_an_opened_thought_is_no_letter_and_can_be_switched_off(saved: Saved) -> None:
    folder = saved(THINKS)
    with pytest.raises(UserError, match=r"Set `model\.m\.template_arguments=\{enable_thinking: false\}`"):
        Interview(load(folder), [QUESTION], Manner(choice="letters"))
    lm = load(folder, template_arguments={"enable_thinking": False})
    assert opens_thinking(lm.tokenizer, prompt_ids(lm.tokenizer, ASKED)) is None
    assert Interview(lm, [QUESTION], Manner(choice="letters")).answer_all()[0].text in ("a", "b")
    assert lm.files.fingerprint != load(folder).files.fingerprint


def test_an_answer_that_is_given_may_follow_an_opened_thought(saved: Saved) -> None:
    from dataclasses import replace

    interview = Interview(load(saved(THINKS)), [replace(QUESTION, given_answer="b")], Manner())
    assert interview.answer_all()[0].text == "b"


def test_of_several_templates_one_is_named(saved: Saved) -> None:
    lm = load(saved(CHATML))
    lm.tokenizer.chat_template = {"default": CHATML, "thinks": THINKS}
    from ccps.llm.templates import set_template

    with pytest.raises(UserError, match="one of default, thinks, but got 'other'"):
        set_template(lm.tokenizer, "m", "other", {})
    set_template(lm.tokenizer, "m", "thinks", {})
    assert lm.tokenizer.chat_template == THINKS
    with pytest.raises(UserError, match="null, as the model has one template"):
        set_template(lm.tokenizer, "m", "thinks", {})


TWO_TURNS = [
    {"role": "user", "content": "The same?"},
    {"role": "assistant", "content": "x"},
    {"role": "user", "content": "The same?"},
]


@pytest.mark.parametrize(
    ("template", "messages"),
    [
        (CHATML.replace("in messages", "in messages[-1:]"), TWO_TURNS),
        (
            CHATML.replace("in messages", "in messages if m['role'] != 'system'"),
            [{"role": "system", "content": "Say"}, {"role": "user", "content": "Say it."}],
        ),
        (
            CHATML.replace("in messages", "in messages | reverse"),
            [{"role": "user", "content": c} for c in ("a?", "b?")],
        ),
    ],
)
def test_each_message_stands_in_the_prompt_by_itself(
    saved: Saved, template: str, messages: list[dict[str, str]]
) -> None:
    lm = load(saved(template))
    with pytest.raises(UserError, match="one that holds the text of the"):
        prompt_ids(lm.tokenizer, messages)


def test_a_template_that_leaves_the_head_of_the_answer_to_the_model_is_refused(saved: Saved) -> None:
    with pytest.raises(
        UserError, match=r"knows `add_generation_prompt`, but got one that leaves '<\|im_start\|>assist"
    ):
        load(saved(CHATML.partition("{% if add")[0]))


def test_a_template_may_need_no_generation_prompt(saved: Saved) -> None:
    turn = "{{ '[INST] ' + m['content'] + ' [/INST]' if m['role'] == 'user' else ' ' + m['content'] }}"
    lm = load(saved("{% for m in messages %}" + turn + "{% endfor %}"))
    assert lm.tokenizer.decode(prompt_ids(lm.tokenizer, TWO_TURNS[:1])).endswith("[/INST]")


@pytest.mark.parametrize("dice", ["{{ [1, 2] | random }}", "{{ lipsum() }}"])
def test_a_template_that_throws_dice_is_refused(saved: Saved, dice: str) -> None:
    lm = load(saved(dice + CHATML))
    with pytest.raises(UserError, match="one that says the same each time"):
        prompt_ids(lm.tokenizer, ASKED)


@pytest.mark.parametrize("end", [99999, "x", [1, -2]])
def test_end_tokens_that_are_none_are_refused(saved: Saved, end: object) -> None:
    folder = saved(CHATML)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    with pytest.raises(UserError, match=r"`eos_token_id` of .* ids of tokens"):
        load(folder)
