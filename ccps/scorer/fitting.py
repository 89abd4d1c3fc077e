"""Fit the methods that can be taken along, and choose by what they say of answers that they have not learnt from."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from ccps.core.console import bar
from ccps.core.errors import UserError, WrongSettingError, expected
from ccps.methods import METHODS, Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.methods.base import Base
from ccps.methods.calibrated import Untrained
from ccps.methods.comparison import CALIBRATOR, Judged, compare
from ccps.methods.out_of_fold import out_of_fold_rows
from ccps.needs.base import NEEDS, is_portable
from ccps.probes import ONE_P, Reporting, is_collapsed, spread
from ccps.scorer.recipes import METHODS as AUTOMATIC
from ccps.scorer.recipes import SEEDS
from ccps.settings.evaluation import EvaluationConfig
from ccps.settings.method import MethodConfig

AUTO = "auto"
NONE = "none"
"""In a table, where there is no calibrator."""


class Choice(NamedTuple):
    """What was chosen, and what it was compared with.

    Attributes:
        config: the method, and the calibrator on top of it.
        fitted: what it has learnt from all answers.
        rows: what it says out of fold: columns question_id, fold, correct, p_correct, in the order of the answers.
        table: every candidate: columns method, calibrator, brier, brier_low, brier_high, n, folds, why_not, chosen.
        judged: every candidate, in the order of the table.
    """

    config: MethodConfig
    fitted: Fitted
    rows: pd.DataFrame
    table: pd.DataFrame
    judged: list[Judged]


def candidates(method: str, format: str, calibrator: str | None) -> list[MethodConfig]:
    """Which methods are fitted.

    Args:
        method: `auto` for those of `ccps.scorer.recipes.METHODS`, or a name.
        format: `mc` or `oe`.
        calibrator: on top of each; None for Platt's map on what learns nothing, and none on what learns.

    Raises:
        UserError: there is no such method or calibrator, or it is for other questions, or reads more than one pass.
    """
    names = [name for name in AUTOMATIC if format in METHODS[name].formats] if method == AUTO else [method]
    return [config for name in names for config in _with_calibrators(name, format, calibrator)]


def _with_calibrators(name: str, format: str, calibrator: str | None) -> Iterator[MethodConfig]:
    method = find_method(name, calibrator)
    portable = [one for one, own in METHODS.items() if _fits_here(own) and format in own.formats]
    if format not in method.formats or not _fits_here(method):
        wanted = f"one that reads one pass over a question and its answer: {', '.join([AUTO, *portable])}"
        raise expected("`method`", wanted, repr(name), "Choose one of these.")
    if calibrator is not None or isinstance(method, TrainedMethod):
        yield MethodConfig(name, calibrator)
        return
    if method.is_probability:
        yield MethodConfig(name)
    yield MethodConfig(name, CALIBRATOR)


def _fits_here(method: Method | TrainedMethod) -> bool:
    reads = method.reads(for_training=True)
    return is_portable(method) and all(name in NEEDS and NEEDS[name].is_portable for name in reads)


def methods_of(configs: Sequence[MethodConfig]) -> list[Method | TrainedMethod]:
    """All methods that are fitted for some: themselves, and those that they are built on."""
    found: dict[str, Method | TrainedMethod] = {}
    for config in configs:
        method = find_method(config.name, config.calibrator)
        for base in _bases(method):
            found.setdefault(base, METHODS[base])
        found[method.name] = method
    return list(found.values())


def _bases(method: Method | TrainedMethod) -> tuple[str, ...]:
    return method.bases if isinstance(method, TrainedMethod) else ()


def choose(known: TrainingAnswers, configs: Sequence[MethodConfig], format: str, settings: TrainingSettings) -> Choice:
    """Fit every candidate without each fold and to all answers, and take the one with the smallest Brier score.

    Args:
        known: answers that are known to be right or wrong, some of each.
        configs: the candidates.
        format: of the questions.
        settings: how methods are trained.

    Raises:
        UserError: none of them can be fitted, with each reason.
    """
    made: dict[str, tuple[Judged, Base | None]] = {}
    # What others are built on comes first.
    ordered = sorted(methods_of(configs), key=lambda method: len(_bases(method)))
    with bar("methods", len(ordered)) as advance:
        for method in ordered:
            if format in method.formats:
                bases = {name: base for name in _bases(method) if (base := made.get(name, (None, None))[1])}
                made[method.name] = _judge(method, known._replace(bases=bases), settings)
            advance(1)
    judged = [made[find_method(one.name, one.calibrator).name][0] for one in configs]
    table = compare(judged, EvaluationConfig())
    if not table["chosen"].any():  # the share of right answers, for every answer alike, is a confidence too
        alike = [one._replace(why_not="") if one.why_not == ONE_P else one for one in judged]
        table = compare(alike, EvaluationConfig())
    if not table["chosen"].any():
        why = "".join(f"\n  - {one.name}: {one.why_not or 'it says nothing'}" for one in judged)
        raise UserError(
            f"Expected some method to say something of these {len(known.question_ids)} answers, but got none:{why}\n"
            "Add questions, some that the model answers right and some that it answers wrong."
        )
    place = int(np.flatnonzero(table["chosen"])[0])
    best = judged[place]
    assert best.fitted is not None
    return Choice(configs[place], best.fitted, best.rows, table, judged)


def _judge(
    method: Method | TrainedMethod, known: TrainingAnswers, settings: TrainingSettings
) -> tuple[Judged, Base | None]:
    """What a method says out of fold and has learnt from all answers, for itself and for what is built on it."""
    calibrator = getattr(method, "kind", None) or NONE
    if isinstance(method, Method):
        p = method.p_correct(known.evidence)
        rows = pd.DataFrame({"question_id": known.question_ids, "fold": -1, "correct": known.correct, "p_correct": p})
        fitted: Fitted = Untrained(method)
        return Judged(method.name, NONE, rows, _dead(p), fitted), Base(p, fitted)
    seeds = list(SEEDS) if method.averages(settings) else list(SEEDS[:1])
    rows, why_not = out_of_fold_rows(method, known, settings, seeds, Reporting())
    try:
        with torch.enable_grad():
            fitted = method.fit(known, settings, seeds, Reporting())[0]
    except WrongSettingError:
        raise
    except UserError as error:
        return Judged(method.name, calibrator, rows.assign(p_correct=np.nan), why_not or str(error)), None
    why_not = why_not or _dead(fitted.p_correct(known.evidence))
    judged = Judged(method.name, calibrator, rows, why_not, fitted)
    return judged, None if why_not else Base(rows["p_correct"].to_numpy(), fitted)


def _dead(p: "np.typing.NDArray[np.float64]") -> str:
    return ONE_P if is_collapsed(spread(p)) else ""


def check_both_kinds(labels: "np.typing.NDArray[np.bool_]") -> None:
    """Refuse answers that are all right or all wrong.

    Raises:
        UserError: they are, or there are none.
    """
    right = int(labels.sum())
    if right in (0, len(labels)):
        kind = "right" if right else "wrong"
        got = f"{len(labels)}, all of them {kind}" if len(labels) else "none"
        raise expected(
            "the answers to fit to",
            "some right and some wrong, as nothing is to be learnt from one kind alone",
            got,
            f"Add {'harder' if right else 'easier'} questions, "
            "or look whether labels and accepted answers are as you meant them.",
        )
