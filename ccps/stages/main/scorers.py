"""The probes of an experiment as scorers that users load."""

from pathlib import Path

from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.probes import FittedProbe
from ccps.settings.experiment import Config
from ccps.stages.main.answer import manner_of
from ccps.stages.main.fit import seed_folder
from ccps.stages.main.runs import REFERENCE, ModelRun


def save_scorers(run: ModelRun, config: Config, folder: Path) -> list[Path]:
    """Write CCPS's probe of the first seed, for each format into a folder of its own, and return all files."""
    files: list[Path] = []
    for form, by_method in run.trained.items():
        if REFERENCE not in by_method:
            continue
        settings = ScorerSettings(
            model_name=run.model,
            model=config.model[run.model],
            fingerprint=run.trains[form].answers.inputs["model"],
            radius=config.perturbation.radius,
            steps=config.perturbation.steps,
            format=form,
            manner=manner_of(config.answering, config.model[run.model]),
        )
        probe = FittedProbe.load(seed_folder(by_method[REFERENCE], config.seeds[0]))
        StoredScorer(probe, settings).save(folder / form)
        files += [path for path in (folder / form).rglob("*") if path.is_file()]
    return files
