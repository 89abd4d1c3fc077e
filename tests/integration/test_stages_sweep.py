"""The stages of a sweep on invented states, whose answers are right where the model was sure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import brute_force
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from swept_settings import settings

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.data.records import Question
from ccps.metrics import evaluate
from ccps.needs.base import AnsweredQuestions
from ccps.perturbation import FEATURE_NAMES, Head, flip_radius, stability_features
from ccps.pipeline.computing import run_stage
from ccps.pipeline.heads import HEAD
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run
from ccps.probes import FittedProbe, fit_probe
from ccps.stages.main.runs import ModelAnswers
from ccps.stages.sweep.checks import Swept, to_sweep
from ccps.stages.sweep.extract import read_sweep
from ccps.stages.sweep.fit import CROSS_VALIDATION, folds_of
from ccps.stages.sweep.pipeline import FormatSweep, best_by
from ccps.stages.sweep.points import all_points
from ccps.stages.sweep.report import SweepReportStage
from ccps.stages.sweep.runs import SweptFormat

VOCABULARY, WIDTH = 120, 12
LENGTHS = (1, 1, 2)


def fill(
    artifact: Artifact,
    rows: dict[str, Any],
    tensors: dict[str, Any] | None = None,
    summary: dict[str, Any] | None = None,
) -> Artifact:
    with artifact.writing():
        with artifact.shard(0) as folder:
            pq.write_table(pa.table(rows), folder / ROWS)
            if tensors:
                save_file(tensors, folder / TENSORS)
        artifact.finish(1, summary or {})
    return artifact


def make_side(root: Path, label: str, n: int, weight: torch.Tensor, seed: int) -> AnsweredQuestions:
    generator = torch.Generator().manual_seed(seed)
    lengths = [LENGTHS[index % len(LENGTHS)] for index in range(n)]
    ids = [f"{label}-{index}" for index in range(n)]
    states = torch.randn(sum(lengths), WIDTH, generator=generator) * 3
    logits = states @ weight.T
    tokens = logits.argmax(1).split(lengths)
    last = torch.tensor(np.cumsum(lengths)) - 1
    margin = logits[last].topk(2).values.diff().abs()[:, 0]
    noise = torch.randn(n, generator=generator) * 0.3
    correct = (margin + noise > margin.median()).tolist()
    correct[0] = None  # nobody knows
    answers = fill(
        Artifact.at(root, "answer", {"label": label, "seed": seed}),
        {"question_id": ids, "answer_ids": [answer.tolist() for answer in tokens]},
        {"states": states},
    )
    subjects = [("botany", "sailing")[index % 2] for index in range(n)]
    grades = fill(
        Artifact.at(root, "grade", {"label": label, "seed": seed}),
        {"question_id": ids, "subject": subjects, "correct": pa.array(correct, pa.bool_())},
        summary={"accuracy": 0.5, "by_reason": {"unknown": {"no accepted answer": 1}}},
    )
    asked = [Question(id=name, source=label, subject=subject, text=name, options=("a", "b"), accepted=("a",),
                      split="test") for name, subject in zip(ids, subjects, strict=True)]  # fmt: skip
    return AnsweredQuestions(label=label, questions=asked, answers=answers, grades={"g": grades})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def sides(root: Path) -> ModelAnswers:
    weight = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(0))
    head = Artifact.at(root, "head", {"model": "invented"})
    with head.writing():
        with head.shard(0) as folder:
            folder.mkdir(parents=True, exist_ok=True)
            Head(weight).save(folder / HEAD)
        head.finish(1, {"vocabulary": VOCABULARY, "width": WIDTH})
    train, test = make_side(root, "train_mc", 60, weight, 1), make_side(root, "boats", 40, weight, 2)
    return ModelAnswers("invented", head, {"mc": train}, {"boats": test}, needs={}, learnt={})


@pytest.fixture(scope="module")
def swept() -> Swept:
    return to_sweep(settings())


def sweep_format(swept: Swept, sides: ModelAnswers, root: Path) -> SweptFormat:
    """The whole sweep of what others are taken to have left."""
    job = Job(Run(root, "cpu"))
    left = [
        sides.head,
        *(artifact for side in (sides.trains["mc"], sides.tests["boats"]) for artifact in side.artifacts()),
    ]
    for artifact in left:
        job.keep(artifact, lambda: None)
    sweep = FormatSweep(swept, sides, "mc", job)
    job.run()
    found = sweep.finals(best_by(swept.sweep.choose_by))
    job.run()
    return found


@pytest.fixture(scope="module")
def done(sides: ModelAnswers, swept: Swept, root: Path) -> SweptFormat:
    return sweep_format(swept, sides, root)


def states_of(side: AnsweredQuestions) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = [token for answer in side.answers.rows()["answer_ids"].to_pylist() for token in answer]
    return side.answers.tensors(0)["states"], torch.tensor(tokens)


def test_features_of_every_point_are_those_of_single_extractions(done: Any, sides: ModelAnswers, swept: Any) -> None:
    weight = Head.load(sides.head.path(HEAD)).weight.float()
    states, tokens = states_of(done.train)
    for run in done.directions:
        found = read_sweep(run.features[0])
        assert len(found.question_ids) == len(tokens)
        for index, point in enumerate(all_points(swept.sweep.mc, swept.experiment.perturbation)):
            wanted = stability_features(states, weight, tokens, *point, direction=run.direction)
            np.testing.assert_array_equal(found.at(index), wanted.numpy())


def test_every_answer_is_scored_once_by_a_probe_that_has_not_seen_it(done: Any, swept: Any) -> None:
    points = all_points(swept.sweep.mc, swept.experiment.perturbation)
    for run in done.directions:
        scores = run.scores[0].rows().to_pandas().astype({"sample": str})
        folded = scores[scores["sample"] == CROSS_VALIDATION]
        assert (folded.groupby(["radius", "steps", "question_id"], observed=True).size() == 1).all()
        assert len(folded) == 59 * len(points)  # one answer's correctness is unknown
        assert len(scores) - len(folded) == 39 * len(points)


def test_cross_validation_is_a_fit_to_the_other_folds(done: Any, swept: Any) -> None:
    """The same probe, fitted alone by Lightning to the questions of the other fold."""
    run = done.directions[0]
    point = all_points(swept.sweep.mc, swept.experiment.perturbation)[1]
    features = read_sweep(run.features[0])
    grades = done.train.labels.rows().to_pandas().set_index("question_id")["correct"]
    table = pd.DataFrame(features.at(1), columns=list(FEATURE_NAMES)).assign(question_id=features.question_ids)
    table = table[table["question_id"].map(grades).notna()]
    ids = table["question_id"].drop_duplicates().tolist()
    fold = dict(zip(ids, folds_of(np.array([grades[name] for name in ids], dtype=bool), 2), strict=True))
    held = table["question_id"].map(fold) == 0
    recipe = swept.experiment.probe.mc
    stages = {name: getattr(recipe, name) for name in ("contrastive", "classifier")}
    recipe = type(recipe)(**{**vars(recipe), **{k: type(v)(**{**vars(v), "steps": 50}) for k, v in stages.items()}})
    rest = table[~held]
    correct = rest["question_id"].map(grades).astype(bool).to_numpy()
    probe = fit_probe(
        rest[list(FEATURE_NAMES)].to_numpy(), correct, rest["question_id"].tolist(), recipe, 23, radius=point.radius
    )
    kept = table[held]
    lengths = kept.groupby("question_id", sort=False).size()
    wanted = pd.Series(probe.predict(kept[list(FEATURE_NAMES)].to_numpy(), lengths.tolist()), index=lengths.index)
    scores = run.scores[0].rows().to_pandas().astype({"sample": str, "question_id": str})
    here = scores[(scores["radius"] == point.radius) & (scores["steps"] == point.steps)]
    found = here[here["sample"] == CROSS_VALIDATION].set_index("question_id")["p_correct"]
    np.testing.assert_allclose(found.loc[wanted.index], wanted, atol=1e-4)


def test_the_choice_is_made_on_the_training_side_alone(
    done: Any, sides: ModelAnswers, swept: Swept, root: Path
) -> None:
    """With all test labels turned over, the same strengths are chosen."""
    test = sides.tests["boats"]
    rows = test.labels.rows().to_pandas()
    turned = fill(
        Artifact.at(root, "grade", {"label": "turned"}),
        {**rows.to_dict("list"), "correct": pa.array([None if x is None else not x for x in rows["correct"]])},
        summary=test.labels.summary,
    )
    other = sides._replace(tests={"boats": replace(test, grades={"g": turned})})
    again = sweep_format(swept, other, root)
    assert [run.chosen for run in again.directions] == [run.chosen for run in done.directions]
    first, second = (form.directions[0].grid.rows().to_pandas() for form in (done, again))
    assert not first.equals(second)


def test_a_fit_that_collapses_is_counted_and_said_in_log_table_and_page(
    sides: ModelAnswers, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At radius 100 the probes say the same of every answer."""
    fitted = FittedProbe.predict

    def predict(probe: FittedProbe, features: Any, lengths: Any = None) -> Any:
        p = fitted(probe, features, lengths)
        return np.full_like(p, 0.4) if probe.radius == 100 else p

    monkeypatch.setattr(FittedProbe, "predict", predict)
    swept = to_sweep(settings("sweep.mc.directions=[gradient]", "sweep.mc.training_steps=3"))
    found = sweep_format(swept, sides, root)
    out = capsys.readouterr().out
    assert "one P for every answer" in out
    (run,) = found.directions
    assert run.chosen.radius != 100
    stage = SweepReportStage([found], [], [], swept, {"seeds": [23]}, {"commit": None})
    folder = run_stage(stage, Run(root, "cpu")).folder / "00000"
    table = pd.read_csv(folder / "tables" / "sweep.csv")
    assert set(table.loc[table["collapsed"], "radius"]) == {100.0}
    assert set(table.loc[table["radius"] == 100, "collapsed"]) == {True}
    # Two numbers of steps, one seed, two folds and the whole.
    assert "collapsed probes, invented, mc, gradient, on the grid: 6 of" in (folder / "report.html").read_text()


