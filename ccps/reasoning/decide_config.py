"""How it is told how decisive words are: the schema behind `conf/faithful/decisiveness/*.yaml`.

The dataclass is not frozen: OmegaConf makes frozen ones read-only, which would refuse every override.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import get_args

from omegaconf import MISSING

from ccps.core.errors import UserError, expected
from ccps.faithful.lexicon import Aggregate
from ccps.grading.config import GraderConfig, JudgeConfig, setting_faults

SCORERS = ("lexicon", "llm_judge", "external")

_CHANGE = "Change it in conf/faithful/decisiveness or on the command line."
# The room that the released code of arXiv 2606.03969 leaves for a reply.
_TOKENS_PER_SCORE, _LEAST_TOKENS = 12, 50


@dataclass
class DecisivenessConfig:
    """One way of telling how decisive words are.

    Attributes:
        name: `lexicon`, `llm_judge` or `external`.
        aggregate: of `lexicon`: how sentences make a step, `mean` weighted by words, `min`, or the `last` one.
        published_norms_only: of `lexicon`: false also counts thinking aloud ("wait", "hmm", "let me check") as a hedge,
            for which there are no published norms.
        judge: of `llm_judge`: whom to ask.
        batch_size: of `llm_judge`: steps in one request; beside others a step may be rated otherwise than alone.
        shuffle: of `llm_judge`, in strict mode: whether steps are asked about in an order that has nothing to do with
            their traces.
        seed: of that order.
        top_p: of `llm_judge`: sent along if it is set (0.1 in arXiv 2606.03969, with a temperature of 0.5).
        path: of `external`: a file of scores.
    """

    name: str = MISSING
    aggregate: str = "mean"
    published_norms_only: bool = True
    judge: JudgeConfig | None = None
    batch_size: int = 20
    shuffle: bool = True
    seed: int = 42
    top_p: float | None = None
    path: str | None = None


_OWN_FIELDS = {
    "lexicon": {"aggregate", "published_norms_only"},
    "llm_judge": {"judge", "batch_size", "shuffle", "seed", "top_p"},
    "external": {"path"},
}


def check_decisiveness(config: DecisivenessConfig) -> None:
    """Refuse settings that no scorer can be made of, all faults in one message, a line each.

    Raises:
        UserError: naming every setting that is at fault.
    """
    faults = [str(fault) for fault in _faults(config)]
    if faults:
        raise UserError("\n".join(faults))


def _faults(config: DecisivenessConfig) -> Iterator[UserError]:
    if config.name not in SCORERS:
        yield expected("`faithful.decisiveness.name`", f"one of {', '.join(SCORERS)}", repr(config.name), _CHANGE)
        return
    for item in fields(config):
        if item.name not in {"name", *_OWN_FIELDS[config.name]} and getattr(config, item.name) != item.default:
            yield expected(
                f"`faithful.decisiveness.{item.name}`", f"left out for {config.name}", "a value", "Remove it."
            )
    if config.name == "lexicon" and config.aggregate not in get_args(Aggregate):
        wanted = f"one of {', '.join(get_args(Aggregate))}"
        yield expected("`faithful.decisiveness.aggregate`", wanted, repr(config.aggregate), _CHANGE)
    if config.name == "external" and not config.path:
        way_out = (
            "Set faithful.decisiveness.path to a csv, jsonl or parquet file with columns trace_id, step, decisiveness."
        )
        yield expected("`faithful.decisiveness.path`", "the path of a file of scores", config.path, way_out)
    if config.name == "llm_judge":
        yield from _judge_faults(config)


def _judge_faults(config: DecisivenessConfig) -> Iterator[UserError]:
    if config.batch_size < 1:
        yield expected("`faithful.decisiveness.batch_size`", "1 or more", config.batch_size, _CHANGE)
    if config.top_p is not None and not 0 < config.top_p <= 1:
        yield expected("`faithful.decisiveness.top_p`", "above 0 and at most 1, or null", config.top_p, _CHANGE)
    if config.judge is None:
        way_out = "See conf/faithful/decisiveness/llm_judge.yaml."
        yield expected("`faithful.decisiveness.judge`", "given for llm_judge", None, way_out)
        return
    yield from setting_faults(GraderConfig("llm_judge", judge=config.judge))
    needed, limit = max(_LEAST_TOKENS, _TOKENS_PER_SCORE * config.batch_size), config.judge.max_tokens
    if limit is not None and limit < needed:
        way_out = "Raise it, or lower `faithful.decisiveness.batch_size`."
        yield expected("`faithful.decisiveness.judge.max_tokens`", f"{needed} or more, or null", limit, way_out)
