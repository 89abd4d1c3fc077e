"""A scorer as its users meet it: what it adds to the model's pass, and how long fitting takes.

Fitting is a part of its own: it asks hundreds of questions, where the other asks some dozens a few times over.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from ccps import ConfidenceScorer
from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError, expected
from ccps.data.records import Question
from ccps.llm import LanguageModel, Passage, final_states
from experiments.benchmarks.forward import representative
from experiments.benchmarks.open_ended import added
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.polygraph import Polygraph
from experiments.benchmarks.timing import ratios, spread, take_turns

TITLE, FITTING = "A scorer", "Fitting a scorer"
ASKED, OPTIONS, FITTED, LEARNT = 64, 4, 300, 60
SLOWER, HALF, FIT = (Target("≤", bound) for bound in (10, 0.5, 20))
TEXT = (
    f"`predict_proba` of {ASKED} questions of {OPTIONS} options each, by a scorer of the method `stack`, which reads "
    "all that one pass shows. The bare pass: the layers alone, over the same prompts in the same batches, what all "
    "begin with read once. lm-polygraph 0.7, in a process and an environment of its own, gets the same prompts word "
    "by word, the same weights in the same type and as many threads, one new token, and says "
    "`MaximumSequenceProbability`: one prompt at a time, as `estimate_uncertainty` does, and in batches of eight; "
    "the faster counts."
)
FITTING_TEXT = (
    f"`fit` on {FITTED} questions that the model answers, without the time in which it does: all candidates, in five "
    "folds and whole, and the choice among them."
)
_ADDS, _TIMES, _FIT = (
    "`predict_proba` adds",
    "`predict_proba` over lm-polygraph's time",
    "`fit` without the model's own time",
)


class Way(NamedTuple):
    """How it is measured.

    Attributes:
        repetitions: how often.
        threads: of torch.
        polygraph: the Python of an environment that has lm-polygraph; empty if there is none.
    """

    repetitions: int
    threads: int
    polygraph: str


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of a model's figures if it is not to be had."""
    return [
        Figure.missing(_ADDS, name, reason, SLOWER),
        Figure.missing(_TIMES, name, reason, HALF),
    ]


def measure_scorer(lm: LanguageModel, choice: Sequence[Question], way: Way) -> list[Figure]:
    """What scoring takes with one model.

    Args:
        lm: the model.
        choice: questions with options, those that are accepted known.
        way: how it is measured.

    Raises:
        UserError: there are too few questions, or nothing is to be learnt of the answers.
    """
    scorer, asked = fitted(lm, choice)
    return _speed(scorer, lm, asked, way)


def fitted(lm: LanguageModel, choice: Sequence[Question]) -> tuple[ConfidenceScorer, list[Question]]:
    """A scorer that has learnt from some questions, and others to ask it.

    Raises:
        UserError: there are too few questions, or nothing is to be learnt of the answers.
    """
    choice = [question for question in choice if len(question.options) == OPTIONS]
    if len(choice) < ASKED + LEARNT:
        wanted = f"{ASKED + LEARNT} with {OPTIONS} options"
        raise expected("the questions of `test`", wanted, len(choice), "Choose a larger benchmark.")
    asked = representative(choice, ASKED)
    taken = {question.id for question in asked}
    others = [question for question in choice if question.id not in taken]
    scorer = ConfidenceScorer(lm.model, lm.tokenizer).fit(representative(others, LEARNT), method="stack")
    return scorer, list(asked)


def measure_fitting(lm: LanguageModel, benchmarks: Iterable[Sequence[Question]]) -> list[Figure]:
    """What fitting takes, once on questions of each of some benchmarks.

    Raises:
        UserError: nothing is to be learnt of the answers.
    """
    return [figure for questions in benchmarks for figure in _fitting(lm, questions)]


def fitting_missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of these figures if the model is not to be had."""
    return [Figure.missing(_FIT, name, reason, FIT)]


def bare_pass(lm: LanguageModel, asked: Sequence[Question], manner: Manner) -> Callable[[], None]:
    """What reads the prompts of some questions, and nothing more."""
    talk = Interview(lm, asked, manner)

    def read() -> None:
        prefix = talk.layout.read_shared()
        for batch in talk.batches:
            final_states(lm, [Passage(talk.prompts[place]) for place in batch], prefix)

    return read


def _speed(scorer: ConfidenceScorer, lm: LanguageModel, asked: Sequence[Question], way: Way) -> list[Figure]:
    name = lm.files.name
    on = f"{name}, {len(asked)} questions"
    bare = bare_pass(lm, asked, scorer.settings.manner)
    ways: dict[str, Callable[[], Any]] = {"bare": bare, "ours": lambda: scorer.predict_proba(asked)}
    prompts = [lm.tokenizer.decode(ids) for ids in Interview(lm, asked, scorer.settings.manner).prompts]
    reason, other = "no `polygraph=` was given.", None
    if way.polygraph:
        try:
            other = Polygraph(way.polygraph, lm, prompts, way.threads)
        except UserError as error:
            reason = str(error)
    bare()
    with other or nullcontext():
        if other is not None:
            ways |= {"singly": other.singly, "batched": other.batched}
        seconds, _ = take_turns(ways, way.repetitions, f"scorer, {name}")
    figures = [
        Figure.of("The bare pass", on, spread(seconds["bare"]), "s"),
        Figure.of("`predict_proba`", on, spread(seconds["ours"]), "s"),
        Figure.of(_ADDS, on, added(seconds["bare"], seconds["ours"]), "%", SLOWER),
    ]
    if other is None:
        return [*figures, Figure.missing(_TIMES, name, reason, HALF)]
    fastest = min((seconds["singly"], seconds["batched"]), key=lambda each: spread(each).median)
    return [
        *figures,
        Figure.of("lm-polygraph, one prompt at a time", on, spread(seconds["singly"]), "s"),
        Figure.of("lm-polygraph, batches of eight", on, spread(seconds["batched"]), "s"),
        Figure.of(_TIMES, on, ratios(seconds["ours"], fastest), "×", HALF),
    ]


def _fitting(lm: LanguageModel, questions: Sequence[Question]) -> list[Figure]:
    asked = representative(questions, FITTED)
    summary = ConfidenceScorer(lm.model, lm.tokenizer).fit(asked).summary
    assert summary is not None
    on = f"{lm.files.name}, {summary.n} questions ({summary.format})"
    return [
        Figure(_FIT, on, summary.fit_seconds, "s", target=FIT),
        Figure("The model's own time", on, summary.model_seconds, "s"),
    ]
