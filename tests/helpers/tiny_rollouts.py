"""Small traces with rollouts, of invented text, in the three layouts that are read."""

import gzip
import json
from pathlib import Path
from typing import Any

SENTENCES = ["It is 4.", "Perhaps it is 5?", "So it is probably 4."]
TEXT = "It is 4. Perhaps it is 5?\n\nSo it is probably 4.\n</think>\n\n\\boxed{4}"
ALTERNATIVES = [["It is 4.", "It is 4."], ["It is 9 then, surely."], []]
DIFFERENT, ACCURACY = [0.0, 1.0, 0.25], [1.0, 0.5, 0.75]
MODELS = ("tiny-a", "tiny-b")


def row(model: str, problem: int, right: bool, **changes: Any) -> dict[str, Any]:
    """A line of our own layout."""
    condition = "correct" if right else "incorrect"
    steps = [
        {"text": text, "alternatives": others, "different": different, "accuracy": accuracy}
        for text, others, different, accuracy in zip(SENTENCES, ALTERNATIVES, DIFFERENT, ACCURACY, strict=True)
    ]
    return {
        "id": f"{model}/{condition}_base_solution/problem_{problem}",
        "model": model,
        "problem": f"problem_{problem}",
        "question": "What is 2 + 2?",
        "gold": "4",
        "correct": right,
        "prompt": "What is 2 + 2? <think>\n",
        "text": TEXT,
        "steps": steps,
        **changes,
    }


def rows() -> list[dict[str, Any]]:
    """Two models, two problems, a right and a wrong chain of each."""
    return [row(model, problem, right) for model in MODELS for problem in (1, 2) for right in (True, False)]


def write_file(path: Path, *lines: dict[str, Any]) -> Path:
    """JSONL, compressed by gzip."""
    with gzip.open(path, "wt") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines or rows()))
    return path


def write_folder(root: Path, *, hub: bool = False) -> Path:
    """The folders of Thought Anchors: as in its repository, or as in its data set of the hub."""
    for line in rows():
        model, condition, problem = line["id"].split("/")
        folder = root / model / ("temperature_0.6_top_p_0.95" if hub else "") / condition / problem
        folder.mkdir(parents=True)
        base = {"prompt": line["prompt"], "solution": line["text"], "full_cot": "", "answer": "4"}
        dump(folder / "base_solution.json", base | {"is_correct": line["correct"]})
        dump(folder / "problem.json", {"problem": line["question"], "gt_answer": "4", "level": "Level 5"})
        chunks = [
            {"chunk": step["text"], "chunk_idx": place, "accuracy": step["accuracy"], "depends_on": []}
            | {"different_trajectories_fraction": step["different"], "resampling_importance_accuracy": -0.5}
            for place, step in enumerate(line["steps"])
        ]
        dump(folder / "chunks_labeled.json", chunks)
        others = {str(place): step["alternatives"] for place, step in enumerate(line["steps"]) if step["alternatives"]}
        if not hub:
            dump(folder / "chunks_resampled.json", others)
            continue
        for place, texts in others.items():
            rollouts = [{"chunk_resampled": text, "is_correct": True, "answer": "4"} for text in texts]
            (folder / f"chunk_{place}").mkdir()
            dump(folder / f"chunk_{place}" / "solutions.json", [*rollouts, {"error": "no answer from the server"}])
    return root


def dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
