"""How it is told how decisive words are: `conf/faithful/decisiveness/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from ccps.core.fields import LARGEST_SEED, MISSING, setting
from ccps.core.settings import Fault, fault
from ccps.settings.grading import JudgeConfig

SCORERS = ("lexicon", "llm_judge", "external")
# The room that the released code of arXiv 2606.03969 leaves for a reply.
_TOKENS_PER_SCORE, _LEAST_TOKENS = 12, 50


@dataclass
class DecisivenessConfig:
    """One way of telling how decisive words are."""

    name: str = setting(MISSING, "`lexicon`, `llm_judge` or `external`", one_of=SCORERS)
    aggregate: str = setting(
        "mean",
        "of `lexicon`: how sentences make a step, `mean` weighted by words, `min`, or the `last` one",
        one_of=("mean", "min", "last"),
    )
    published_norms_only: bool = setting(
        True,
        'of `lexicon`: false also counts thinking aloud ("wait", "hmm", "let me check") as a hedge, for which'
        " there are no published norms",
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

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go with the scorer."""
        if self.name not in SCORERS:
            return
        for item in fields(self):
            if item.name not in {"name", *_OWN_FIELDS[self.name]} and getattr(self, item.name) != item.default:
                yield fault(item.name, f"left out for {self.name}", "a value")
        if self.name == "external" and not self.path:
            way_out = "name a csv, jsonl or parquet file with columns trace_id, step, decisiveness"
            yield fault("path", "the path of a file of scores", "nothing", way_out)
        if self.name == "llm_judge" and self.judge is None:
            yield fault("judge", "given for llm_judge", "null", "see conf/faithful/decisiveness/llm_judge.yaml")
        if self.name == "llm_judge" and self.judge is not None and self.judge.max_tokens is not None:
            needed = max(_LEAST_TOKENS, _TOKENS_PER_SCORE * self.batch_size)
            if self.judge.max_tokens < needed:
                way_out = "raise it, or lower `batch_size`"
                yield fault("judge.max_tokens", f"{needed} or more, or null", self.judge.max_tokens, way_out)


_OWN_FIELDS = {
    "lexicon": {"aggregate", "published_norms_only"},
    "llm_judge": {"judge", "batch_size", "shuffle", "seed", "top_p"},
    "external": {"path"},
}