def test_the_report_holds_all_that_is_promised(done: Any, swept: Any, sides: ModelAnswers, root: Path) -> None:
    stage = SweepReportStage([done], [], [], swept, {"seeds": [23]}, {"commit": None})
    folder = run_stage(stage, Run(root, "cpu")).folder / "00000"
    table = pd.read_csv(folder / "tables" / "sweep.csv")
    assert list(table.columns) == [
        "model", "benchmark", "format", "direction", "radius", "steps", "seed", "metric", "value", "collapsed"
    ]  # fmt: skip
    points = all_points(swept.sweep.mc, swept.experiment.perturbation)
    assert len(table) == 2 * 2 * 5 * len(points)  # directions, samples, metrics
    best = pd.read_csv(folder / "tables" / "best.csv")
    chosen = best[best["choice"] == "chosen on training folds"]
    assert (chosen["seeds"] == 2).all()
    assert chosen[["ci_low", "ci_high"]].notna().all(axis=None)
    hindsight = best[(best["choice"] == "best on the test") & (best["metric"] == "brier")].set_index("direction")
    on_test = table[(table["benchmark"] == "boats") & (table["metric"] == "brier")]
    for direction, value in on_test.groupby("direction")["value"].min().items():
        assert hindsight.loc[direction, "value"] == pytest.approx(value)
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert figures == {
        "curves-invented-boats.png",
        "heat-invented-boats-gradient.png",
        "heat-invented-boats-random.png",
        "flips-invented-boats.png",
    }
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page
    for words in ("chosen on 2 training folds by Brier", "With hindsight", "invented · boats"):
        assert words in page
        assert words in text


