"""Each source left out in its turn: what is tested has not been learnt from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccps.core.artifacts import ROWS, Artifact
from ccps.data.records import Question
from ccps.methods import TrainingSettings, find_method
from ccps.methods.stack import Stacked, logits
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.probes import ProbeConfig, StateProbeConfig, fit_logistic
from ccps.stages.main.runs import Side
from ccps.stages.main.shifts import ShiftsStage, is_cheap

SETTINGS = TrainingSettings(ProbeConfig(), StateProbeConfig(), 20.0)
SIZES = {"arc": 70, "piqa": 60, "sciq": 60, "tiny": 12}


def _artifact(root: Path, stage: str, table: pd.DataFrame) -> Artifact:
    made = Artifact.at(root, stage, {"table": table.to_json()})
    with made.writing(), made.shard(0) as folder:
        table.to_parquet(folder / ROWS, index=False)
    made.finish(1, {"vocabulary": 9})
    return made


def _side(root: Path) -> Side:
    """Right answers lie higher in the first features, on piqa lower."""
    rng = np.random.default_rng(0)
    sources = [source for source, size in SIZES.items() for _ in range(size)]
    ids = [f"{source}/{place}" for place, source in enumerate(sources)]
    correct = rng.integers(2, size=len(ids)).astype(bool)
    features = rng.normal(size=(len(ids), 75)).astype(np.float32)
    features[:, :12] += np.where(np.array(sources) == "piqa", -1, 1)[:, None] * correct[:, None]
    known = {"question_id": ids, "text": "a"}
    return Side(
        label="train_mc",
        questions=[
            Question(name, source, "?", ("yes", "no"), ("a",), "x", source)
            for name, source in zip(ids, sources, strict=True)
        ],
        answers=_artifact(root, "answer", pd.DataFrame(known)),
        grades={"letter": _artifact(root, "grade", pd.DataFrame(known | {"subject": "s", "correct": correct}))},
        needs={},
        features={
            "gradient": _artifact(
                root, "extract", pd.DataFrame(features, columns=list(FEATURE_NAMES)).assign(question_id=ids)
            )
        },
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, pd.DataFrame, Artifact]:
    root = tmp_path_factory.mktemp("shifts")
    side, head = _side(root), _artifact(root, "head", pd.DataFrame({"a": [0]}))
    methods = [find_method(name, None) for name in ("ccps_logistic", "answer_probability", "ccps_shuffled", "p_ik")]
    artifact = run_stage(ShiftsStage(methods, side, head, "tiny", SETTINGS, [23, 24]), Run(root, "cpu"))
    return side, artifact.rows().to_pandas(), artifact


def test_only_what_is_fitted_in_seconds_is_tested(made: tuple[Side, pd.DataFrame, Artifact]) -> None:
    assert set(made[1]["method"]) == {"ccps_logistic", "answer_probability"}
    assert made[2].summary["sources"] == 3
    assert not is_cheap(find_method("ccps_shuffled", None), SETTINGS)
    assert not is_cheap(find_method("p_ik", None), SETTINGS)


def test_a_source_of_few_answers_is_trained_on_and_never_left_out(made: tuple[Side, pd.DataFrame, Artifact]) -> None:
    sizes = made[1].query("method == 'ccps_logistic'").groupby("source").size().to_dict()
    assert sizes == {source: size for source, size in SIZES.items() if source != "tiny"}


def test_what_is_tested_was_fitted_to_all_other_sources(made: tuple[Side, pd.DataFrame, Artifact]) -> None:
    side, rows, _ = made
    table = side.features["gradient"].rows().to_pandas().set_index("question_id")
    correct = side.labels.rows().to_pandas().set_index("question_id")["correct"].astype(bool)
    own = rows[(rows["method"] == "ccps_logistic") & (rows["source"] == "piqa")].set_index("question_id")
    others = [name for name in table.index if not name.startswith("piqa/")]
    by_hand = fit_logistic(table.loc[others].to_numpy(), correct[others].to_numpy(), others)
    assert own["p_correct"].to_numpy() == pytest.approx(by_hand.predict(table.loc[own.index].to_numpy()), abs=1e-6)
    # Its right answers lie the other way, which nobody told the fit.
    assert own.groupby("correct")["p_correct"].mean()[True] < own.groupby("correct")["p_correct"].mean()[False]


class _OfTwo(Stacked):
    """A stack of one method that learns and one that does not."""

    name = "of_two"
    label = "Of two"
    source = "a test"
    bases = ("ccps_logistic", "answer_probability")


def test_a_stack_reads_what_its_bases_say_without_the_source(
    made: tuple[Side, pd.DataFrame, Artifact], tmp_path: Path
) -> None:
    side, rows, _ = made
    head = _artifact(tmp_path, "head", pd.DataFrame({"a": [0]}))
    artifact = run_stage(ShiftsStage([_OfTwo()], side, head, "tiny", SETTINGS, [23]), Run(tmp_path, "cpu"))
    found = artifact.rows().to_pandas().set_index("question_id")
    told = rows.pivot(index="question_id", columns="method", values="p_correct")[list(_OfTwo.bases)]
    own = found.index[found["source"] == "piqa"]
    others = [name for name in found.index if name not in own]
    correct = found["correct"].astype(bool)
    # The answers of the source that is never left out have no such confidence of the first: its mean stands in.
    missing = [name for name in side.labels.rows().to_pandas()["question_id"] if name.startswith("tiny/")]
    assert told.index.intersection(missing).empty
    by_hand = fit_logistic(
        logits([told.loc[others, base].to_numpy() for base in _OfTwo.bases]), correct[others], others
    )
    wanted = by_hand.predict(logits([told.loc[own, base].to_numpy() for base in _OfTwo.bases]))
    assert np.corrcoef(found.loc[own, "p_correct"], wanted)[0, 1] > 0.99
