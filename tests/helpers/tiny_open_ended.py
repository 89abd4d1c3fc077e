"""The tiny experiment on open-ended questions."""

import json
import random
from pathlib import Path

from tiny import SUBJECTS, Tiny, benchmark

ANSWERS = ("The river.", "7", "seven of them, and no more than that as far as anybody knows", "an islet", " ")


def write_open_questions(path: Path, n: int, seed: int) -> Path:
    """Invented questions with an answer each, right or wrong; one in twelve is not judged, one is empty."""
    rng = random.Random(seed)
    rows = []
    for index in range(n):
        answer = ANSWERS[4] if index == 5 else rng.choice(ANSWERS[:4])
        label = -1 if index % 12 == 7 else index % 2
        rows.append(
            {
                "question": f"What is {path.stem} {index} made of?",
                "accepted": ["seven", "7"],
                "subject": SUBJECTS[index % len(SUBJECTS)],
                "answer": answer,
                "label": label,
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def open_overrides(folder: Path, *more: str, given: bool = True, labels: bool = True) -> list[str]:
    answers = {"given_answer": "answer"} if given else {}
    answers |= {"given_label": "label"} if given and labels else {}
    spec = {"options": [], "answer": "accepted", "answer_kind": "text", "format": "oe", **answers}
    return [
        f"train.trees={benchmark(folder / 'trees.jsonl', **spec)}",
        f"test.boats={benchmark(folder / 'boats.jsonl', **spec)}",
        "probe@probe.oe=oe_smoke",
        "answering.max_new_tokens=6",
        "answering.method=greedy",
        *more,
    ]


def counts(experiment: Tiny) -> dict[str, tuple[str, str]]:
    """Rows of the table of counts in the Markdown report: what, then number and reason."""
    text = (experiment.output / "report.md").read_text().split("## Counts")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    return {what.replace("\\_", "_"): (number, reason) for what, number, reason in rows}
