"""Answers and labels out of lm-evaluation-harness: nothing is asked again."""

import json
from pathlib import Path

from ccps.core.errors import expected
from ccps.integrations.answered import Answered, load_answered
from ccps.settings.benchmark import BenchmarkSpec


def read_samples(
    path: str | Path,
    metric: str,
    *,
    filter: str | None = None,
    question: str = "question",
    whole_response: bool = False,
    max_faulty: float = 0.0,
) -> Answered:
    """Read the samples of a task, `samples_<task>_<time>.jsonl`, that `lm_eval --log_samples` wrote (0.4).

    Args:
        path: the file.
        metric: which of the task's metrics says whether an answer is right; it must be 0 or 1 for each.
        filter: which filter's answers are taken, where the task has several.
        question: template of the question's text: the prompt as it was put, or columns such as `{doc[question]}` names
            them, `doc.question`.
        whole_response: for generated answers, take all that the model wrote instead of what the filter found in it.
        max_faulty: largest share of records that may be left out because the filter found no answer.

    Returns:
        Multiple-choice answers are letters, of the option that the metric counts as chosen.

    Raises:
        UserError: the file cannot be read, a record is no such sample (with its line), several filters and none named,
            or a metric that is not there or not 0 or 1.
    """
    is_choice = _is_choice(Path(path))
    return load_answered(
        BenchmarkSpec(
            name="lm_eval",
            location=str(path),
            source="file",
            loader="lm_eval",
            question=question,
            format="mc" if is_choice else "oe",
            options=["options"] if is_choice else [],
            answer="right" if is_choice else "accepted",
            answer_kind="index" if is_choice else "text",
            given_answer="response" if whole_response and not is_choice else f"answers.{metric}",
            given_label=metric,
            where={} if filter is None else {"filter": filter},
            max_faulty=max_faulty,
            repeated="keep",
        )
    )


def _is_choice(path: Path) -> bool:
    """Whether the first record is of a multiple-choice task; what is no record is told by the loader."""
    try:
        with path.open(encoding="utf-8") as file:
            return len(json.loads(file.readline())["arguments"]) > 1
    except OSError as error:
        raise expected(f"{path}", "a file that can be read", str(error), "Pass the file of one task.") from error
    except (ValueError, LookupError, TypeError):
        return False
