"""The methods of an experiment as scorers that users load."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.methods import Fitted, Method, find_method
from ccps.methods.calibrated import Untrained
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.needs.base import is_portable
from ccps.probes import ONE_P
from ccps.settings.experiment import Config
from ccps.settings.method import MethodConfig
from ccps.stages.main.answer import manner_of
from ccps.stages.main.fit import living_seeds, seed_folder, spreads
from ccps.stages.main.runs import REFERENCE, ModelRun


def save_scorers(run: ModelRun, methods: Sequence[MethodConfig], config: Config, folder: Path) -> None:
    """Write every method that a scorer can compute, for each format into a folder of its own name.

    What was learnt is that of all seeds together, or of the first that is alive. Where the first seed gives one P for
    every answer, and where all do, so that nothing is written, a line says so. The folder of a format holds CCPS.
    """
    for form, by_method in run.trained.items():
        for chosen in methods:
            scorer = _scorer(run, form, chosen, by_method, config)
            if scorer is not None:
                name = find_method(chosen.name, chosen.calibrator).name
                for own in [folder / form / name, *([folder / form] if name == REFERENCE else [])]:
                    scorer.save(own)


def _scorer(
    run: ModelRun, form: str, chosen: MethodConfig, trained: Mapping[str, Artifact], config: Config
) -> StoredScorer | None:
    """A method with what it has learnt from answers of a format; None if no scorer can compute it, or all is dead."""
    method = find_method(chosen.name, chosen.calibrator)
    if not is_portable(method):
        return None
    learnt: Fitted
    spread = None
    if isinstance(method, Method):
        learnt = Untrained(method)
    else:
        fitted = trained[method.name]
        alive, first = living_seeds(fitted), next(iter(spreads(fitted)))
        where = f"{run.model}, {form}, {method.name}"
        if not alive:
            say("scorer", where, f"every seed gives {ONE_P}", state="not written")
            return None
        if alive[0] != first:
            say("scorer", where, f"seed {first} gives {ONE_P}", state=f"that of seed {alive[0]}")
        learnt, spread = method.load(seed_folder(fitted, alive[0])), spreads(fitted)[alive[0]]
    settings = ScorerSettings(
        model_name=run.model,
        model=config.model[run.model],
        fingerprint=run.trains[form].answers.inputs["model"],
        radius=config.perturbation.radius,
        steps=config.perturbation.steps,
        format=form,
        manner=manner_of(config.answering, config.model[run.model]),
        method=chosen.name,
        calibrator=chosen.calibrator,
        spread=spread,
    )
    return StoredScorer(learnt, settings)
