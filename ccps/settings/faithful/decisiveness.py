"""How it is told how decisive words are: `conf/faithful/decisiveness/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_SEED, MISSING, setting
from ccps.settings.grading import JudgeConfig


@dataclass
class DecisivenessConfig:
    """One way of telling how decisive words are."""

    name: str = setting(MISSING, "`lexicon`, `llm_judge`, `external`, or any other of `ccps.reasoning.decisiveness`")
    aggregate: str = setting(
        "mean",
        "of `lexicon`: how sentences make a step, `mean` weighted by words, `min`, or the `last` one",
        one_of=("mean", "min", "last"),
    )
    deliberation: str = setting(
        "none",
        'of `lexicon`: what thinking aloud ("wait", "hmm", "let me check") says, for which there are no published'
        " norms: `none`, or a hedge by numbers that are `suggested`, or `measured` on traces of two reasoning models",
        one_of=("none", "suggested", "measured"),
    )
    judge: JudgeConfig | None = setting(None, "of `llm_judge`: whom to ask")
    batch_size: int = setting(
        20,
        "of `llm_judge`: steps in one request; beside others a step may be rated otherwise than alone",
        at_least=1,
        at_most=10_000,
    )
    shuffle: bool = setting(
        True,
        "of `llm_judge`, in strict mode: whether steps are asked about in an order that has nothing to do "
        "with their traces",
    )
    seed: int = setting(42, "of that order", at_least=0, at_most=LARGEST_SEED)
    top_p: float | None = setting(
        None,
        "of `llm_judge`: sent along if it is set (0.1 in arXiv 2606.03969, with a temperature of 0.5)",
        above=0,
        at_most=1,
    )
    path: str | None = setting(None, "of `external`: a file of scores")
