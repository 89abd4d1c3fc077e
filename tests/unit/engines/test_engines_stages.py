"""Answers and samples by an engine, through their stages: the model's own, with parity recorded, or nothing at all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.engines import EngineConfig
from ccps.llm import LanguageModel
from ccps.needs.base import AnsweredQuestions, Respondent
from ccps.needs.samples import SampleStage
from ccps.pipeline.computing import run_stage
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run
from ccps.pipeline.trainer import run_device
from ccps.settings.samples import SamplesConfig
from ccps.stages.main.answer import AnswerStage

OPEN = [Question(f"q{i}", "s", f"{'Why? ' * (i + 1)}", (), ("x",), "test", "s") for i in range(5)]
CHOICES = [replace(question, options=("one", "two"), accepted=("a",)) for question in OPEN]
GIVEN = [replace(question, given_answer="so") for question in OPEN]
MANNER = Manner(max_new_tokens=6, max_batch_tokens=400)
VLLM = EngineConfig("vllm", gpu_memory_utilization=0.3)
PARITY = {"engine_parity_max", "engine_parity_mean"}


def shared(checkpoint: LanguageModel, engine: EngineConfig) -> SharedModel:
    return SharedModel(checkpoint.files, engine)


def answered(questions: Sequence[Question], model: SharedModel, run: Run) -> Artifact:
    return run_stage(AnswerStage(questions, "boats", model, MANNER, 2), run)


def sampled(questions: Sequence[Question], model: SharedModel, run: Run, k: int = 3) -> Artifact:
    answers = answered(questions, model, run)
    asked = AnsweredQuestions("boats", questions, answers, {})
    respondent = Respondent(model, model.head_artifact(run), MANNER, 2)
    return run_stage(SampleStage(asked, respondent, SamplesConfig(k=k)), run)


def test_open_answers_come_from_the_engine_and_their_states_from_the_model(
    installed: Any, checkpoint: LanguageModel, tmp_path: Path
) -> None:
    run, model = Run(tmp_path, "cpu"), shared(checkpoint, VLLM)
    found, own = answered(OPEN, model, run), answered(OPEN, shared(checkpoint, EngineConfig()), run)
    assert found.inputs == {**own.inputs, "engine": "vllm 0.30.1"}
    assert found.rows().to_pylist() == own.rows().to_pylist()
    assert {name: found.summary[name] for name in own.summary} == own.summary
    assert set(found.summary) - set(own.summary) == PARITY
    assert 0 < found.summary["engine_parity_mean"] <= found.summary["engine_parity_max"] < 1e-4
    assert all(set(cost) > PARITY for cost in found.costs())
    model.release()
    assert installed.cleaned == 1


@pytest.mark.parametrize("questions", [CHOICES, GIVEN])
def test_answers_that_are_chosen_or_given_need_no_engine(
    installed: Any, checkpoint: LanguageModel, tmp_path: Path, questions: list[Question]
) -> None:
    run, model = Run(tmp_path, "cpu"), shared(checkpoint, VLLM)
    assert answered(questions, model, run).inputs == answered(questions, shared(checkpoint, EngineConfig()), run).inputs
    model.release()
    assert installed.cleaned == 0


def test_samples_come_from_the_engine_where_they_are_written(
    installed: Any, checkpoint: LanguageModel, tmp_path: Path
) -> None:
    run, model = Run(tmp_path, "cpu"), shared(checkpoint, VLLM)
    many, few = sampled(OPEN, model, run), sampled(OPEN, model, run, k=2)
    rows = many.rows().to_pandas()
    assert rows[rows["sample"] < 2].reset_index(drop=True).equals(few.rows().to_pandas())
    assert rows.groupby("question_id")["text"].nunique().max() > 1
    assert many.inputs["engine"] == "vllm 0.30.1"
    assert set(many.summary) > PARITY
    chosen = sampled(CHOICES, model, run)
    assert "engine" not in chosen.inputs
    assert not PARITY & set(chosen.summary)
    # One engine for all of it.
    assert model.writer(run_device(run)).engine is model.writer(run_device(run)).engine  # type: ignore[attr-defined]


def test_nothing_is_kept_of_an_engine_that_computes_another_model(
    installed: Any, checkpoint: LanguageModel, tmp_path: Path, wrapped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(numbers: list[float]) -> list[float]:
        return [number - 0.2 for number in numbers]

    monkeypatch.setattr("ccps.pipeline.model.VllmEngine", lambda lm, _: wrapped(lm, lie, "vllm"))
    run, model = Run(tmp_path, "cpu"), shared(checkpoint, VLLM)
    stage = AnswerStage(OPEN, "boats", model, MANNER, 2)
    with pytest.raises(UserError, match=r"engine `vllm`.* 0\.2 in the mean"):
        run_stage(stage, run)
    artifact = stage.artifact(run)
    assert not artifact.complete
    assert not any(artifact.has_shard(index) for index in range(5))
