"""The methods of an experiment as scorers that users load."""

from collections.abc import Iterator
from pathlib import Path

from ccps.core.console import say
from ccps.methods import Method, TrainedMethod, find_method
from ccps.methods.calibrated import Untrained
from ccps.methods.comparison import CALIBRATOR
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.needs.base import is_portable
from ccps.probes import ONE_P
from ccps.settings.experiment import Config
from ccps.settings.method import MethodConfig
from ccps.stages.main.answer import manner_of
from ccps.stages.main.choose import chosen_of, fitted_here
from ccps.stages.main.fit import spreads, taken_along, why_unfitted
from ccps.stages.main.runs import REFERENCE, ModelRun

BEST = "best"
"""The folder of the method that was chosen."""


def save_scorers(run: ModelRun, config: Config, folder: Path) -> None:
    """Write every method that a scorer can compute, for each format into a folder of its own name.

    What was learnt is that of all seeds together, or of the first that is alive. Where the first seed gives one P for
    every answer, and where all do, so that nothing is written, a line says so. Methods that learn nothing are written
    as they are and, with the calibrator that the choose stage has fitted, under a further name. The folder `best`
    holds the one that was chosen, the folder of a format itself CCPS.
    """
    for form in run.trains:
        scorers = dict(_scorers(run, form, config))
        for name, scorer in scorers.items():
            scorer.save(folder / form / name)
        if REFERENCE in scorers:
            scorers[REFERENCE].save(folder / form)
        chosen = chosen_of(run.choices[form]) if form in run.choices else None
        if chosen is not None:
            scorers[chosen].save(folder / form / BEST)


def _scorers(run: ModelRun, form: str, config: Config) -> Iterator[tuple[str, StoredScorer]]:
    """Every method that can be taken along with what it has learnt from answers of a format, by name."""
    for chosen in config.method.values():
        method = find_method(chosen.name, chosen.calibrator)
        if not is_portable(method) or form not in method.formats:
            continue
        if isinstance(method, Method):
            yield method.name, StoredScorer(Untrained(method), _settings(run, form, config, chosen))
            calibrated = find_method(method.name, CALIBRATOR)
            made = fitted_here(run.choices[form], calibrated.name) if form in run.choices else None
            if made is not None and isinstance(calibrated, TrainedMethod):
                settings = _settings(run, form, config, MethodConfig(chosen.name, CALIBRATOR))
                yield calibrated.name, StoredScorer(calibrated.load(made), settings)
            continue
        fitted, where = run.trained[form][method.name], f"{run.model}, {form}, {method.name}"
        if reason := why_unfitted(fitted):
            say("scorer", where, reason, state="not written")
            continue
        taken, first = taken_along(method, fitted), next(iter(spreads(fitted)))
        if taken is None:
            say("scorer", where, f"every seed gives {ONE_P}", state="not written")
            continue
        if taken.seed != first:
            say("scorer", where, f"seed {first} gives {ONE_P}", state=f"that of seed {taken.seed}")
        yield method.name, StoredScorer(taken.fitted, _settings(run, form, config, chosen, taken.spread))


def _settings(
    run: ModelRun, form: str, config: Config, chosen: MethodConfig, spread: float | None = None
) -> ScorerSettings:
    return ScorerSettings(
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
