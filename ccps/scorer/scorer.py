"""The front door for practitioners: a calibrated confidence with each answer of a model of one's own."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from ccps.asking.interview import Manner
from ccps.core.console import say as tell
from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.methods.stored_scorer import StoredScorer, scorer_folder
from ccps.scorer import hub
from ccps.scorer.answering import Questions
from ccps.scorer.answers import labels_of, with_answers
from ccps.scorer.deciding import DecidingScorer
from ccps.scorer.fitting import AUTO, candidates
from ccps.scorer.learning import learn
from ccps.scorer.learnt import Learnt
from ccps.scorer.questions import as_asked
from ccps.scorer.source import Source
from ccps.settings.model import ModelConfig


class ConfidenceScorer(DecidingScorer):
    """Says how probable it is that a language model's answers are right.

    >>> from ccps import ConfidenceScorer
    >>> scorer = ConfidenceScorer(model, tokenizer)  # doctest: +SKIP
    >>> scorer.fit(questions, correct=right_answers)  # doctest: +SKIP
    >>> scorer.predict_proba(["Which river runs through Cologne?"])  # doctest: +SKIP
    array([0.83])

    The model is read and never changed: no weight, no dtype, no mode, no setting of generation, no hook. A scorer may
    be used by several threads; the model is read by one at a time.

    Args:
        model: a causal language model of transformers, a pipeline, a folder, a GGUF file, a hub id, the name of an
            asset, or settings as in `conf/model`.
        tokenizer: the model's own, for a model that is loaded already.
        device: where a model goes that is loaded here: `auto`, `cpu`, `cuda`, …. One that is loaded stays where it is.
        dtype: in which such a model is held; by default that of its files.
        manner: how questions are put; by default options are chosen among by their letters, and an open-ended answer
            is cut off after 30 tokens.

    Raises:
        UserError: it is no causal language model, its tokenizer is missing or another's, or its head is not linear.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        device: str = "auto",
        dtype: str | None = None,
        manner: Manner | None = None,
    ) -> None:
        if isinstance(model, str | Path | ModelConfig):
            self._source = Source.named(model, device, dtype)
        else:
            self._source = Source.handed(model, tokenizer)
        self._manner = manner
        self._learnt = None

    @classmethod
    def of(
        cls,
        learnt: Learnt | StoredScorer,
        model: Any = None,
        location: str | Path | None = None,
        device: str = "auto",
        *,
        tokenizer: Any = None,
    ) -> Self:
        """A scorer of what has been learnt already, with the model that it was learnt of; as `load`, without a folder.

        Raises:
            UserError: the method takes more than one pass over question and answer, or the model is another.
        """
        scorer = cls.__new__(cls)
        scorer._learnt = learnt if isinstance(learnt, Learnt) else Learnt(learnt)
        scorer._learnt.check_portable()
        settings = scorer._learnt.stored.settings
        scorer._manner = settings.manner
        if isinstance(model, str | Path):
            model, location = None, model
        if model is not None and not isinstance(model, ModelConfig):
            scorer._source = Source.handed(model, tokenizer, settings.fingerprint)
        else:
            config = settings.model if model is None else model
            scorer._source = Source.again(settings.model_name, config, location, device, settings.fingerprint)
        return scorer

    @classmethod
    def load(
        cls,
        path_or_repo: str | Path,
        model: Any = None,
        location: str | Path | None = None,
        device: str = "auto",
        *,
        tokenizer: Any = None,
    ) -> Self:
        """Load a scorer from a folder that `save` wrote, or from a hub repository that holds one.

        The language model is not among its files. It is handed over, named, or looked for where it was; in each case
        it must be the one that the scorer was fitted on.

        Args:
            path_or_repo: the folder, or a hub id.
            model: the language model, if it is loaded already.
            location: where it lies, if it has moved: a folder, a GGUF file, an asset, or a hub id.
            device: where it is put if it is loaded here.
            tokenizer: that of a loaded model.

        Raises:
            UserError: there is no scorer there, its files are broken, or the model that is handed over is another. One
                that is loaded here is compared when it is first asked.
        """
        return cls.of(Learnt.load(scorer_folder(path_or_repo)), model, location, device, tokenizer=tokenizer)

    def fit(
        self,
        questions: Questions,
        answers: Any = None,
        correct: Any = None,
        *,
        method: str = AUTO,
        calibrator: str | None = None,
        data: str = "",
    ) -> Self:
        """Learn from answered questions how probable it is that another answer of this model is right.

        Each question is read once, whatever is compared. The candidates are fitted without each of five parts of the
        questions and say of that part what they think; the one with the smallest Brier score is taken, fitted to all.
        What this has shown is `summary`.

        Args:
            questions: all multiple choice, or all open-ended: see `ccps.scorer.questions.as_asked`.
            answers: the model's answers; without them it is asked. A list, or the name of a column.
            correct: whether the answers are right (1, 0, true, false), or what is accepted: a letter or an option's
                text, or for open-ended questions a text or a list of texts. A list, or the name of a column; without
                it what the questions have as `accepted`.
            method: `auto`, or the name of one.
            calibrator: on top of it: `platt`, `temperature`, `isotonic` or `intercept`.
            data: what to say of the data in the model card: name, source, licence.

        Returns:
            The scorer itself.

        Raises:
            UserError: questions, answers or labels are not such; the answers are all right or all wrong; or no method
                learns anything from so few.
        """
        asked = as_asked(questions)
        if not asked:
            raise expected("`questions`", "some", "none", "Pass the questions to fit to.")
        if answers is not None:
            asked = with_answers(asked, answers)
        asked, labels = labels_of(asked, correct)
        configs = candidates(method, asked[0].question.format, calibrator)
        self._learnt = learn(self._source, asked, labels, configs, self._manner, data)
        assert self._learnt.summary is not None
        for warning in self._learnt.summary.warnings:
            tell("scorer", self.method.label, warning, state="note")
        return self

    def save(self, path: str | Path, *, licence: str | None = None) -> None:
        """Write what was learnt, labels, summary and a model card into a folder.

        The files are JSON, safetensors and `README.md`: no weights of the language model, no pickle. Where that model
        lies is written as the way there from the folder.

        Args:
            path: the folder; made if need be.
            licence: of the scorer, for the card.
        """
        self.learnt.save(local_path(path), licence)

    def push_to_hub(self, repo: str, *, licence: str | None = None, private: bool | None = None) -> str:
        """Write the scorer into a repository of the hub, made if need be.

        Args:
            repo: its id, `name/scorer`.
            licence: of the scorer, for the card.
            private: whether a new repository is private; None for what is usual there.

        Returns:
            Where it is.

        Raises:
            UserError: the hub cannot be reached, or refuses.
        """
        settings = replace(self.settings, model=hub.without_folder(self.settings.model))
        learnt = self.learnt._replace(stored=self.learnt.stored._replace(settings=settings))
        with tempfile.TemporaryDirectory() as folder:
            learnt.save(Path(folder), licence, place=False)
            return hub.upload(Path(folder), repo, private)