@pytest.mark.parametrize("metric", ["brier", "auroc"])
def test_intervals_of_the_best_strengths_are_those_of_a_bootstrap_by_hand(
    done: Any, swept: Swept, root: Path, metric: str
) -> None:
    """Two seeds of each probe: questions and seeds are drawn together, where ends were once averaged over seeds."""
    stage = SweepReportStage([done], [], [], swept, {"seeds": [23]}, {"commit": None})
    best = pd.read_csv(run_stage(stage, Run(root, "cpu")).folder / "00000" / "tables" / "best.csv")
    subjects = done.tests[0].labels.rows().to_pandas().set_index("question_id")["subject"]
    for run in done.directions:
        scores = run.scores[-1].rows().to_pandas().astype({"sample": str, "question_id": str})
        scores = scores.assign(subject=scores["question_id"].map(subjects), model="invented", benchmark="boats")
        radius, steps = run.chosen
        here = scores[(scores["radius"] == radius) & (scores["steps"] == steps)]
        assert here["seed"].nunique() == 2
        name = f"{run.direction}, radius {radius:g} in {steps} {'step' if steps == 1 else 'steps'}"
        drawn = brute_force.drawn(
            here.assign(method=name), "invented", "boats", "mc", name, metric, seed=23, resamples=20
        )
        row = best[(best["direction"] == run.direction) & (best["metric"] == metric)].set_index("choice")
        row = row.loc["chosen on training folds"]
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(brute_force.ends(drawn, 0.95), abs=1e-9)
        values = [
            evaluate(one["p_correct"], one["correct"], groups=one["subject"])[metric] for _, one in here.groupby("seed")
        ]
        assert row["value"] == pytest.approx(np.mean(values), abs=1e-9)


def test_flip_radii_are_the_exact_ones(done: Any, sides: ModelAnswers) -> None:
    states, tokens = states_of(done.tests[0])
    wanted = flip_radius(states, Head.load(sides.head.path(HEAD)).weight.float(), tokens)
    np.testing.assert_array_equal(done.flips[0].rows()["flip_radius"].to_numpy(), wanted.numpy())
