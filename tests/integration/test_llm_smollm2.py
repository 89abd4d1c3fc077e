"""SmolLM2-135M-Instruct: our states against what the model itself says.

Exact agreement is asked of float32, where no two tokens tie; bfloat16, in which models are run, gets a tolerance.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from ccps.llm import (
    LanguageModel,
    ModelFiles,
    Passage,
    common_prefix,
    compute_prefix,
    final_states,
    find_model,
    generate,
    load_model,
    plan_batches,
    prompt_ids,
)

SYSTEM = "Answer with one word."
QUESTIONS = [
    "What is the capital of France?",
    "What is 2 + 2?",
    "Name a colour.",
    "Is water wet?",
    "Which planet do we live on?",
    "Who wrote Hamlet?",
    "What do bees make? Think of what people put on bread in the morning, and answer in one word.",
    "Is the sun a star or a planet?",
    "How many legs does a spider have?",
    "Which is larger, an elephant or a mouse?",
    "In which ocean lies Hawaii?",
    "What is the opposite of hot?",
]
ANSWER = " Paris is the capital of France, of course."

# Kernels of another shape round bfloat16 in another order: measured 0.012 of the largest |h| and 0.06 in probability.
STATE_TOLERANCE = 2**-5
PROBABILITY_TOLERANCE = 0.1


@pytest.fixture(scope="module")
def exact_files(smollm2_files: ModelFiles) -> ModelFiles:
    """The same weights, held in float32."""
    config = replace(smollm2_files.config, source="folder", location=str(smollm2_files.folder), dtype="float32")
    return find_model("smollm2_float32", config)


@pytest.fixture(scope="module")
def exact(exact_files: ModelFiles) -> LanguageModel:
    return load_model(exact_files)


@pytest.fixture(scope="module")
def prompts(smollm2: LanguageModel) -> list[Any]:
    return [
        prompt_ids(smollm2.tokenizer, [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}])
        for question in QUESTIONS
    ]


@pytest.fixture(scope="module")
def passages(smollm2: LanguageModel, prompts: Any) -> list[Passage]:
    """Two prompts alone, and three with answers of two, four and eight tokens."""
    answer = smollm2.tokenizer(ANSWER)["input_ids"]
    return [Passage(prompt, answer[:length]) for prompt, length in zip(prompts, (0, 0, 2, 4, 8), strict=False)]


@pytest.fixture(scope="module")
def single(smollm2: LanguageModel, passages: Any) -> list[Any]:
    """States of each passage from a forward pass of its own."""
    return [final_states(smollm2, [passage])[0] for passage in passages]


def all_states(lm: Any, passages: Any, max_batch_tokens: Any) -> list[Any]:
    """States of all passages by way of a shared prefix and several batches."""
    shared = common_prefix([list(passage.prompt) for passage in passages])
    assert shared >= len(lm.tokenizer(SYSTEM)["input_ids"])
    prefix = compute_prefix(lm, passages[0].prompt[:shared])
    batches = plan_batches([len(passage.read) - shared for passage in passages], max_batch_tokens)
    assert len(batches) > 1
    states: dict[Any, Any] = {}
    for batch in batches:
        found = final_states(lm, [passages[index] for index in batch], prefix)
        states.update(zip(batch, found, strict=True))
    return [states[index] for index in range(len(passages))]


def assert_same_within_rounding(lm: Any, ours: Any, reference: Any) -> None:
    ours, reference = torch.cat(ours).float(), torch.cat(reference).float()
    assert ours.shape == reference.shape
    assert (ours - reference).abs().max() <= STATE_TOLERANCE * reference.abs().max()
    ours_p, reference_p = (lm.head.logits(states).softmax(dim=-1) for states in (ours, reference))
    assert (ours_p - reference_p).abs().max() <= PROBABILITY_TOLERANCE
    # A near tie may fall either way, anything clearer may not.
    best, second = reference_p.topk(2).values.unbind(dim=-1)
    clear = best - second > 2 * PROBABILITY_TOLERANCE
    assert clear.any()
    assert torch.equal(ours_p.argmax(dim=-1)[clear], reference_p.argmax(dim=-1)[clear])


def test_head_gives_the_models_own_logits(smollm2: LanguageModel, passages: list[Passage], single: list[Any]) -> None:
    for passage, states in zip(passages[:3], single, strict=False):
        with torch.inference_mode():
            own = smollm2.model(torch.tensor([passage.read])).logits[0, -passage.n_states :].float()
        assert (smollm2.head.logits(states) - own).abs().max() <= 2**-7 * own.abs().max()


def test_batched_is_single(smollm2: LanguageModel, passages: list[Passage], single: list[Any]) -> None:
    assert_same_within_rounding(smollm2, final_states(smollm2, passages), single)


def test_shared_prefix_changes_nothing(smollm2: LanguageModel, passages: list[Passage], single: list[Any]) -> None:
    assert_same_within_rounding(smollm2, all_states(smollm2, passages, 40), single)


def test_first_token_is_the_one_generate_chooses(exact: LanguageModel, prompts: list[Any]) -> None:
    states = all_states(exact, [Passage(prompt) for prompt in prompts], 60)
    chosen = [exact.own_logits(state).argmax().item() for state in states]
    for prompt, state, token in zip(prompts, states, chosen, strict=True):
        generated = exact.model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=1,
            do_sample=False,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        own = generated.logits[0]
        assert token == generated.sequences[0, -1].item()
        assert (exact.head.logits(state) - own).abs().max() <= 1e-4 * own.abs().max()
    assert len(set(chosen)) > 3


def test_generated_answers_are_what_transformers_generates(exact: LanguageModel, prompts: list[Any]) -> None:
    """One by one and without our hook; end of turn as the checkpoint's generation config names it."""
    for prompt, got in zip(prompts, generate(exact, prompts, 12), strict=True):
        ids = exact.model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=exact.tokenizer.eos_token_id,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        ended = exact.tokenizer.eos_token_id in ids
        assert got.ended == ended
        assert got.tokens == (ids[: ids.index(exact.tokenizer.eos_token_id)] if ended else ids)


