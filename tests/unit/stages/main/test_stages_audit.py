from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ccps.core.artifacts import ROWS, Artifact
from ccps.data.records import Question
from ccps.methods import TrainingSettings
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.probes import ProbeConfig, StateProbeConfig, fit_logistic, fit_probe
from ccps.probes.importance import FEATURE_GROUPS
from ccps.settings.audit import AuditConfig, TransferBy
from ccps.settings.evaluation import EvaluationConfig
from ccps.settings.probe import StageConfig
from ccps.stages.main.audit import PARTS, AuditStage, read_table
from ccps.stages.main.runs import Side

PROBE = ProbeConfig(
    contrastive=StageConfig(steps=0), classifier=StageConfig(steps=40, learning_rate=1e-2, eval_every=20)
)
SETTINGS = TrainingSettings(PROBE, StateProbeConfig(), 20.0)
EVALUATION = EvaluationConfig(resamples=20)
AUDIT = AuditConfig(repeats=2, explained=7, background=3, permutations=1)
SEED = 5


def artifact(root: Path, stage: str, table: pd.DataFrame) -> Artifact:
    made = Artifact.at(root, stage, {"table": table.to_json()})
    if not made.complete:
        with made.writing(), made.shard(0) as folder:
            table.to_parquet(folder / ROWS, index=False)
        made.finish(1, {"vocabulary": 9})
    return made


def side(root: Path, label: str, sources: dict[str, int], seed: int) -> Side:
    """Questions of several sources; right answers lie higher in the features of the original state.

    The last answer of each source is ungraded.
    """
    rng = np.random.default_rng(seed)
    questions = [
        Question(f"{label}/{source}/{number}", source, "?", ("yes", "no"), ("a",), "x", source)
        for source, size in sources.items()
        for number in range(size)
    ]
    ids = [question.id for question in questions]
    correct = rng.integers(2, size=len(ids)).astype(bool)
    features = rng.normal(size=(len(ids), 75)).astype(np.float32)
    features[:, :12] += 2 * correct[:, None]
    graded = pd.Series(correct, dtype="boolean")
    graded[np.cumsum(list(sources.values())) - 1] = pd.NA
    known = {"question_id": ids, "text": "a"}
    return Side(
        label=label,
        questions=questions,
        answers=artifact(root, "answer", pd.DataFrame(known)),
        grades={"letter": artifact(root, "grade", pd.DataFrame(known | {"subject": "s", "correct": graded}))},
        needs={},
        features={
            "gradient": artifact(
                root, "extract", pd.DataFrame(features, columns=list(FEATURE_NAMES)).assign(question_id=ids)
            )
        },
    )


def fitted(root: Path) -> Artifact:
    made = Artifact.at(root, "fit", {"seeds": [SEED]})
    if made.complete:
        return made
    rng = np.random.default_rng(0)
    correct = rng.integers(2, size=100)
    features = rng.normal(size=(100, 75))
    features[:, :12] += 2 * correct[:, None]
    probe = fit_probe(features, correct, [f"q{row}" for row in range(100)], PROBE, SEED, radius=20.0)
    with made.writing(), made.shard(0) as folder:
        probe.save(folder / f"seed{SEED}")
    made.finish(1, {})
    return made


def stage(
    root: Path, seed: int = SEED, evaluation: EvaluationConfig = EVALUATION, config: AuditConfig = AUDIT
) -> AuditStage:
    train = side(root, "train_mc", {"arc": 41, "piqa": 31, "tiny": 6}, 1)
    tests = [side(root, "mmlu", {"mmlu": 51}, 2), side(root, "mmlu_pro", {"mmlu_pro": 26}, 3)]
    head = artifact(root, "head", pd.DataFrame({"a": [0]}))
    return AuditStage(train, tests, head, fitted(root), "tiny", SETTINGS, seed, config, evaluation)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("audit")
    return run_stage(stage(root), Run(root, "cpu"))


def table(made: Artifact, part: str) -> pd.DataFrame:
    return read_table(made.path(f"{part}.parquet").parent, part)


