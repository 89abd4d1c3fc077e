"""The probes of an experiment as scorers that users load."""

from pathlib import Path

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.probes import ONE_P, FittedProbe
from ccps.settings.experiment import Config
from ccps.stages.main.answer import manner_of
from ccps.stages.main.fit import collapsed_seeds, seed_folder, spreads
from ccps.stages.main.runs import REFERENCE, ModelRun


def exported_seed(fitted: Artifact) -> int | None:
    """The first seed of a complete fit artifact whose probe is alive; None where none is."""
    dead = collapsed_seeds(fitted)
    return next((seed for seed in spreads(fitted) if seed is not None and seed not in dead), None)


def save_scorers(run: ModelRun, config: Config, folder: Path) -> list[Path]:
    """Write CCPS's probe of the first seed that is alive, for each format into a folder of its own.

    Where the first seed gives one P for every answer, and where all do, so that nothing is written, a line says so.

    Returns:
        All files.
    """
    files: list[Path] = []
    for form, by_method in run.trained.items():
        if REFERENCE not in by_method:
            continue
        fitted = by_method[REFERENCE]
        seed = exported_seed(fitted)
        first = config.seeds[0]
        if seed is None:
            say("scorer", f"{run.model}, {form}", f"every seed gives {ONE_P}", state="not written")
            continue
        if seed != first:
            say("scorer", f"{run.model}, {form}", f"seed {first} gives {ONE_P}", state=f"that of seed {seed}")
        settings = ScorerSettings(
            model_name=run.model,
            model=config.model[run.model],
            fingerprint=run.trains[form].answers.inputs["model"],
            radius=config.perturbation.radius,
            steps=config.perturbation.steps,
            format=form,
            manner=manner_of(config.answering, config.model[run.model]),
            spread=spreads(fitted)[seed],
        )
        StoredScorer(FittedProbe.load(seed_folder(fitted, seed)), settings).save(folder / form)
        files += [path for path in (folder / form).rglob("*") if path.is_file()]
    return files
