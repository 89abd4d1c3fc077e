"""What is read of the options, and asked about them, on a tiny random model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ccps.asking.interview import Interview, Manner
from ccps.asking.options import OptionScores
from ccps.asking.permuted import Rotation, rotations
from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import answer_letter
from ccps.llm import ModelConfig, find_model
from ccps.methods import Evidence, find_method
from ccps.needs.base import NEEDS, AnsweredQuestions, Respondent, Source
from ccps.perturbation import FEATURE_NAMES, ray
from ccps.pipeline.computing import run_stage
from ccps.pipeline.costs import total_cost
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run, Stage
from ccps.pipeline.trainer import run_device
from ccps.settings.experiment import Config
from ccps.stages.main.answer import AnswerStage

OPTIONS = [("p", "q", "r"), ("left", "right"), ("1", "2", "3", "4")]
QUESTIONS = [Question(f"c{i}", "s", f"Number {i}?", OPTIONS[i % 3], ("a",), "t", "s") for i in range(6)]
OPEN = [Question("q0", "s", "What?", (), ("x",), "t", "s", given_answer="a lake")]
MANNER = Manner(choice="letters", max_batch_tokens=400)
ORDER = ["c4", "c0", "c5", "c2"]


class Asked:
    """A tiny model's answers to the questions, and the stages that go on from them."""

    def __init__(self, shared: SharedModel, folder: Path) -> None:
        self.run = Run(folder, "cpu")
        self.lm = shared.get(run_device(self.run))
        self.answers = run_stage(AnswerStage(QUESTIONS, "boats", shared, MANNER, 2), self.run)
        self.head = shared.save_head(self.run, run_device(self.run))
        self.respondent = Respondent(shared, self.head, MANNER, 2)

    def made(self, need: str) -> Artifact:
        answered = AnsweredQuestions("boats", QUESTIONS, self.answers, {})
        stage = NEEDS[need].stage(answered, self.respondent, Config(), None)
        assert isinstance(stage, Stage)
        return run_stage(stage, self.run)

    def read(self, need: str, order: list[str] | None = None) -> object:
        return NEEDS[need].read(Source(self.answers, self.head, self.made(need)), order or ORDER)


