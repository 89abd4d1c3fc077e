"""SmolLM2-135M-Instruct in bfloat16: the rails against what the model itself says."""

import pytest
import torch

from ccps.llm import Passage, common_prefix, compute_prefix, final_states, load_model, plan_batches, prompt_ids

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

# Kernels of another shape round bfloat16 in another order. Of the largest |h|, measured here: MEASURED.
TOLERANCE = 2**-5
PROBABILITY_TOLERANCE = 0.05


@pytest.fixture(scope="module")
def prompts(smollm2):
    return [
        prompt_ids(smollm2.tokenizer, [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}])
        for question in QUESTIONS
    ]


@pytest.fixture(scope="module")
def passages(smollm2, prompts):
    answer = smollm2.tokenizer(ANSWER)["input_ids"]
    return [Passage(prompt, answer[: index % 4]) for index, prompt in enumerate(prompts)]


@pytest.fixture(scope="module")
def single(smollm2, passages):
    return torch.cat([final_states(smollm2, [passage])[0] for passage in passages])


def assert_same_within_rounding(lm, ours, reference):
    assert ours.shape == reference.shape
    distance = (ours.float() - reference.float()).abs().max() / reference.float().abs().max()
    ours_p, reference_p = (lm.head.logits(states).softmax(dim=-1) for states in (ours, reference))
    change = (ours_p - reference_p).abs().max()
    print(f"states differ by {distance:.2e} of the largest, probabilities by {change:.2e}")
    assert distance <= TOLERANCE
    assert change <= PROBABILITY_TOLERANCE
    # A tie may fall either way, anything clearer may not.
    top = reference_p.topk(2).values
    clear = top[:, 0] - top[:, 1] > 2 * PROBABILITY_TOLERANCE
    assert clear.any()
    assert torch.equal(ours_p.argmax(dim=-1)[clear], reference_p.argmax(dim=-1)[clear])


def test_head_gives_the_models_own_logits(smollm2, passages, single):
    with torch.inference_mode():
        own = torch.cat(
            [smollm2.model(torch.tensor([passage.read])).logits[0, -passage.n_states :].float() for passage in passages]
        )
    ours = smollm2.head.logits(single)
    assert (ours - own).abs().max() <= 2**-7 * own.abs().max()
    assert torch.equal(smollm2.own_logits(single).float(), own)


def test_batched_is_single(smollm2, passages, single):
    assert_same_within_rounding(smollm2, torch.cat(final_states(smollm2, passages)), single)


def test_shared_prefix_changes_nothing(smollm2, passages, single):
    shared = common_prefix([list(passage.prompt) for passage in passages])
    assert shared >= len(smollm2.tokenizer(SYSTEM)["input_ids"])
    prefix = compute_prefix(smollm2, passages[0].prompt[:shared])
    states = {}
    for batch in plan_batches([len(passage.read) - shared for passage in passages], 128):
        found = final_states(smollm2, [passages[index] for index in batch], prefix)
        states.update(zip(batch, found, strict=True))
    assert_same_within_rounding(smollm2, torch.cat([states[index] for index in range(len(passages))]), single)


def test_first_token_is_the_one_generate_chooses(smollm2, prompts):
    for prompt in prompts:
        state = final_states(smollm2, [Passage(prompt)])[0]
        ours = smollm2.own_logits(state).argmax(dim=-1).item()
        ids = torch.tensor([prompt])
        generated = smollm2.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=1, do_sample=False, pad_token_id=0
        )
        assert ours == generated[0, -1].item()


def test_it_knows_the_capital_of_france(smollm2, prompts):
    """The weights are the real ones, and the prompt is laid out as the model was taught."""
    state = final_states(smollm2, [Passage(prompts[0])])[0]
    token = smollm2.own_logits(state).argmax(dim=-1)
    assert smollm2.tokenizer.decode(token).strip() in {"Paris", "The"}


def test_second_load_gives_identical_states(smollm2_files, smollm2, passages):
    again = load_model(smollm2_files)
    assert again.model is not smollm2.model
    ours, theirs = (torch.cat(final_states(lm, passages)) for lm in (again, smollm2))
    assert torch.equal(ours, theirs)
    assert torch.equal(again.head.weight, smollm2.head.weight)
