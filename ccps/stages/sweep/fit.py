"""Fit probes to every strength of a sweep, as one batched problem, and score with them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from omegaconf import OmegaConf

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.reasons import with_reasons
from ccps.needs.base import AnsweredQuestions
from ccps.perturbation import Grid
from ccps.pipeline.stage import Stage, Work
from ccps.probes import ONE_P, FittedProbe, ProbeConfig, ProbeTask, fit_probes, is_collapsed, spread
from ccps.stages.sweep.extract import SweepFeatures, read_sweep

CROSS_VALIDATION = "cross-validation"
COLLAPSED = "collapsed"
_PROBES_PER_SHARD = 100
_FOLD_SEED = 0


class SweptSide(NamedTuple):
    """Graded answers and the features of all strengths along one direction."""

    side: AnsweredQuestions
    features: Artifact

    @property
    def artifacts(self) -> list[Artifact]:
        """What determines it."""
        return [self.features, self.side.labels]


class _Known(NamedTuple):
    """Answers that are known to be right or wrong, with the features of all strengths."""

    features: SweepFeatures
    rows: npt.NDArray[np.int64]
    """Tokens that belong to them."""
    question_ids: npt.NDArray[np.str_]
    """Of each answer."""
    lengths: npt.NDArray[np.int64]
    """Tokens of each answer."""
    correct: npt.NDArray[np.bool_]
    """Of each answer."""

    def at(self, point: int) -> npt.NDArray[np.float32]:
        """Features of one strength, `[tokens, 75]`."""
        return self.features.at(point)[self.rows]

    def answers_of(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Mark the tokens of the answers that are marked."""
        return np.repeat(chosen, self.lengths)


class _Job(NamedTuple):
    """One probe: its strength, its seed, and the fold that it is not fitted to and scores (None: it scores tests)."""

    point: int
    seed: int
    fold: int | None


