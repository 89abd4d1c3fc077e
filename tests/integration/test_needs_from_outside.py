"""A need, what is learnt for it, and a method that reads it, all defined here: the package is not touched for them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny import Tiny

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.methods import METHODS, Evidence, Method
from ccps.methods import register as register_method
from ccps.methods.evidence import FloatArray
from ccps.needs.base import NEEDS, AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.pipeline.stage import Stage, Work
from ccps.settings.experiment import Config


class PromptLengthStage(AskingStage):
    """Rows of question id and tokens of its prompt."""

    name = "prompt_length"

    def inputs(self) -> Mapping[str, Any]:
        return {"answers": self.answered.answers}

    def prepare(self, device: torch.device) -> None:
        self.rows = self.answered.answers.rows()

    def plan(self) -> Sequence[Sequence[Work]]:
        return [[Work(None, self.rows.num_rows)]]

    def step(self, content: None) -> pa.Table:
        lengths = [len(ids) for ids in self.rows["prompt_ids"].to_pylist()]
        return pa.table({"question_id": self.rows["question_id"], "tokens": lengths})

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        pq.write_table(outputs[0], folder / ROWS)
        return {"n": outputs[0].num_rows}


class LongestPromptStage(PromptLengthStage):
    """One row: the tokens of the longest prompt to be trained on."""

    name = "longest_prompt"

    def step(self, content: None) -> pa.Table:
        return pa.table({"tokens": [max(super().step(content)["tokens"].to_pylist())]})

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"parameters": 1}


class ShareOfLongestStage(PromptLengthStage):
    """The lengths as shares of what is longest in training."""

    name = "share_of_longest"

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent, longest: Artifact) -> None:
        super().__init__(answered, respondent)
        self.longest = longest

    def inputs(self) -> Mapping[str, Any]:
        return {**super().inputs(), "longest": self.longest}

    def step(self, content: None) -> pa.Table:
        rows, [longest] = super().step(content), self.longest.rows()["tokens"].to_pylist()
        return pa.table({"question_id": rows["question_id"], "share": np.array(rows["tokens"]) / longest})


class PromptLength(Need):
    """`[answers]`, tokens of each prompt as a share of the longest in training."""

    name = "prompt_length"
    stages = (LongestPromptStage, ShareOfLongestStage)

    def training(self, train: AnsweredQuestions, respondent: Respondent, config: Config) -> Stage:
        return LongestPromptStage(train, respondent)

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage:
        assert learnt is not None
        return ShareOfLongestStage(answered, respondent, learnt)

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        shares: npt.NDArray[np.float64] = (
            source.own.rows().to_pandas().set_index("question_id").loc[list(question_ids), "share"].to_numpy()
        )
        return shares


class Brevity(Method):
    """Short questions are easy."""

    name = "brevity"
    label = "Brevity"
    source = "this test"
    needs = frozenset({"prompt_length"})

    def p_correct(self, evidence: Evidence) -> FloatArray:
        shares: FloatArray = evidence.read("prompt_length")
        return 1 / (1 + shares)


@pytest.fixture
def registered() -> Iterator[None]:
    register(PromptLength)
    register_method(Brevity)
    yield
    METHODS.remove("brevity")
    NEEDS.remove("prompt_length")


def rows(artifact: Path) -> pd.DataFrame:
    """All rows of an artifact, by question."""
    return pd.concat(pd.read_parquet(path) for path in artifact.glob(f"*/{ROWS}")).set_index("question_id")


CHOSEN = ("method=[ccps,answer_probability]", "+method.brevity={name:brevity}")


@pytest.mark.usefixtures("registered")
def test_a_need_and_a_method_from_outside_go_through_all_stages_to_the_report(tiny: Tiny) -> None:
    output = tiny.run(*CHOSEN, "+method.calibrated={name:brevity,calibrator:platt}")
    assert output is not None
    results = pd.read_csv(output / "tables" / "results.csv")
    assert set(results["method"]) == {"ccps", "answer_probability", "brevity", "brevity_platt"}
    assert set(results.query("method == 'brevity'")["metric"]) == set(results.query("method == 'ccps'")["metric"])
    assert "Brevity" in (output / "report.html").read_text(encoding="utf-8")
    costs = pd.read_csv(output / "costs.csv")
    assert {"longest_prompt", "share_of_longest"} <= set(costs["stage"])
    # What was read is what was made: the longer the prompt, the lower the confidence.
    [scores] = [path.parent for path in tiny.artifacts.glob("score/*/inputs.json") if '"brevity",' in path.read_text()]
    p = rows(scores)["p_correct"]
    lengths = pd.concat([rows(path) for path in (tiny.artifacts / "answer").iterdir()])["prompt_ids"].map(len)
    longest = lengths.drop(p.index).max()
    assert lengths[p.index].nunique() > 1
    assert (1 / p - 1).tolist() == pytest.approx((lengths[p.index] / longest).tolist())


@pytest.mark.usefixtures("registered")
def test_its_stage_can_be_asked_for_by_name(tiny: Tiny) -> None:
    tiny.run(*CHOSEN, "stages=[answer,grade,longest_prompt]")
    assert len(list((tiny.artifacts / "longest_prompt").iterdir())) == 1
    assert not (tiny.artifacts / "share_of_longest").exists()


def test_a_method_whose_need_nobody_makes_is_refused_before_anything_runs(tiny: Tiny) -> None:
    register_method(Brevity)
    try:
        with pytest.raises(UserError, match=r"`need` to be one of .*, but got 'prompt_length'"):
            tiny.run(*CHOSEN)
    finally:
        METHODS.remove("brevity")
    assert not tiny.artifacts.exists()
