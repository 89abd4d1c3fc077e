"""Train one method, from every seed if it has any."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from omegaconf import OmegaConf

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError, WrongSettingError
from ccps.core.reasons import with_reasons
from ccps.methods import Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.base import ALL_SEEDS, ALL_SEEDS_IN_WORDS, Base, no_curve
from ccps.methods.calibrated import Untrained
from ccps.pipeline.stage import Stage, Work
from ccps.probes import ONE_P, Reporting, is_collapsed, spread
from ccps.stages.main.graded import graded_answers
from ccps.stages.main.runs import Side

SPREADS = "spreads.json"
COLLAPSED, REFITTED = "collapsed", "refitted"
UNFITTED = "not fitted"
_REFUSAL = "refusal.txt"

_NO_SEED = "null"
"""How JSON writes None where it is a name."""


class BaseArtifacts(NamedTuple):
    """A method that another is built on.

    Attributes:
        method: which.
        fitted: of the fit stage; None if it learns nothing.
        out_of_fold: of the out-of-fold stage; None if it learns nothing.
    """

    method: Method | TrainedMethod
    fitted: Artifact | None = None
    out_of_fold: Artifact | None = None


class _Trained(NamedTuple):
    """A fit, and how far its P(correct) varies over the answers that it was fitted to."""

    fitted: Fitted
    spread: float


class LearningStage(Stage):
    """What stages have in common that fit a method to the graded answers to the training questions.

    Args:
        method: what is fitted.
        train: answers, grades and evidence.
        head: the model's output head.
        model: its name.
        settings: how methods are trained.
        seeds: the method is fitted from each, if it has any.
        bases: what it is built on.
    """

    unit = "methods"

    def __init__(
        self,
        method: TrainedMethod,
        train: Side,
        head: Artifact,
        model: str,
        settings: TrainingSettings,
        seeds: Sequence[int],
        bases: Sequence[BaseArtifacts] = (),
    ) -> None:
        super().__init__()
        self.method = method
        self.train_side = train
        self.head = head
        self.model = model
        self.settings = settings
        self.seeds: list[int | None] = list(seeds) if method.is_seeded else [None]
        self.bases = list(bases)

    @property
    def title(self) -> str:
        """What is trained."""
        return f"{self.model}, {self.train_side.format}, {self.method.name}"

    def inputs(self) -> Mapping[str, Any]:
        """What the method reads, grades, recipe and seeds; and what it is built on, if anything."""
        built_on = [[base.method.name, base.method.version, base.fitted, base.out_of_fold] for base in self.bases]
        recipe = self.method.recipe(self.settings)
        return {
            "method": [self.method.name, self.method.version],
            "evidence": self.train_side.evidence(self.method, for_training=True),
            "grades": self.train_side.labels,
            "recipe": OmegaConf.to_container(OmegaConf.structured(recipe), enum_to_str=True),
            **({"bases": built_on} if built_on else {}),
            "seeds": self.seeds,
        }

    def reads(self) -> Sequence[Artifact]:
        """Features too, of a method that does not look at them: they say which answers have a token."""
        return [*super().reads(), self.train_side.features[self.method.direction]]

    def plan(self) -> Sequence[Sequence[Work]]:
        """All at once."""
        return [[Work(None)]]

    def known(self) -> TrainingAnswers:
        """What the method is trained on."""
        return training_answers(self.train_side, self.method, self.head, self.bases)

    def numbers(self) -> list[int]:
        """The seeds as a method is given them: it is given one even where it has none."""
        return [seed or 0 for seed in self.seeds]


class FitStage(LearningStage):
    """Trains a method on the graded answers to the training questions, once from each seed, or once if it has none.

    Writes the method's own files into a folder for each seed (`seed23`; `once` without seeds), what it makes of all
    seeds into one more (`all`), the training curves as rows, and how far P(correct) of each varies (`spreads.json`). A
    seed whose P hardly does has collapsed, which the line of the stage says. Where the training answers do not let the
    method learn, there is nothing but the reason (`refusal.txt`), and the method is left out.
    """

    name = "fit"
    version = 5

    @property
    def title(self) -> str:
        """What is trained, and how often."""
        return f"{super().title}, {f'{len(self.seeds)} seeds' if self.method.is_seeded else 'once'}"

    @property
    def parts(self) -> list[int | None]:
        """What is learnt: from all seeds together, and from each."""
        return [*([ALL_SEEDS] if self.method.averages(self.settings) else []), *self.seeds]

    def step(self, content: None) -> list[_Trained] | str:
        """Train; or say why that cannot be done.

        Raises:
            WrongSettingError: a setting is at fault, and no answers would mend that.
        """
        known = self.known()
        prefix = f"fit/{self.model}/{self.train_side.format}/{self.method.name}"
        reporting = Reporting(self.trainer.logger, prefix, on_progress=self.progress_within)
        try:
            with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
                fits = self.method.fit(known, self.settings, self.numbers(), reporting)
        except WrongSettingError:
            raise
        except UserError as error:
            return str(error)
        return [_Trained(fitted, spread(fitted.p_correct(known.evidence))) for fitted in fits]

    def save_shard(self, outputs: list[list[_Trained] | str], folder: Path) -> Mapping[str, float]:
        """Write what was learnt, and the training curves; or the reason why there is none."""
        found = outputs[0]
        if isinstance(found, str):
            (folder / _REFUSAL).write_text(found)
            (folder / SPREADS).write_text("{}\n")
            no_curve().assign(seed=pd.array([], dtype="Int64")).to_parquet(folder / ROWS, index=False)
            return {"n": 0}
        curves = []
        for seed, (fitted, _) in zip(self.parts, found, strict=True):
            own = folder / _folder(seed)
            own.mkdir(parents=True)
            fitted.save(own)
            curve = fitted.curve()
            curves.append(curve.assign(seed=pd.array([seed] * len(curve), dtype="Int64")))
        pd.concat(curves, ignore_index=True).to_parquet(folder / ROWS, index=False)
        spreads = {seed: trained.spread for seed, trained in zip(self.parts, found, strict=True)}
        (folder / SPREADS).write_text(json.dumps(spreads, indent=2) + "\n")
        return {"n": found[0].fitted.summary()["train_rows"]}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Numbers that are trained, rows used, and those dropped and why; of the first part, the others are alike.

        And the seeds that have collapsed, each with what is wrong with it.
        """
        shard = artifact.shard_folder(0)
        if (shard / _REFUSAL).is_file():
            return {UNFITTED: (shard / _REFUSAL).read_text(), "parameters": 0}
        fitted = self.method.load(shard / _folder(self.parts[0]))
        dead = {f"{_who(seed)} {ONE_P}": 1 for seed in _collapsed(_read_spreads(shard / SPREADS))}
        return with_reasons({"parameters": fitted.parameters, **fitted.summary(), COLLAPSED: dead})