class SweepFitStage(Stage):
    """Rows of radius, steps, seed, sample, question id, P(correct), `correct` and `spread`.

    The sample is a test benchmark, scored by a probe fitted to all training answers, or `cross-validation`: training
    answers, each scored by a probe that was fitted to the other folds. Folds are the same for all strengths and seeds.
    `spread` is how far P(correct) varies over the answers that the probe was fitted to (`ccps.probes.spread`).
    """

    name = "sweep_fit"
    version = 2
    unit = "probes"
    independent = True

    def __init__(
        self,
        train: SweptSide,
        tests: Mapping[str, SweptSide],
        points: Sequence[Grid],
        chosen: Sequence[Grid],
        recipe: ProbeConfig,
        seeds: Sequence[int],
        folds: int,
        label: str,
    ) -> None:
        super().__init__()
        self.train_side = train
        self.tests = dict(tests)
        self.points = list(points)
        self.chosen = list(chosen)
        self.recipe = recipe
        self.seeds = list(seeds)
        self.folds = folds
        self.label = label

    @property
    def title(self) -> str:
        """How many strengths, of what."""
        strengths = f"{len(self.chosen)} {'strength' if len(self.chosen) == 1 else 'strengths'}"
        return f"{self.label}, {strengths}, {len(self.seeds)} {'seed' if len(self.seeds) == 1 else 'seeds'}"

    def inputs(self) -> Mapping[str, Any]:
        """Features, grades, strengths, recipe, seeds and folds."""
        return {
            "train": self.train_side.artifacts,
            "sources": sorted({question.source for question in self.train_side.side.questions}),
            "tests": {label: test.artifacts for label, test in self.tests.items()},
            "points": [list(point) for point in self.chosen],
            "recipe": OmegaConf.to_container(OmegaConf.structured(self.recipe), enum_to_str=True),
            "seeds": self.seeds,
            "folds": self.folds,
        }

    def prepare(self, device: torch.device) -> None:
        """Read all features and grades."""
        self.known = _read(self.train_side)
        self.known_tests = {label: _read(test) for label, test in self.tests.items()}
        self.fold_of = folds_of(self.known.correct, self.folds)

    def plan(self) -> Sequence[Sequence[Work]]:
        """As many strengths at a time as make about a hundred probes."""
        each = len(self.seeds) * (self.folds + 1)
        size = max(1, _PROBES_PER_SHARD // each)
        groups = [self.chosen[start : start + size] for start in range(0, len(self.chosen), size)]
        return [[Work(group, len(group) * each)] for group in groups]

    def step(self, content: list[Grid]) -> pd.DataFrame:
        """Fit the probes of some strengths together, and score with each."""
        folds = [*range(self.folds), None]
        points = [self.points.index(point) for point in content]
        jobs = [_Job(point, seed, fold) for point in points for seed in self.seeds for fold in folds]
        with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
            probes = fit_probes([self._task(job) for job in jobs], self.recipe)
        tables = [table for job, probe in zip(jobs, probes, strict=True) for table in self._scores(job, probe)]
        return pd.concat(tables, ignore_index=True)

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write the scores."""
        outputs[0].astype({"sample": "category", "question_id": "category"}).to_parquet(folder / ROWS, index=False)
        return {"n": len(outputs[0])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count probes, and the answers of each sample."""
        answers = {CROSS_VALIDATION: len(self.known.correct)} if self.folds else {}
        answers |= {label: len(known.correct) for label, known in self.known_tests.items()}
        probes = sum(work.size for shard in self.plan() for work in shard)
        dead = {ONE_P: sum(is_collapsed(value) for value in _spreads(artifact.written_rows().to_pandas()))}
        counts = {f"answers ({label})": number for label, number in answers.items()}
        return with_reasons({"probes": probes, **counts, COLLAPSED: dead})

    def _task(self, job: _Job) -> ProbeTask:
        known, kept = self.known, self.fold_of != job.fold
        tokens = known.answers_of(kept)
        return ProbeTask(
            known.at(job.point)[tokens],
            np.repeat(known.correct, known.lengths)[tokens],
            np.repeat(known.question_ids, known.lengths)[tokens].tolist(),
            job.seed,
            self.points[job.point].radius,
        )

    def _scores(self, job: _Job, probe: FittedProbe) -> Iterator[pd.DataFrame]:
        for table in self._scored_samples(job, probe):
            yield table.assign(fold=-1 if job.fold is None else job.fold, spread=self._spread(job, probe))

    def _spread(self, job: _Job, probe: FittedProbe) -> float:
        kept = self.fold_of != job.fold
        features = self.known.at(job.point)[self.known.answers_of(kept)]
        return spread(probe.predict(features, self.known.lengths[kept].tolist()))

    def _scored_samples(self, job: _Job, probe: FittedProbe) -> Iterator[pd.DataFrame]:
        if job.fold is None:
            for label, known in self.known_tests.items():
                yield self._scored(job, probe, label, known, np.ones(len(known.correct), dtype=np.bool_))
        else:
            yield self._scored(job, probe, CROSS_VALIDATION, self.known, self.fold_of == job.fold)

    def _scored(
        self, job: _Job, probe: FittedProbe, sample: str, known: _Known, chosen: npt.NDArray[np.bool_]
    ) -> pd.DataFrame:
        radius, steps = self.points[job.point]
        features = known.at(job.point)[known.answers_of(chosen)]
        return pd.DataFrame(
            {
                "radius": radius,
                "steps": steps,
                "seed": job.seed,
                "sample": sample,
                "question_id": known.question_ids[chosen],
                "p_correct": probe.predict(features, known.lengths[chosen].tolist()),
                "correct": known.correct[chosen],
            }
        )


def _spreads(rows: pd.DataFrame) -> "pd.Series[float]":
    """How far P(correct) of each probe varies."""
    return rows.groupby(["radius", "steps", "seed", "fold"])["spread"].first()


def folds_of(correct: npt.NDArray[np.bool_], folds: int) -> npt.NDArray[np.int64]:
    """Deal answers out to folds at random, right and wrong ones alike; all to the first if there are no folds."""
    order = np.random.default_rng(_FOLD_SEED).permutation(len(correct))
    wrong_first = order[np.argsort(correct[order], kind="stable")]
    fold = np.empty(len(correct), dtype=np.int64)
    fold[wrong_first] = np.arange(len(correct)) % max(1, folds)
    return fold


def _read(swept: SweptSide) -> _Known:
    """Join features and grades of the side's questions; answers without a token, or of unknown correctness, are out."""
    features = read_sweep(swept.features)
    graded = swept.side.labels.rows().select(["question_id", "correct"]).to_pandas()
    graded = graded[graded["question_id"].isin([question.id for question in swept.side.questions])]
    correct = graded.dropna(subset="correct").set_index("question_id")["correct"].astype(bool)
    ids = pd.Series(features.question_ids)
    rows = np.flatnonzero(ids.isin(correct.index))
    lengths = ids.iloc[rows].groupby(ids.iloc[rows], sort=False).size()
    return _Known(
        features,
        rows,
        lengths.index.to_numpy(dtype=np.str_),
        lengths.to_numpy(dtype=np.int64),
        correct.loc[lengths.index].to_numpy(dtype=np.bool_),
    )
