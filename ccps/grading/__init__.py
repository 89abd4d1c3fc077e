"""Whether an answer is right."""

from ccps.grading.base import Grader, Usage, Verdict
from ccps.grading.letters import answer_letter, is_option_letter
from ccps.grading.price import judging_cost
from ccps.grading.registry import GRADERS, check_grader, make_grader, register
from ccps.settings.grading import GraderConfig, JudgeConfig

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
    "judging_cost",
    "make_grader",
    "register",
]
