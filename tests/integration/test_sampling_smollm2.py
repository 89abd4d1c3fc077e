"""SmolLM2-135M-Instruct, asked again and asked about itself; in float32, where no two tokens tie."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from ccps.asking.interview import Interview, Manner
from ccps.asking.samples import ChosenSamples, WrittenSamples
from ccps.asking.verbalised import Verbalisation
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelFiles, find_model, load_model
from ccps.methods.evidence import Evidence, Samples
from ccps.methods.self_consistency import SelfConsistency
from ccps.methods.semantic_entropy import SemanticEntropy
from ccps.perturbation import FEATURE_NAMES
from ccps.settings.samples import SamplesConfig

TEXTS = ("What is the capital of France?", "How many legs does a spider have?", "Who wrote Hamlet?", "Name a colour.")
OPEN = [Question(f"q{i}", "s", text, (), ("x",), "t", "s") for i, text in enumerate(TEXTS)]
CHOICES = [replace(question, options=("Paris", "eight", "Shakespeare", "blue")) for question in OPEN]
MANNER = Manner(max_new_tokens=12)
NEARLY_GREEDY = SamplesConfig(k=3, top_p=1e-6)


@pytest.fixture(scope="module")
def exact(smollm2_files: ModelFiles) -> LanguageModel:
    config = replace(smollm2_files.config, source="folder", location=str(smollm2_files.folder), dtype="float32")
    return load_model(find_model("smollm2_float32", config))


@pytest.fixture(scope="module")
def asked(exact: LanguageModel) -> Interview:
    return Interview(exact, OPEN, MANNER)


def written(asked: Interview, manner: Manner, config: SamplesConfig) -> WrittenSamples:
    return WrittenSamples(asked.lm, [question.id for question in asked.questions], asked.prompts, manner, config)


def test_log_probs_are_those_of_one_teacher_forced_pass(asked: Interview) -> None:
    lm = asked.lm
    [end] = lm.end_tokens
    drawer = written(asked, MANNER, SamplesConfig(k=3))
    ended = set()
    for batch in drawer.batches:
        for index, row in zip(batch, drawer.draw(batch), strict=True):
            for one in row:
                tokens = one.tokens if one.is_cut else [*one.tokens, end]
                ids = [*asked.prompts[index], *tokens]
                with torch.inference_mode():
                    logits = lm.model(torch.tensor([ids])).logits[0, -len(tokens) - 1 : -1]
                logs = logits.log_softmax(dim=-1)[range(len(tokens)), tokens]
                assert one.log_prob == pytest.approx(float(logs.sum()), abs=1e-2)
                assert one.text == lm.tokenizer.decode(one.tokens).strip()
                ended.add(not one.is_cut)
    assert ended == {True, False}


def test_batches_change_nothing(asked: Interview) -> None:
    alone = written(asked, replace(MANNER, max_batch_tokens=1), SamplesConfig(k=2))
    together = written(asked, replace(MANNER, max_batch_tokens=10_000), SamplesConfig(k=2))
    [batch] = together.batches
    for index, row in zip(batch, together.draw(batch), strict=True):
        assert [one.tokens for one in alone.draw([index])[0]] == [one.tokens for one in row]


def test_a_nucleus_of_one_token_gives_the_answer_itself_again(asked: Interview) -> None:
    answers = asked.answer_all()
    drawer = written(asked, replace(MANNER, max_batch_tokens=10_000), NEARLY_GREEDY)
    [batch] = drawer.batches
    drawn = dict(zip(batch, drawer.draw(batch), strict=True))
    for index, answer in enumerate(answers):
        assert [one.tokens for one in drawn[index]] == [answer.tokens] * 3
        assert [one.is_cut for one in drawn[index]] == [answer.is_cut] * 3
    samples = Samples(
        [[one.text for one in drawn[index]] for index in range(len(answers))],
        np.zeros((len(answers), 3)),
        np.ones((len(answers), 3), np.int64),
    )
    evidence = Evidence(
        np.zeros((len(answers), len(FEATURE_NAMES)), np.float32),
        np.ones(len(answers), np.int64),
        len(asked.lm.head.weight),
        texts=[answer.text for answer in answers],
        needs={"samples": samples},
    )
    assert SelfConsistency().p_correct(evidence).tolist() == [1.0] * len(answers)
    assert SemanticEntropy().p_correct(evidence).tolist() == [1.0] * len(answers)


@pytest.mark.parametrize("choice", ["greedy", "letters"])
def test_so_it_does_for_options(choice: Literal["greedy", "letters"], exact: LanguageModel) -> None:
    manner = Manner(choice=choice)
    answers = Interview(exact, CHOICES, manner).answer_all()
    states = torch.cat([answer.states[:1] for answer in answers])
    drawn = ChosenSamples(exact, CHOICES, states, manner, NEARLY_GREEDY).draw(range(len(CHOICES)))
    assert [[one.text for one in row] for row in drawn] == [[answer.text] * 3 for answer in answers]


def test_asked_in_words_it_names_a_percentage(asked: Interview) -> None:
    replies = Verbalisation(asked.lm, OPEN, ["Paris", "eight", "Shakespeare", "blue"], MANNER)
    [batch] = replies.batches
    said = replies.ask(batch)
    named = [reply for reply in said if not math.isnan(reply.probability)]
    assert named
    for reply in named:
        number = reply.text.rstrip(".").split()[-1].rstrip("%")
        assert reply.probability == pytest.approx(float(number) / 100)
    assert all(reply.reason for reply in said if math.isnan(reply.probability))
