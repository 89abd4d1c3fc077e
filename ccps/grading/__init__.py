"""Whether an answer is right."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ccps.grading.base import Grader, Usage, Verdict
from ccps.grading.config import GraderConfig, JudgeConfig, check_grader
from ccps.grading.judge import LlmJudge
from ccps.grading.letters import answer_letter, is_option_letter
from ccps.grading.open_ended import Contains, Normalised, TokenF1
from ccps.grading.rules import Given, Letter, Substring

GRADERS: Mapping[str, type[Grader]] = {
    grader.name: grader for grader in (Substring, Letter, Given, Normalised, Contains, TokenF1, LlmJudge)
}

_MAKE: Mapping[str, Callable[[GraderConfig, Path], Grader]] = {
    "substring": lambda config, cache: Substring(),
    "letter": lambda config, cache: Letter(),
    "given": lambda config, cache: Given(),
    "normalised": lambda config, cache: Normalised(),
    "contains": lambda config, cache: Contains(),
    "f1": lambda config, cache: TokenF1(config.threshold),
    "llm_judge": lambda config, cache: LlmJudge(config.judge or JudgeConfig(), cache),
}


def make_grader(config: GraderConfig, cache: Path) -> Grader:
    """Build a grader.

    Args:
        config: its settings.
        cache: folder in which a judge keeps its judgements; made when it is needed.

    Raises:
        UserError: naming every setting that is at fault.
    """
    check_grader(config)
    return _MAKE[config.name](config, cache)


__all__ = [
    "GRADERS",
    "Grader",
    "GraderConfig",
    "JudgeConfig",
    "Usage",
    "Verdict",
    "answer_letter",
    "check_grader",
    "is_option_letter",
    "make_grader",
]
