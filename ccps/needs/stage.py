"""Stages that ask the language model more, once it has answered."""

from collections.abc import Callable
from typing import Any

from ccps.needs.base import AnsweredQuestions, Respondent
from ccps.pipeline.stage import Stage


class AskingStage(Stage):
    """A stage that asks a model more about its answers.

    Args:
        answered: the answers.
        respondent: the model that gave them.
    """

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent) -> None:
        super().__init__()
        self.answered = answered
        self.respondent = respondent

    @property
    def title(self) -> str:
        """Benchmark and model."""
        return f"{self.answered.label}, {self.respondent.model.name}"


class AdapterStage(AskingStage):
    """Attaches an adapter when there is work, and detaches it when the work is done or has failed.

    Other stages use the same model, so it must come out of this one as it went in.
    """

    def attach(self) -> Callable[[], None]:
        """Attach the adapter to the model; return what detaches it."""
        raise NotImplementedError

    def on_predict_start(self) -> None:
        """Attach it."""
        self._detach = self.attach()

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Any:
        """Do one step, as Lightning calls it."""
        try:
            return super().predict_step(batch, batch_idx)
        except BaseException:
            self._detach()
            raise

    def on_predict_end(self) -> None:
        """Detach it."""
        self._detach()
