"""From answered questions to what a scorer has learnt, each of them read once."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ccps.asking.interview import Manner
from ccps.core.errors import UserError, expected
from ccps.llm import LanguageModel, letter_tokens
from ccps.llm.templates import render
from ccps.methods import TrainingAnswers
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.probes import spread
from ccps.scorer.answers import Labels, grade
from ccps.scorer.asked import Asked
from ccps.scorer.fitting import check_both_kinds, choose, methods_of
from ccps.scorer.held_out import OUT_OF_FOLD, HeldOut
from ccps.scorer.learnt import Learnt
from ccps.scorer.reading import Heard, Reads, hear
from ccps.scorer.recipes import PERTURBATION, training_settings
from ccps.scorer.source import Source
from ccps.scorer.summary import summarise
from ccps.settings.method import MethodConfig


def learn(
    source: Source,
    asked: Sequence[Asked],
    labels: Labels | None,
    configs: Sequence[MethodConfig],
    manner: Manner | None,
    data: str,
) -> Learnt:
    """Read every question and its answer, fit the candidates, and keep the best.

    Args:
        source: the model.
        asked: questions of one format, some at least, with their answers if these are given.
        labels: whether each answer is right; None to compare it with what is accepted.
        configs: the candidates.
        manner: how questions are put; None for `manner_for` the model.
        data: what is said of the data.

    Raises:
        UserError: the answers are all right or all wrong, or nothing is to be learnt from so few.
    """
    form = asked[0].question.format
    manner = manner or manner_for(source.opened())
    reads = Reads.of(methods_of(configs), form, PERTURBATION.radius, PERTURBATION.steps)
    started = time.perf_counter()
    heard = hear(source, asked, manner, reads)
    between = time.perf_counter()
    known, left_out = _training(asked, heard, labels)
    check_both_kinds(known.correct)
    choice = choose(known, configs, form, training_settings(form))
    seconds = between - started, time.perf_counter() - between
    settings = ScorerSettings(
        model_name=source.name,
        model=source.config,
        fingerprint=source.fingerprint,
        radius=PERTURBATION.radius,
        steps=PERTURBATION.steps,
        format=form,
        manner=manner,
        method=choice.config.name,
        calibrator=choice.config.calibrator,
        spread=spread(choice.fitted.p_correct(known.evidence)),
    )
    rows = choice.rows.dropna(subset="p_correct")
    held_out = HeldOut(rows["p_correct"].to_numpy(np.float64), rows["correct"].to_numpy(np.bool_), OUT_OF_FOLD)
    summary = summarise(choice, source.name, form, left_out, seconds, data)
    return Learnt(StoredScorer(choice.fitted, settings), summary, held_out)


def manner_for(lm: LanguageModel) -> Manner:
    """How a model can be asked: options by letters, if each is one token, and with a system message if it takes one."""
    manner = Manner(choice="letters", max_batch_tokens=2048 if lm.device.type == "cpu" else 16384)
    try:
        letter_tokens(lm, 26)
    except UserError:
        manner = replace(manner, choice="greedy")
    if lm.tokenizer.chat_template:
        try:
            render(lm.tokenizer, [{"role": "system", "content": "(system)"}, {"role": "user", "content": "(question)"}])
        except UserError:
            manner = replace(manner, system_role="prepend")
    return manner


def _training(asked: Sequence[Asked], heard: Heard, labels: Labels | None) -> tuple[TrainingAnswers, dict[str, int]]:
    """The answers that are known to be right or wrong and have a token; and how many are not."""
    questions = [one.question for one in asked]
    if labels is None:
        labels = grade(questions, [one.text for one in heard.answers])
    known = np.isfinite(labels)
    left_out = {"not known whether right": int((~known).sum()), "empty answer": len(asked) - len(heard.filled)}
    places = np.flatnonzero(known[heard.filled])
    if heard.evidence is None or not len(places):
        raise expected("the answers to fit to", "some that are known to be right or wrong", "none", "Label some.")
    chosen = heard.filled[places]
    ids = [questions[place].id for place in chosen]
    return TrainingAnswers(heard.evidence.select(places), labels[chosen] == 1, ids), left_out