@pytest.fixture(scope="module")
def asked(tiny_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(SharedModel(find_model("tiny", tiny_config("llama"))), tmp_path_factory.mktemp("options"))


def by_hand(asked: Asked, question: Question) -> tuple[np.ndarray, torch.Tensor, int]:
    """Probability of each option from the softmax over the whole vocabulary, the state, and the answer's token."""
    (answer,) = Interview(asked.lm, [question], MANNER).answer_all()
    p = asked.lm.head.logits(answer.states[:1].float())[0].double().softmax(0).numpy()
    decoded = [answer_letter(asked.lm.tokenizer.decode([token])) for token in range(len(asked.lm.tokenizer))]
    mass = [sum(p[token] for token, found in enumerate(decoded) if found == letter) for letter in question.letters]
    return np.array(mass) / sum(mass), answer.states[:1].float(), answer.tokens[0]


def test_scores_are_shares_of_the_whole_distribution(asked: Asked) -> None:
    scores = asked.read("option_scores")
    assert isinstance(scores, OptionScores)
    questions = {question.id: question for question in QUESTIONS}
    texts = asked.answers.rows().to_pandas().set_index("question_id")["text"]
    for row, name in enumerate(ORDER):
        expected, _, _ = by_hand(asked, questions[name])
        found = scores.probabilities[row]
        # float32 logits of another batch.
        np.testing.assert_allclose(found[: len(expected)], expected, rtol=1e-4)
        assert (found[len(expected) :] == 0).all()
        assert scores.chosen[row] == "abcd".index(texts[name])
        # Of the letters the most probable was chosen; each has two spellings, b and B.
    assert asked.made("option_scores").summary["letter_rate"] == 1.0


def test_the_radius_is_where_the_options_cross_on_the_ray(asked: Asked) -> None:
    radii = asked.read("option_radii")
    assert isinstance(radii, np.ndarray)
    questions = {question.id: question for question in QUESTIONS}
    tokenizer = asked.lm.tokenizer
    ids = [[tokenizer.convert_tokens_to_ids(spelling) for spelling in (letter, letter.upper())] for letter in "abcd"]
    for name, radius in zip(ORDER, radii, strict=True):
        _, state, token = by_hand(asked, questions[name])
        traced = ray(state, asked.lm.head, torch.tensor([token]))
        chosen = next(place for place, spellings in enumerate(ids) if token in spellings)
        others = [i for place in range(len(questions[name].options)) if place != chosen for i in ids[place]]

        def ahead(at: float, line: object = traced, own: list[int] = ids[chosen], rest: list[int] = others) -> float:
            logits = (line.logits[0].double() + at * line.slope[0].double()).numpy()  # type: ignore[attr-defined]
            return float(logits[own].max() - logits[rest].max())

        if np.isinf(radius):
            assert ahead(1e6) > 0
        else:
            assert ahead(radius * 1.001 + 1e-4) < 1e-4
            assert radius == 0 or ahead(radius * 0.999) > -1e-4


def test_rotations_bring_every_option_to_every_place() -> None:
    held = Question("h", "s", "?", ("x", "y"), ("a",), "t", "s", asked="Word for word?")
    found = rotations([QUESTIONS[0], held, QUESTIONS[1]])
    assert [(one.question.id, one.asked.options) for one in found] == [
        ("c0", ("q", "r", "p")),
        ("c0", ("r", "p", "q")),
        ("c1", ("right", "left")),
    ]
    for one in found:
        assert one.in_place(np.array(one.asked.options)).tolist() == list(one.question.options)


def test_permuted_options_are_averaged_by_content(asked: Asked) -> None:
    sums = asked.read("permuted_options")
    assert isinstance(sums, np.ndarray)
    questions = {question.id: question for question in QUESTIONS}
    scores = asked.read("option_scores")
    assert isinstance(scores, OptionScores)
    evidence = Evidence(np.zeros((4, len(FEATURE_NAMES)), np.float32), np.ones(4, np.int64), 100)
    p = find_method("permuted_options").p_correct(  # type: ignore[union-attr]
        evidence.having(option_scores=scores, permuted_options=sums)
    )
    for row, name in enumerate(ORDER):
        question = questions[name]
        total = np.zeros(len(question.options))
        for shift in range(1, len(question.options)):
            rotated = Rotation(question, shift).asked
            for option, probability in zip(rotated.options, by_hand(asked, rotated)[0], strict=True):
                total[question.options.index(option)] += probability
        np.testing.assert_allclose(sums[row, : len(total)], total, rtol=1e-4)
        whole = (total + by_hand(asked, question)[0]) / len(total)
        assert whole.sum() == pytest.approx(1.0)
        assert p[row] == pytest.approx(whole[scores.chosen[row]], rel=1e-4)
    artifact = asked.made("permuted_options")
    assert (artifact.summary["questions"], artifact.summary["asked"]) == (6, 2 * (2 + 1 + 3))
    assert total_cost(artifact, "tokens") > 0


def test_what_could_not_be_put_again_is_not_scored() -> None:
    scores = OptionScores(np.log([[0.6, 0.4], [0.5, 0.5], [0.5, 0.5]]), np.array([0, 1, -1]))
    known = Evidence(np.zeros((3, len(FEATURE_NAMES)), np.float32), np.ones(3, np.int64), 100)
    sums = np.array([[0.2, 0.8], [np.nan, np.nan], [0.1, 0.9]])
    p = find_method("permuted_options").p_correct(  # type: ignore[union-attr]
        known.having(option_scores=scores, permuted_options=sums)
    )
    assert p.tolist() == pytest.approx([0.4, np.nan, 0.0], nan_ok=True)


def test_open_ended_questions_have_no_options(asked: Asked) -> None:
    answered = AnsweredQuestions("lakes", OPEN, asked.answers, {})
    for need in ("option_scores", "option_radii", "permuted_options"):
        assert NEEDS[need].stage(answered, asked.respondent, Config(), None) is None


def test_nothing_but_empty_answers_has_no_options_to_read(asked: Asked, tmp_path: Path) -> None:
    empty = [replace(question, given_answer="") for question in QUESTIONS[:2]]
    run = Run(tmp_path, "cpu")
    answers = run_stage(AnswerStage(empty, "boats", asked.respondent.model, MANNER, 2), run)
    answered = AnsweredQuestions("boats", empty, answers, {})
    stage = NEEDS["option_scores"].stage(answered, asked.respondent, Config(), None)
    assert isinstance(stage, Stage)
    with pytest.raises(UserError, match="only empty ones"):
        run_stage(stage, run)


def test_questions_that_are_held_word_for_word_are_not_put_again(asked: Asked, tmp_path: Path) -> None:
    held = [replace(question, asked=f"Which of these: {question.text}") for question in QUESTIONS[:2]]
    run = Run(tmp_path, "cpu")
    answers = run_stage(AnswerStage(held, "boats", asked.respondent.model, MANNER, 2), run)
    answered = AnsweredQuestions("boats", held, answers, {})
    stage = NEEDS["permuted_options"].stage(answered, asked.respondent, Config(), None)
    assert isinstance(stage, Stage)
    assert len(run_stage(stage, run).rows()) == 0