def test_all_tables_are_there(made: Artifact) -> None:
    assert {name.partition("/")[2] for name in made.manifest["files"]} == {f"{part}.parquet" for part in PARTS}


def test_groups_are_permuted_on_all_graded_test_answers(made: Artifact) -> None:
    found = table(made, "importance").set_index("group")
    assert found.index.tolist() == list(FEATURE_GROUPS)
    assert found["n"].eq(50 + 25).all()
    assert found["drop"].idxmax() == "original state"


def test_test_answers_are_explained(made: Artifact) -> None:
    found = table(made, "shap")
    assert found["feature"].tolist() == list(FEATURE_NAMES)
    assert found["n"].eq(7).all()


def test_every_source_is_moved_to_every_other_one_and_to_every_test(made: Artifact) -> None:
    found = table(made, "transfer").set_index(["train", "test"])
    assert len(found) == 3 * 5
    assert found.loc[("arc", "piqa"), ["n", "train_n"]].tolist() == [30, 40]
    assert found.loc[("arc", "mmlu"), "n"] == 50
    assert found.loc[("piqa", "mmlu_pro"), "n"] == 25
    assert found.loc[("arc", "mmlu"), "value"] > 0.8
    assert found.loc[("tiny", "mmlu"), "reason"] == "5 answers, fewer than 20"
    assert found["by"].eq("Logistic on features").all()


def test_what_is_moved_is_the_logistic_regression_or_the_probe(made: Artifact, tmp_path: Path) -> None:
    train = side(tmp_path, "train_mc", {"arc": 41, "piqa": 31, "tiny": 6}, 1)
    test = side(tmp_path, "mmlu", {"mmlu": 51}, 2)

    def known(one: Side, source: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        rows = one.features["gradient"].rows().to_pandas()
        grades = one.grades["letter"].rows().to_pandas()["correct"]
        kept = (rows["question_id"].str.split("/").str[1] == source) & grades.notna()
        return (
            rows.loc[kept, list(FEATURE_NAMES)].to_numpy(),
            grades[kept].astype(bool).to_numpy(),
            list(rows["question_id"][kept]),
        )

    features, correct, ids = known(train, "arc")
    new, truth, _ = known(test, "mmlu")
    moved = table(made, "transfer").set_index(["train", "test"]).loc[("arc", "mmlu"), "value"]
    assert moved == pytest.approx(roc_auc_score(truth, fit_logistic(features, correct, ids).predict(new)))

    by_probe = run_stage(stage(tmp_path, config=replace(AUDIT, transfer=TransferBy.probe)), Run(tmp_path, "cpu"))
    found = table(by_probe, "transfer").set_index(["train", "test"])
    probe = fit_probe(features, correct, ids, PROBE, SEED, radius=20.0)
    assert found.loc[("arc", "mmlu"), "value"] == pytest.approx(roc_auc_score(truth, probe.predict(new)), abs=1e-3)
    assert found["by"].eq("CCPS").all()
    assert found["reason"].isna().sum() == 2 * 4


def test_the_summary_says_what_matters(made: Artifact) -> None:
    moved, drops = table(made, "transfer"), table(made, "importance")
    itself = moved["train"] == moved["test"]
    assert made.summary == pytest.approx(
        {
            **{f"drop without {row.group}": row.drop for row in drops.itertuples()},
            "auroc on the same source": moved[itself]["value"].mean(),
            "auroc on others": moved[~itself]["value"].mean(),
            "transfers missing": 5 + 2,
        }
    )


def test_what_decides_the_result_decides_the_key(tmp_path: Path) -> None:
    run, one = Run(tmp_path, "cpu"), stage(tmp_path)
    keys = {one.artifact(run).key, stage(tmp_path).artifact(run).key}
    assert len(keys) == 1
    keys.add(stage(tmp_path, seed=6).artifact(run).key)
    keys.add(stage(tmp_path, evaluation=EvaluationConfig(resamples=21)).artifact(run).key)
    other = stage(tmp_path)
    other.train_side = replace(
        other.train_side, questions=[replace(question, source="other") for question in other.train_side.questions]
    )
    keys.add(other.artifact(run).key)
    assert len(keys) == 4