def test_states_taken_while_generating_are_those_of_one_teacher_forced_pass(
    exact: LanguageModel, smollm2: LanguageModel, prompts: list[Any]
) -> None:
    shared = compute_prefix(exact, prompts[0][: common_prefix(prompts)])
    written = generate(exact, prompts, 12, shared)
    passages = [Passage(prompt, answer.tokens) for prompt, answer in zip(prompts, written, strict=True)]
    ours, read = (torch.cat(states) for states in ([a.states for a in written], final_states(exact, passages)))
    assert (ours - read).abs().max() <= 1e-4 * read.abs().max()
    shared = compute_prefix(smollm2, prompts[0][: common_prefix(prompts)])
    written = generate(smollm2, prompts, 12, shared)
    passages = [Passage(prompt, answer.tokens) for prompt, answer in zip(prompts, written, strict=True)]
    assert_same_within_rounding(smollm2, [answer.states for answer in written], final_states(smollm2, passages))


def test_it_knows_the_capital_of_france(exact: LanguageModel) -> None:
    """The weights are the real ones."""
    state = final_states(exact, [Passage(exact.tokenizer("The capital of France is")["input_ids"])])[0]
    assert exact.tokenizer.decode(exact.own_logits(state).argmax()) == " Paris"


def test_second_load_gives_identical_states(
    exact_files: ModelFiles, exact: LanguageModel, passages: list[Passage]
) -> None:
    again = load_model(exact_files)
    assert again.model is not exact.model
    for ours, theirs in zip(final_states(again, passages[-2:]), final_states(exact, passages[-2:]), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(again.head.weight, exact.head.weight)
