"""Who judges whether a continuation agrees with a step: the schema behind `conf/faithful/judge/*.yaml`.

The dataclass is not frozen: OmegaConf makes frozen ones read-only, which would refuse every override.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from omegaconf import MISSING

from ccps.core.errors import UserError, expected
from ccps.grading.config import GraderConfig, JudgeConfig, setting_faults
from ccps.llm.config import DTYPES, SOURCES, ModelConfig

JUDGES = ("llm_yes_no", "lexical", "numeric", "nli")
MEASURES = ("token_f1", "rouge_l")

_CHANGE = "Change it in conf/faithful/judge or on the command line."


@dataclass
class JudgeChoice:
    """One way of telling whether two texts agree.

    Attributes:
        name: `llm_yes_no`, `lexical`, `numeric` or `nli`.
        model: of `llm_yes_no`: the model that is asked; without it and without an endpoint the model under study judges
            itself.
        endpoint: of `llm_yes_no`: a model behind an OpenAI-compatible endpoint instead.
        max_new_tokens: of `llm_yes_no`, but for an endpoint: the longest reply (10 in arXiv 2606.03969).
        max_batch_tokens: of `llm_yes_no`, but for an endpoint, and of `nli`: rows times width of a batch.
        measure: of `lexical`: `token_f1` or `rouge_l`.
        nli_model: of `nli`: a sequence classification model, folder or hub id.
    """

    name: str = MISSING
    model: ModelConfig | None = None
    endpoint: JudgeConfig | None = None
    max_new_tokens: int = 10
    max_batch_tokens: int = 4096
    measure: str = "token_f1"
    nli_model: str | None = None

    @property
    def is_model_under_study(self) -> bool:
        """Whether the model under study judges itself."""
        return self.name == "llm_yes_no" and self.model is None and self.endpoint is None


_OWN_FIELDS: dict[str, set[str]] = {
    "llm_yes_no": {"model", "endpoint", "max_new_tokens", "max_batch_tokens"},
    "lexical": {"measure"},
    "numeric": set(),
    "nli": {"nli_model", "max_batch_tokens"},
}


def check_judge(choice: JudgeChoice) -> None:
    """Refuse settings that no judge can be made of, all faults in one message, a line each.

    Raises:
        UserError: naming every setting that is at fault.
    """
    faults = [str(fault) for fault in _faults(choice)]
    if faults:
        raise UserError("\n".join(faults))


def _faults(choice: JudgeChoice) -> Iterator[UserError]:
    if choice.name not in JUDGES:
        yield expected("`faithful.judge.name`", f"one of {', '.join(JUDGES)}", repr(choice.name), _CHANGE)
        return
    own = _OWN_FIELDS[choice.name]
    for item in fields(choice):
        if item.name not in {"name", *own} and getattr(choice, item.name) != item.default:
            yield expected(f"`faithful.judge.{item.name}`", f"left out for {choice.name}", "a value", "Remove it.")
    for name in ("max_new_tokens", "max_batch_tokens"):
        if name in own and getattr(choice, name) < 1:
            yield expected(f"`faithful.judge.{name}`", "1 or more", getattr(choice, name), _CHANGE)
    if "measure" in own and choice.measure not in MEASURES:
        yield expected("`faithful.judge.measure`", f"one of {', '.join(MEASURES)}", repr(choice.measure), _CHANGE)
    if choice.name == "nli" and not choice.nli_model:
        way_out = "Set faithful.judge.nli_model, to cross-encoder/nli-deberta-v3-base for instance."
        yield expected("`faithful.judge.nli_model`", "a folder or hub id", choice.nli_model, way_out)
    if choice.name == "llm_yes_no":
        yield from _asked_faults(choice)


def _asked_faults(choice: JudgeChoice) -> Iterator[UserError]:
    if choice.model is not None and choice.endpoint is not None:
        got = "both given"
        yield expected(
            "`faithful.judge.model` and `faithful.judge.endpoint`",
            "one of them, or neither",
            got,
            "Set one of them to null.",
        )
    if choice.endpoint is not None:
        yield from setting_faults(GraderConfig("llm_judge", judge=choice.endpoint))
    if choice.model is not None:
        for name, known in (("source", SOURCES), ("dtype", DTYPES)):
            value = getattr(choice.model, name)
            if value not in known:
                yield expected(f"`faithful.judge.model.{name}`", f"one of {', '.join(known)}", repr(value), _CHANGE)
