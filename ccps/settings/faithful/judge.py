"""Who judges whether a continuation agrees with a step: `conf/faithful/judge/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from ccps.core.fields import LARGEST_COUNT, MISSING, setting
from ccps.core.settings import Fault, fault
from ccps.settings.grading import JudgeConfig
from ccps.settings.model import ModelConfig

JUDGES = ("llm_yes_no", "lexical", "numeric", "nli")
MEASURES = ("token_f1", "rouge_l")


@dataclass
class JudgeChoice:
    """One way of telling whether two texts agree."""

    name: str = setting(MISSING, "`llm_yes_no`, `lexical`, `numeric` or `nli`", one_of=JUDGES)
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
    measure: str = setting("token_f1", "of `lexical`: `token_f1` or `rouge_l`", one_of=MEASURES)
    nli_model: str | None = setting(None, "of `nli`: a sequence classification model, folder or hub id")

    @property
    def is_model_under_study(self) -> bool:
        """Whether the model under study judges itself."""
        return self.name == "llm_yes_no" and self.model is None and self.endpoint is None

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go with the judge."""
        if self.name not in JUDGES:
            return
        for item in fields(self):
            if item.name not in {"name", *_OWN_FIELDS[self.name]} and getattr(self, item.name) != item.default:
                yield fault(item.name, f"left out for {self.name}", "a value")
        if self.name == "nli" and not self.nli_model:
            way_out = "set it to cross-encoder/nli-deberta-v3-base for instance"
            yield fault("nli_model", "a folder or hub id", "nothing", way_out)
        if self.model is not None and self.endpoint is not None:
            yield fault("model", "left out where `endpoint` is given", "both")


_OWN_FIELDS: dict[str, set[str]] = {
    "llm_yes_no": {"model", "endpoint", "max_new_tokens", "max_batch_tokens"},
    "lexical": {"measure"},
    "numeric": set(),
    "nli": {"nli_model", "max_batch_tokens"},
}
