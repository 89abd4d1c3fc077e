"""The stages that ask a model for more than its answer, on a tiny random model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccps.asking.interview import Manner
from ccps.asking.samples import ChosenSamples, WrittenSamples
from ccps.asking.verbalised import Reply, Verbalisation
from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import ModelConfig, find_model
from ccps.meaning.clusters import meaning
from ccps.needs import samples as sample_module
from ccps.needs.base import AnsweredQuestions, Respondent
from ccps.needs.samples import SampleStage, read_samples
from ccps.needs.verbalised import VerbaliseStage, read_verbalised
from ccps.pipeline.computing import run_stage
from ccps.pipeline.costs import total_cost
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run, Stage
from ccps.pipeline.trainer import run_device
from ccps.settings.samples import SamplesConfig
from ccps.stages.main.answer import AnswerStage

CHOICES = [Question(f"c{i}", "s", f"Number {i}?", ("p", "q", "r"), ("a",), "t", "s") for i in range(5)]
# The third is answered with nothing, so that there is nothing to ask about.
OPEN = [
    Question(f"q{i}", "s", "What? " * (i + 1), (), ("x",), "t", "s", given_answer=answer)
    for i, answer in enumerate(["The river", "a lake", " ", "sea", "7"])
]
MANNER = Manner(max_new_tokens=6, max_batch_tokens=400)
SETTINGS = SamplesConfig(k=3, seed=7)


@pytest.fixture(scope="module")
def shared(tiny_config: Callable[..., ModelConfig]) -> SharedModel:
    return SharedModel(find_model("tiny", tiny_config("llama")))


def answered(questions: Sequence[Question], shared: SharedModel, run: Run) -> Artifact:
    return run_stage(AnswerStage(questions, "boats", shared, MANNER, 2), run)


def about(
    answers: Artifact, questions: Sequence[Question], shared: SharedModel
) -> tuple[AnsweredQuestions, Respondent]:
    nothing = Artifact.at(answers.folder.parents[1], "head", {})
    return AnsweredQuestions("boats", questions, answers, {}), Respondent(shared, nothing, MANNER, 2)


def sampled(questions: Sequence[Question], shared: SharedModel, run: Run, config: SamplesConfig) -> Artifact:
    answers = answered(questions, shared, run)
    return run_stage(SampleStage(*about(answers, questions, shared), config), run)


def files(artifact: Artifact) -> dict[str, bytes]:
    return {
        str(path.relative_to(artifact.folder)): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and path.name not in ("costs.0.jsonl", ".lock")
    }


@pytest.mark.parametrize(("questions", "asked"), [(CHOICES, 5), (OPEN, 4)])
def test_every_answer_that_is_not_empty_has_its_samples(
    questions: list[Question], asked: int, shared: SharedModel, tmp_path: Path
) -> None:
    artifact = sampled(questions, shared, Run(tmp_path, "cpu"), SETTINGS)
    rows = artifact.rows().to_pandas()
    assert rows.groupby("question_id")["sample"].apply(list).tolist() == [[0, 1, 2]] * asked
    assert "q2" not in set(rows["question_id"])
    assert (artifact.summary["asked"], artifact.summary["samples"]) == (asked, 3 * asked)
    assert artifact.summary["cut"] == rows["is_cut"].sum()
    assert (rows["tokens"].map(len) <= 6).all()
    assert (rows["log_prob"] < 0).all()
    assert total_cost(artifact, "n") == asked
    assert (total_cost(artifact, "tokens") > 0) == (questions is OPEN)


def test_choices_are_drawn_without_a_pass_of_the_model(shared: SharedModel, tmp_path: Path) -> None:
    run = Run(tmp_path, "cpu")
    answers = answered(CHOICES, shared, run)
    decoder = shared.get(run_device(run)).model.get_decoder()
    calls = []
    handle = decoder.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        run_stage(SampleStage(*about(answers, CHOICES, shared), SETTINGS), run)
    finally:
        handle.remove()
    assert not calls


def test_reading_back_in_any_order(shared: SharedModel, tmp_path: Path) -> None:
    artifact = sampled(OPEN, shared, Run(tmp_path, "cpu"), SETTINGS)
    rows = artifact.rows().to_pandas()
    got = read_samples(artifact, ["q4", "q0"])
    for place, name in enumerate(["q4", "q0"]):
        own = rows[rows["question_id"] == name].sort_values("sample")
        assert got.texts[place] == own["meaning"].tolist()
        assert got.log_probs[place].tolist() == own["log_prob"].tolist()
    assert got.log_probs.shape == (2, 3)


def test_samples_are_put_in_the_words_of_the_answer_and_of_each_other(
    shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {"q0": ["River.", "lake", "the lake"], "q1": ["x", "y", "a LAKE"], "q3": ["pond", "Pond", "ponds"]}
    said_by_hand(monkeypatch, {**drawn, "q4": ["seven", "7.0", "8"]})
    artifact = sampled(OPEN, shared, Run(tmp_path, "cpu"), SETTINGS)
    assert dict(zip(["q0", "q1", "q3", "q4"], read_samples(artifact, ["q0", "q1", "q3", "q4"]).texts, strict=True)) == {
        "q0": ["The river", "lake", "lake"],
        "q1": ["x", "y", "a lake"],
        "q3": ["pond", "pond", "ponds"],
        "q4": ["7", "7", "8"],
    }
    rows = artifact.rows().to_pandas()
    assert (rows["meaning"].map(meaning) == rows["text"].map(meaning)).all()
    assert artifact.summary["agree"] == 4 / 12
    assert artifact.summary["mean_meanings"] == (2 + 3 + 2 + 2) / 4


def test_a_model_of_entailment_reads_the_question_with_each_answer(
    shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_by_hand(monkeypatch, {name: ["the big river", "lake", "river"] for name in ("q0", "q1", "q3", "q4")})
    asked: list[tuple[str, str]] = []

    class RiversAreBig:
        def __init__(self, folder: Path, device: Any) -> None:
            assert folder == tmp_path

        def entails(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
            asked.extend(pairs)
            return ["river" in one and "river" in other for one, other in ((a.lower(), b.lower()) for a, b in pairs)]

    monkeypatch.setattr(sample_module, "Entailment", RiversAreBig)
    monkeypatch.setattr(sample_module, "find_entailment_model", lambda location: tmp_path)
    artifact = sampled(OPEN, shared, Run(tmp_path / "run", "cpu"), replace(SETTINGS, nli_model="folder"))
    assert read_samples(artifact, ["q0", "q1"]).texts == [
        ["The river", "lake", "The river"],
        ["the big river", "a lake", "the big river"],
    ]
    assert ("What?  the big river", "What?  The river") in asked


def test_entailment_is_part_of_the_key_for_texts_and_not_for_letters(
    shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, "cpu")
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / "config.json").write_text("{}")
    monkeypatch.setattr(sample_module, "find_entailment_model", Path)
    for questions, differs in ((OPEN, True), (CHOICES, False)):
        answers = answered(questions, shared, run)
        with_model = replace(SETTINGS, nli_model=str(tmp_path / "nli"))
        keys = {
            SampleStage(*about(answers, questions, shared), config).artifact(run).key
            for config in (SETTINGS, with_model)
        }
        assert (len(keys) == 2) == differs


def test_an_interrupted_stage_goes_on_with_the_same_bytes(
    shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, "cpu")
    whole = sampled(OPEN, shared, Run(tmp_path / "whole", "cpu"), SETTINGS)
    assert whole.manifest["shards"] == 2
    drawing = WrittenSamples.draw
    left = [1]

    def failing(self: WrittenSamples, batch: list[int]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("killed")
        return drawing(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(WrittenSamples, "draw", failing)
        with pytest.raises(RuntimeError, match="killed"):
            sampled(OPEN, shared, run, SETTINGS)
    assert files(sampled(OPEN, shared, run, SETTINGS)) == files(whole)


@pytest.mark.parametrize("stage", [partial(SampleStage, config=SETTINGS), VerbaliseStage])
def test_nothing_but_empty_answers_is_refused(stage: Callable[..., Stage], shared: SharedModel, tmp_path: Path) -> None:
    run, questions = Run(tmp_path, "cpu"), OPEN[2:3]
    answers = answered(questions, shared, run)
    with pytest.raises(UserError, match="only empty ones"):
        run_stage(stage(*about(answers, questions, shared)), run)


def test_settings_are_checked_before_anything_is_loaded(shared: SharedModel, tmp_path: Path) -> None:
    answers = answered(CHOICES, shared, Run(tmp_path, "cpu"))
    with pytest.raises(UserError, match=r"samples\.k"):
        SampleStage(*about(answers, CHOICES, shared), SamplesConfig(k=1))


def test_what_the_model_says_is_kept_and_what_names_no_probability_is_counted(
    shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = iter([Reply("85%", 0.85, "", 3), Reply("?", math.nan, "no number", 4), Reply("10", 0.1, "", 5)])
    last = Reply("!", math.nan, "no number", 6)
    monkeypatch.setattr(Verbalisation, "ask", lambda self, batch: [next(replies, last) for _ in batch])
    run = Run(tmp_path, "cpu")
    answers = answered(OPEN, shared, run)
    artifact = run_stage(VerbaliseStage(*about(answers, OPEN, shared)), run)
    assert artifact.summary == {
        "asked": 4,
        "named": 2,
        "mean_probability": pytest.approx(0.475),
        "by_reason": {"no probability": {"no number": 2}},
    }
    assert total_cost(artifact, "tokens") == 18
    names = artifact.rows()["question_id"].to_pylist()
    assert set(names) == {"q0", "q1", "q3", "q4"}
    read = read_verbalised(artifact, names[::-1])
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, [math.nan, 0.1, math.nan, 0.85])


def test_a_random_model_names_nothing_and_is_not_given_anything(shared: SharedModel, tmp_path: Path) -> None:
    run = Run(tmp_path, "cpu")
    artifact = run_stage(VerbaliseStage(*about(answered(CHOICES, shared, run), CHOICES, shared)), run)
    rows = artifact.rows().to_pandas()
    assert (rows["probability"].isna() == (rows["reason"] != "")).all()
    assert artifact.summary["asked"] == 5
    assert artifact.summary["named"] + sum(artifact.reasons("no probability").values()) == 5


def said_by_hand(monkeypatch: pytest.MonkeyPatch, texts: dict[str, list[str]]) -> None:
    """Have samples say what the test wants, with the rest of them as drawn."""
    drawing = WrittenSamples.draw

    def draw(self: WrittenSamples, batch: list[int]) -> Any:
        names = [self.question_ids[index] for index in batch]
        return [
            [one._replace(text=text) for one, text in zip(row, texts[name], strict=True)]
            for name, row in zip(names, drawing(self, batch), strict=True)
        ]

    monkeypatch.setattr(WrittenSamples, "draw", draw)


@pytest.mark.parametrize(("questions", "drawer"), [(OPEN, WrittenSamples), (CHOICES, ChosenSamples)])
def test_a_batch_that_does_not_fit_the_memory_is_drawn_in_parts(
    questions: list[Question], drawer: Any, shared: SharedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, "cpu")
    stage = SampleStage(*about(answered(questions, shared, run), questions, shared), SETTINGS)
    stage.prepare(run_device(run))
    content = [2, 0, 3]
    whole, rows, draw = stage.step(content), [], drawer.draw

    def with_room_for_one(self: Any, batch: list[int]) -> Any:
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        rows.extend(batch)
        return draw(self, batch)

    monkeypatch.setattr(drawer, "draw", with_room_for_one)
    parts = stage.step(content)
    assert rows == parts.batch == content
    for row, expected in zip(parts.answers, whole.answers, strict=True):
        assert [one.tokens for one in row] == [one.tokens for one in expected]
