"""SmolLM2-135M-Instruct learns to judge its own answers, and is itself again afterwards."""

from pathlib import Path

import pytest
import torch

from ccps.asking.interview import Interview, Manner
from ccps.data.records import Question
from ccps.llm import LanguageModel
from ccps.tuning import Adapter, Answered, Example, Tuner, TuningConfig, ask_about

QUESTIONS = [
    Question(f"q{i}", "s", text, (), ("",), "train", "s")
    for i, text in enumerate(("What is the capital of France?", "What is 17 times 23?", "Name a colour.", "Who am I?"))
]
CONFIG = TuningConfig(steps=4, warmup_steps=0, batch_size=4, micro_batch=4, learning_rate=2e-3)


@pytest.fixture(scope="module")
def examples(smollm2: LanguageModel) -> list[Example]:
    """Answers of the model, every other one called right."""
    interview = Interview(smollm2, QUESTIONS, Manner(max_new_tokens=5))
    answered = [
        Answered(question.id, answer.text, prompt, answer.tokens, answer.states)
        for question, prompt, answer in zip(QUESTIONS, interview.prompts, interview.answer_all(), strict=True)
    ]
    conversations = ask_about(smollm2, answered, QUESTIONS[0], Manner()).prompts
    return [
        Example(tokens, len(one.prompt), one.states, index % 2 == 0)
        for index, (one, tokens) in enumerate(zip(answered, conversations, strict=True))
    ]


def test_a_few_updates_lower_the_loss_and_leave_the_model_as_it_was(
    smollm2: LanguageModel, examples: list[Example], tmp_path: Path
) -> None:
    ids = torch.tensor([list(examples[0].tokens)])
    with torch.no_grad():
        before = smollm2.model(ids).logits
    tuner = Tuner(smollm2, CONFIG)
    try:
        updates = [tuner.update(examples) for _ in range(CONFIG.steps)]
        tuner.save(tmp_path)
    finally:
        tuner.close()
    with torch.no_grad():
        assert torch.equal(smollm2.model(ids).logits, before)
    # Kept states were computed in other batches: in bfloat16 they differ by rounding, which is all there is at first.
    tokens = sum(len(example.states) for example in examples) / len(examples)
    assert updates[0].divergence is not None
    assert updates[0].divergence < 0.01 * tokens
    assert updates[-1].query < updates[0].query - 0.1
    assert updates[-1].loss < updates[0].loss
    again = Adapter.load(smollm2, tmp_path)
    with torch.no_grad():
        assert not torch.equal(smollm2.model(ids).logits, before)
    again.take_off()
    with torch.no_grad():
        assert torch.equal(smollm2.model(ids).logits, before)
