"""Stages that tune a tiny random model, ask it once more, and let it read right and wrong answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from ccps.asking.interview import Interview, Manner
from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, Passage, final_states, find_model, letter_tokens
from ccps.needs import tuned as ask_tuned_module
from ccps.needs.answers import stored_answers
from ccps.needs.base import AnsweredQuestions, Respondent
from ccps.needs.references import ReferenceStage, read_references
from ccps.needs.tune import TuneStage, adapter_folder
from ccps.needs.tuned import AskTunedStage, read_no_yes
from ccps.pipeline.computing import run_stage
from ccps.pipeline.heads import load_head
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run
from ccps.settings.tuning import unregularised
from ccps.stages.main.answer import AnswerStage
from ccps.tuning import Adapter, Tuner, TuningConfig, ask_about

MANNER = Manner(max_new_tokens=4, choice="letters")
CONFIG = TuningConfig(steps=5, warmup_steps=0, batch_size=4, micro_batch=2, learning_rate=1e-2, save_every=2)
N = 10
IDS = torch.arange(20)[None]


class Asked(NamedTuple):
    """What every stage is given."""

    answered: AnsweredQuestions
    respondent: Respondent


def questions(form: str) -> list[Question]:
    """The answer is "b" of three options, or Bob, or Ann to the open question q4."""
    options = ("one", "two", "three") if form == "mc" else ()
    accepted = [("b",) if options else ("Ann",) if index == 4 else ("Bob", "Bobby") for index in range(N)]
    texts = [f"What {'is ' * (index % 3)}it, number {index}?" for index in range(N)]
    return [Question(f"q{i}", "s", texts[i], options, accepted[i], "train", "s") for i in range(N)]


def graded(root: Path, answers: Artifact, correct: Sequence[bool | None]) -> Artifact:
    """Grades as the grade stage leaves them, but given."""
    artifact = Artifact.at(root, "grade", {"answers": answers.key, "correct": list(correct)})
    rows = answers.rows().select(["question_id", "text"]).to_pandas().sort_values("question_id")
    with artifact.writing():
        with artifact.shard(0) as folder:
            pq.write_table(pa.Table.from_pandas(rows.assign(correct=pa.array(correct, pa.bool_()))), folder / ROWS)
        artifact.finish(1, {})
    return artifact


@pytest.fixture
def ask(tmp_path: Path, tiny_config: Callable[..., ModelConfig]) -> Callable[..., Asked]:
    """Questions that a tiny model has answered: `ask("oe")`."""
    shared = SharedModel(find_model("tiny", tiny_config("llama")))

    def build(form: str, correct: Sequence[bool | None] = (True, False) * (N // 2), folder: str = "artifacts") -> Asked:
        root, asked = tmp_path / folder, questions(form)
        run = Run(root, "cpu")
        answers = run_stage(AnswerStage(asked, "train", shared, MANNER, 4), run)
        head = shared.save_head(run, torch.device("cpu"))
        answered = AnsweredQuestions("train", asked, answers, {"given": graded(root, answers, correct)})
        return Asked(answered, Respondent(shared, head, MANNER, 4))

    return build


def run_of(asked: Asked) -> Run:
    return Run(asked.answered.answers.folder.parents[1], "cpu")


def model_of(asked: Asked) -> LanguageModel:
    return asked.respondent.model.get(torch.device("cpu"))


@torch.no_grad()
def logits(asked: Asked) -> torch.Tensor:
    logits: torch.Tensor = model_of(asked).model(IDS).logits
    return logits


def test_tuning_leaves_an_adapter_its_curve_and_the_model_as_it_was(ask: Callable[..., Asked]) -> None:
    asked = ask("oe", (True, None, *(True, False) * 4))
    before = logits(asked)
    tuned = run_stage(TuneStage(*asked, CONFIG), run_of(asked))
    assert torch.equal(logits(asked), before)
    rows = tuned.rows().to_pandas()
    assert rows["step"].tolist() == [0, 1, 2, 3, 4]
    assert rows["divergence"].notna().all()
    empty = sum(asked.answered.answers.rows()["is_empty"].to_pylist())
    known = N - 1 - empty
    assert tuned.summary["answers"] == known
    assert tuned.reasons("left out")["correctness unknown"] == 1
    assert tuned.summary["parameters"] == 2 * (8 * (32 + 32) + 8 * (32 + 16))
    assert {Path(name).suffix for name in tuned.manifest["files"]} == {".safetensors", ".json", ".parquet"}
    weights = load_file(adapter_folder(tuned) / "adapter_model.safetensors")
    assert all(value.abs().sum() > 0 for value in weights.values())


def test_every_answer_has_its_turn_once_in_an_epoch(ask: Callable[..., Asked]) -> None:
    asked = ask("mc")
    stage = TuneStage(*asked, TuningConfig(steps=6, warmup_steps=0, batch_size=4, save_every=4))
    stage.prepare(torch.device("cpu"))
    shards = stage.plan()
    assert [len(shard) for shard in shards] == [4, 2]
    batches = [work.content.positions for shard in shards for work in shard]
    assert [len(batch) for batch in batches] == [4, 4, 2] * 2
    for epoch in (batches[:3], batches[3:]):
        assert sorted(position for batch in epoch for position in batch) == list(range(N))


def test_a_run_that_is_stopped_goes_on_to_the_same_adapter(
    ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = ask("oe")
    whole = run_stage(TuneStage(*straight, CONFIG), run_of(straight))
    asked = ask("oe", folder="again")
    before, plain = logits(asked), Tuner.update

    def stop(self: Tuner, batch: Any) -> Any:
        if self.updates == 3:
            raise UserError("stopped")
        return plain(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Tuner, "update", stop)
        with pytest.raises(UserError, match="stopped"):
            run_stage(TuneStage(*asked, CONFIG), run_of(asked))
    assert torch.equal(logits(asked), before)
    again = run_stage(TuneStage(*asked, CONFIG), run_of(asked))
    assert again.key == whole.key
    ours, theirs = (load_file(adapter_folder(one) / "adapter_model.safetensors") for one in (again, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.rows().equals(whole.rows())
    assert torch.equal(logits(asked), before)


def test_instruction_tuning_is_another_artifact_without_a_divergence(ask: Callable[..., Asked]) -> None:
    asked = ask("mc")
    stages = [TuneStage(*asked, config) for config in (CONFIG, unregularised(CONFIG))]
    first, second = (run_stage(stage, run_of(asked)) for stage in stages)
    assert first.key != second.key
    assert second.rows()["divergence"].null_count == CONFIG.steps or np.isnan(second.rows()["divergence"]).all()
    assert [stage.title.split(", ")[-1] for stage in stages] == ["calibration tuning", "instruction tuning"]


@pytest.mark.parametrize(("correct", "got"), [([True] * N, "all right"), ([None] * N, "none that is graded")])
def test_answers_from_which_nothing_can_be_learnt_are_refused(
    ask: Callable[..., Asked], correct: list[bool | None], got: str
) -> None:
    asked = ask("mc", correct)
    with pytest.raises(UserError, match=got):
        run_stage(TuneStage(*asked, CONFIG), run_of(asked))


def test_the_tuned_model_is_asked_about_every_answer(ask: Callable[..., Asked]) -> None:
    asked = ask("oe")
    lm, before = model_of(asked), logits(asked)
    tuned = run_stage(TuneStage(*asked, CONFIG), run_of(asked))
    told = run_stage(AskTunedStage(*asked, tuned), run_of(asked))
    assert torch.equal(logits(asked), before)
    kept = stored_answers(asked.answered.answers)
    ids = [one.question_id for one in kept]
    conversations = ask_about(lm, kept, asked.answered.questions[0], MANNER).prompts
    letters = letter_tokens(lm, 2)
    adapter = Adapter.load(lm, adapter_folder(tuned))
    with torch.no_grad():
        plain = torch.stack([lm.model(torch.tensor([tokens])).logits[0, -1, letters] for tokens in conversations])
    adapter.take_off()
    with torch.no_grad():
        untuned = torch.stack([lm.model(torch.tensor([tokens])).logits[0, -1, letters] for tokens in conversations])
    np.testing.assert_allclose(read_no_yes(told, ids), plain, rtol=1e-3, atol=1e-3)
    assert np.abs(read_no_yes(told, ids) - untuned.numpy()).max() > 1e-2
    assert read_no_yes(told, ids[::-1]).tolist() == read_no_yes(told, ids)[::-1].tolist()
    assert told.summary["asked"] == len(ids)


def test_asking_takes_the_adapter_off_when_it_fails(ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask("mc")
    before = logits(asked)
    tuned = run_stage(TuneStage(*asked, CONFIG), run_of(asked))
    monkeypatch.setattr(AskTunedStage, "step", lambda self, content: (_ for _ in ()).throw(UserError("no")))
    with pytest.raises(UserError, match="no"):
        run_stage(AskTunedStage(*asked, tuned), run_of(asked))
    assert torch.equal(logits(asked), before)


def test_references_of_multiple_choice_take_no_pass_of_the_model(
    ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask("mc")
    monkeypatch.setattr(Interview, "answer", None)
    artifact = run_stage(ReferenceStage(*asked, 23), run_of(asked))
    ids = [question.id for question in asked.answered.questions]
    found = read_references(artifact, load_head(asked.respondent.head), ids)
    letters = letter_tokens(model_of(asked), 3)
    states = {one.question_id: one.states[0] for one in stored_answers(asked.answered.answers)}
    assert torch.equal(found.right.states, torch.stack([states[name] for name in ids]))
    assert torch.equal(found.wrong.states, found.right.states)
    assert found.right.token_ids.tolist() == [letters[1]] * N
    assert set(found.wrong.token_ids.tolist()) == {letters[0], letters[2]}
    assert found.right_lengths.tolist() == found.wrong_lengths.tolist() == [1] * N
    assert torch.equal(found.right.head.weight, model_of(asked).head.weight)


def test_references_of_open_questions_are_read_teacher_forced(ask: Callable[..., Asked]) -> None:
    asked = ask("oe")
    lm = model_of(asked)
    artifact = run_stage(ReferenceStage(*asked, 23), run_of(asked))
    ids = ["q3", "q1", "q0"]
    found = read_references(artifact, load_head(asked.respondent.head), [*ids, "no such question"])
    kept = {one.question_id: one for one in stored_answers(asked.answered.answers)}
    ann, bob = (lm.tokenizer(name, add_special_tokens=False)["input_ids"] for name in ("Ann", "Bob"))
    assert found.right_lengths.tolist() == [3, 3, 3, 0]
    assert found.right.token_ids.tolist() == bob * 3
    read = [final_states(lm, [Passage(kept[name].prompt, bob)])[0] for name in ids]
    torch.testing.assert_close(found.right.states, torch.cat(read), rtol=1e-3, atol=1e-3)
    # q3 and q1 were answered wrong, which is kept; q0 was not, and borrows from q4.
    own = [kept[name] for name in ("q3", "q1")]
    assert found.wrong_lengths.tolist() == [*(len(one.answer) for one in own), 3, 0]
    assert found.wrong.token_ids.tolist() == [*own[0].answer, *own[1].answer, *ann]
    borrowed = final_states(lm, [Passage(kept["q0"].prompt, ann)])[0]
    assert torch.equal(found.wrong.states[:-3], torch.cat([one.states for one in own]))
    torch.testing.assert_close(found.wrong.states[-3:], borrowed, rtol=1e-3, atol=1e-3)
    assert artifact.summary == {
        "questions": N,
        "wrong answer: that of another question": N // 2,
        "wrong answer: the model's own": N // 2,
    }


def test_questions_without_a_wrong_answer_are_left_out_and_counted(ask: Callable[..., Asked]) -> None:
    asked = ask("oe")
    same = [question for question in asked.answered.questions if question.id != "q4"]
    fewer = replace(asked.answered, questions=same)
    artifact = run_stage(ReferenceStage(fewer, asked.respondent, 23), run_of(asked))
    assert artifact.reasons("left out") == {"no right or no wrong answer": N // 2 - 1}
    found = read_references(artifact, load_head(asked.respondent.head), ["q0", "q1"])
    assert found.right_lengths.tolist() == [0, 3]


def test_a_batch_that_does_not_fit_the_memory_is_asked_in_parts(
    ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask("oe")
    stage = AskTunedStage(*asked, run_stage(TuneStage(*asked, CONFIG), run_of(asked)))
    stage.prepare(torch.device("cpu"))
    stage.on_predict_start()
    content = list(range(5))
    whole, rows = stage.step(content), []

    def with_room_for_two(lm: LanguageModel, passages: list[Passage], prefix: Any) -> list[torch.Tensor]:
        if len(passages) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        rows.append(len(passages))
        return final_states(lm, passages, prefix)

    monkeypatch.setattr(ask_tuned_module, "final_states", with_room_for_two)
    parts = stage.step(content)
    stage.on_predict_end()
    assert rows == [2, 1, 2]
    assert parts.schema == whole.schema
    assert parts.drop(["no", "yes"]) == whole.drop(["no", "yes"])
    for column in ("no", "yes"):
        np.testing.assert_allclose(parts[column].to_numpy(), whole[column].to_numpy(), rtol=1e-4, atol=1e-4)
