"""What the model says of the options, read from stored states and the head: no pass of the model."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ccps.asking.options import OptionScores, radii_of_options, score_options
from ccps.core.artifacts import ROWS, Artifact
from ccps.grading.letters import SPELLINGS_VERSION
from ccps.llm.load import load_tokenizer
from ccps.needs.answers import all_empty, stored_answers
from ccps.needs.base import AnsweredQuestions, Given, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.perturbation import Head
from ccps.pipeline.heads import load_head
from ccps.pipeline.stage import Stage, Work
from ccps.settings.experiment import Config
from ccps.tuning import Answered

_MOST = "option_"


class OptionStage(AskingStage):
    """Rows of question id, the option that the answer names, and log-probabilities among the options.

    Of the model it takes the tokenizer alone.
    """

    name = "options"
    version = 1

    def inputs(self) -> Mapping[str, Any]:
        """The answers and the head, and which tokens spell a letter."""
        return {"answers": self.answered.answers, "head": self.respondent.head, "spellings": SPELLINGS_VERSION}

    def prepare(self, device: torch.device) -> None:
        """Read the states.

        Raises:
            UserError: all answers are empty.
        """
        self.stored = stored_answers(self.answered.answers, most_states=1)
        if not self.stored:
            raise all_empty(self.answered.label)
        by_id = {question.id: question for question in self.answered.questions}
        self.asked = [by_id[one.question_id] for one in self.stored]
        self.tokenizer = load_tokenizer(self.respondent.model.files)

    def plan(self) -> Sequence[Sequence[Work]]:
        """All answers at once."""
        return [[Work(None, len(self.stored))]]

    def step(self, content: None) -> pd.DataFrame:
        """Score the options."""
        texts, states = [one.text for one in self.stored], _first_states(self.stored)
        scores = score_options(self.tokenizer, self._head, self.asked, texts, states)
        table = pd.DataFrame({"question_id": [one.question_id for one in self.stored], "chosen": scores.chosen})
        return table.assign(**{f"{_MOST}{place}": column for place, column in enumerate(scores.log_probs.T)})

    @cached_property
    def _head(self) -> Head:
        return load_head(self.respondent.head)

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write the rows."""
        outputs[0].to_parquet(folder / ROWS, index=False)
        return {"n": len(outputs[0])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """How many answers name an option, and how probable that option is on average."""
        scores = _scores(artifact.written_rows().to_pandas())
        named = scores.chosen >= 0
        return {"answers": len(named), "letter_rate": float(named.mean()), "mean": float(scores.of_chosen.mean())}


class OptionRadiusStage(OptionStage):
    """Rows of question id and the radius at which another option overtakes; NaN where the answer names none."""

    name = "option_radius"
    version = 1

    def step(self, content: None) -> pd.DataFrame:
        """Compute the radii; two products with the whole head for each answer."""
        tokens = torch.tensor([one.answer[0] for one in self.stored])
        texts, states = [one.text for one in self.stored], _first_states(self.stored)
        radii = radii_of_options(self.tokenizer, self._head, self.asked, texts, states, tokens)
        return pd.DataFrame({"question_id": [one.question_id for one in self.stored], "radius": radii})

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """How many radii there are, and their median."""
        radii = artifact.written_rows().to_pandas()["radius"].dropna()
        return {"answers": len(radii), **({"median": float(radii.median())} if len(radii) else {})}


class _OfOptions(Need):
    """A need of multiple choice alone."""

    formats = frozenset({"mc"})
    is_portable = True
    made_by: ClassVar[type[OptionStage]]

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage | None:
        """Read it off the answers; there is nothing to read of open-ended ones."""
        return self.made_by(answered, respondent) if answered.format in self.formats else None


@register
class ScoresOfOptions(_OfOptions):
    """`OptionScores`, the log-probabilities of the options among themselves; of multiple choice alone."""

    name = "option_scores"
    place = 5
    stages = (OptionStage,)
    made_by = OptionStage

    def read(self, source: Source, question_ids: Sequence[str]) -> OptionScores:
        """The scores."""
        return _scores(source.own.rows().to_pandas().set_index("question_id").loc[list(question_ids)])

    def of_given(self, given: Given) -> OptionScores:
        """The same."""
        texts, states = [one.text for one in given.answers], _first_of_given(given)
        return score_options(given.model.tokenizer, given.head, given.questions, texts, states)


@register
class RadiusOfOptions(_OfOptions):
    """`[answers]`, the radius along the gradient ray at which another option overtakes; NaN where none is answered."""

    name = "option_radii"
    place = 6
    stages = (OptionRadiusStage,)
    made_by = OptionRadiusStage

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """The radii."""
        rows = source.own.rows().to_pandas().set_index("question_id")
        radii: npt.NDArray[np.float64] = rows.loc[list(question_ids), "radius"].to_numpy(dtype=np.float64)
        return radii

    def of_given(self, given: Given) -> npt.NDArray[np.float64]:
        """The same."""
        tokens = torch.tensor([one.tokens[0] for one in given.answers])
        texts, states = [one.text for one in given.answers], _first_of_given(given)
        return radii_of_options(given.model.tokenizer, given.head, given.questions, texts, states, tokens)


def _scores(rows: pd.DataFrame) -> OptionScores:
    columns = [name for name in rows.columns if name.startswith(_MOST)]
    return OptionScores(rows[columns].to_numpy(dtype=np.float64), rows["chosen"].to_numpy(dtype=np.int64))


def _first_of_given(given: Given) -> torch.Tensor:
    return torch.stack([one.states[0] for one in given.answers]).float().cpu()


def _first_states(stored: Sequence[Answered]) -> torch.Tensor:
    return torch.stack([one.states[0] for one in stored]).float()
