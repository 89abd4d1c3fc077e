"""Who judges whether a continuation agrees with a step: `conf/faithful/judge/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, MISSING, setting
from ccps.settings.grading import JudgeConfig
from ccps.settings.model import ModelConfig

MEASURES = ("token_f1", "squad_f1", "rouge_l")


@dataclass
class JudgeChoice:
    """One way of telling whether two texts agree."""

    name: str = setting(MISSING, "`llm_yes_no`, `lexical`, `numeric`, `nli`, or any other of `ccps.reasoning.judges`")
    model: ModelConfig | None = setting(
        None,
        "of `llm_yes_no`: the model that is asked; without it and without an endpoint the model under study "
        "judges itself",
    )
    endpoint: JudgeConfig | None = setting(
        None, "of `llm_yes_no`: a model behind an OpenAI-compatible endpoint instead"
    )
    max_new_tokens: int = setting(
        10,
        "of `llm_yes_no`, but for an endpoint: the longest reply (10 in arXiv 2606.03969)",
        at_least=1,
        at_most=1_000_000,
    )
    max_batch_tokens: int = setting(
        4096,
        "of `llm_yes_no`, but for an endpoint, and of `nli`: rows times width of a batch",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    measure: str = setting("token_f1", "of `lexical`: `token_f1`, `squad_f1` or `rouge_l`", one_of=MEASURES)
    nli_model: str | None = setting(None, "of `nli`: a sequence classification model, folder or hub id")

    @property
    def is_model_under_study(self) -> bool:
        """Whether the model under study judges itself."""
        return self.name == "llm_yes_no" and self.model is None and self.endpoint is None