def why_unfitted(fitted: Artifact) -> str:
    """Why the method of a complete fit artifact could not be fitted; an empty text where it was."""
    return str(fitted.summary.get(UNFITTED, ""))


def check_some_fitted(fits: Mapping[str, Artifact]) -> None:
    """Refuse a run all of whose trained methods are left out.

    Args:
        fits: fit artifacts by what they are of; those that are not complete do not count.

    Raises:
        UserError: none of the methods could be fitted; with each reason once.
    """
    reasons = {what: why_unfitted(fitted) for what, fitted in fits.items() if fitted.complete}
    if not reasons or not all(reasons.values()):
        return
    names: dict[str, list[str]] = {}
    for what, reason in reasons.items():
        names.setdefault(reason, []).append(what)
    lines = "".join(f"\n  - {', '.join(own)}: {reason}" for reason, own in names.items())
    raise UserError(f"Expected some of the trained methods to be fitted, but got none:{lines}")


def training_answers(
    train: Side, method: Method | TrainedMethod, head: Artifact, bases: Sequence[BaseArtifacts] = ()
) -> TrainingAnswers:
    """What a method is trained on, with what those that it is built on say, unless they have collapsed."""
    answers = graded_answers(train, method, head, for_training=True)
    found = {}
    for base in bases:
        if isinstance(base.method, Method):
            found[base.method.name] = Base(base.method.p_correct(answers.evidence), Untrained(base.method))
            continue
        assert base.fitted is not None
        assert base.out_of_fold is not None
        taken = taken_along(base.method, base.fitted)
        if taken is not None:
            rows = base.out_of_fold.rows().to_pandas().set_index("question_id")["p_correct"]
            found[base.method.name] = Base(rows.reindex(answers.question_ids).to_numpy(), taken.fitted)
    return TrainingAnswers(answers.evidence, answers.correct, answers.question_ids, found)


class TakenAlong(NamedTuple):
    """What is taken along of a complete fit artifact.

    Attributes:
        fitted: what was learnt.
        seed: from which seed, or `ALL_SEEDS`; None where the method has none.
        spread: standard deviation of P(correct) over the training answers.
    """

    fitted: Fitted
    seed: int | None
    spread: float


def taken_along(method: TrainedMethod, fitted: Artifact) -> TakenAlong | None:
    """What was learnt from all seeds together, or from the first that is alive; None where all have collapsed."""
    alive = living_seeds(fitted)
    if not alive:
        return None
    return TakenAlong(method.load(seed_folder(fitted, alive[0])), alive[0], spreads(fitted)[alive[0]])


def seed_folder(fitted: Artifact, seed: int | None) -> Path:
    """The folder of a complete fit artifact that holds what was learnt from one seed, its files checked.

    The seed is None for a method that is fitted once, as in all that follows.
    """
    start = f"{_folder(seed)}/"
    folders = {fitted.path(name).parent for name in fitted.files() if name.startswith(start)}
    return min(folders, key=lambda folder: len(folder.parts))


def fitted_parts(fitted: Artifact) -> list[int | None]:
    """What a complete fit artifact holds: that of all seeds together (`ALL_SEEDS`) if there is one, then the seeds."""
    return list(spreads(fitted))


def living_seeds(fitted: Artifact) -> list[int | None]:
    """The parts of a complete fit artifact that do not give one P for every answer; None where it has no seeds."""
    dead = collapsed_seeds(fitted)
    return [seed for seed in fitted_parts(fitted) if seed not in dead]


def spreads(fitted: Artifact) -> dict[int | None, float]:
    """Standard deviation of P(correct) over the training answers, by seed, of a complete fit artifact."""
    return _read_spreads(fitted.path(SPREADS))


def collapsed_seeds(fitted: Artifact) -> list[int | None]:
    """The seeds of a complete fit artifact that give one P for every answer."""
    return _collapsed(spreads(fitted))


def _collapsed(found: Mapping[int | None, float]) -> list[int | None]:
    return [seed for seed, value in found.items() if is_collapsed(value)]


def _read_spreads(path: Path) -> dict[int | None, float]:
    stored = json.loads(path.read_text())
    return {None if seed == _NO_SEED else int(seed): float(value) for seed, value in stored.items()}


def _folder(seed: int | None) -> str:
    return {None: "once", ALL_SEEDS: ALL_SEEDS_IN_WORDS}.get(seed, f"seed{seed}")


def _who(seed: int | None) -> str:
    return {None: "the fit gives", ALL_SEEDS: "all seeds together give"}.get(seed, f"seed {seed} gives")
