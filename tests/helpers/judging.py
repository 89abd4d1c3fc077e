"""A judge of one question, for tests that look at what is sent to it and what comes back."""

from pathlib import Path

from ccps.data.records import Question
from ccps.grading import Grader, GraderConfig, JudgeConfig, make_grader

QUESTION = Question("quiz/0", "quiz", "What is the capital of France?", (), ("Paris",), "test", "quiz")
ANSWERS = ["Paris", "London", "Rome", "Paris or Rome", "Madrid", "Oslo", "Bern", "Kyiv"]


def judge(base_url: str, model: str, cache: Path, **settings: object) -> Grader:
    config = JudgeConfig(base_url, model, **{"timeout_s": 120.0, "retries": 1, "concurrency": 2, **settings})  # type: ignore[arg-type]
    return make_grader(GraderConfig("llm_judge", judge=config), cache)


def pairs(answers: list[str]) -> list[tuple[Question, str]]:
    return [(QUESTION, answer) for answer in answers]
