"""Traces with rollouts as *Thought Anchors* published them (arXiv 2506.19143), as rows of `ccps.reasoning.jsonl`.

A problem is a folder `MODEL/…/{correct,incorrect}_base_solution/problem_N` with

    base_solution.json      prompt, solution, answer, is_correct
    problem.json            problem, gt_answer
    chunks_labeled.json     for each sentence `chunk`, `chunk_idx`, `accuracy` and `different_trajectories_fraction`
    chunks_resampled.json   what was said in the place of each sentence, by its number
                            (repository interp-reasoning/thought-anchors.com, src/app/data)
    chunk_K/solutions.json  the same, `chunk_resampled` of each rollout (data set uzaymacar/math-rollouts of the hub)

The share of rollouts that mean something else is called `different` here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from ccps.core.errors import UserError

Row = dict[str, Any]

LABELLED = "chunks_labeled.json"
_SCORES = {"accuracy": "accuracy", "different_trajectories_fraction": "different"}
_CONDITION = re.compile(r"_base_solution")
_SAMPLING = re.compile(r"^temperature_")


class Problem(NamedTuple):
    """A folder of one trace.

    Attributes:
        id: model, condition and problem, with slashes.
        model: name of the folder of its model.
        folder: where it lies.
    """

    id: str
    model: str
    folder: Path

    @property
    def question_id(self) -> str:
        """The problem, which other traces may answer too."""
        return self.folder.name


def problems(folder: Path, only: Sequence[str] = ()) -> list[Problem]:
    """All traces below a folder, by their names.

    Args:
        folder: anywhere above them.
        only: patterns of ids; none takes all.
    """
    found = (_problem(path.parent) for path in sorted(folder.rglob(LABELLED)))
    return [one for one in found if not only or any(fnmatch(one.id, pattern) for pattern in only)]


def _problem(folder: Path) -> Problem:
    above = [part for part in folder.resolve().parts[:-1] if not _SAMPLING.match(part)]
    condition = above.pop() if above and _CONDITION.search(above[-1]) else ""
    model = above[-1] if above and condition else ""
    return Problem("/".join(part for part in (model, condition, folder.name) if part), model, folder)


def files_of(problem: Problem, *, alternatives: bool) -> list[Path]:
    """The files of a trace that are read."""
    names = ["base_solution.json", "problem.json", LABELLED]
    own = [problem.folder / name for name in names]
    if alternatives:
        own += [problem.folder / "chunks_resampled.json", *sorted(problem.folder.glob("chunk_*/solutions.json"))]
    return [path for path in own if path.is_file()]


def problem_row(problem: Problem, *, alternatives: bool = True) -> Row:
    """A trace as a row of `ccps.reasoning.jsonl`.

    Raises:
        ValueError: a file is missing, or not as the authors write it.
    """
    chunks = _read(problem.folder / LABELLED, list)
    base = _read(problem.folder / "base_solution.json", dict)
    task = _read(problem.folder / "problem.json", dict) if (problem.folder / "problem.json").is_file() else {}
    others = _alternatives(problem.folder) if alternatives else {}
    return {
        "id": problem.id,
        "model": problem.model,
        "question_id": problem.question_id,
        "question": task.get("problem"),
        "gold": task.get("gt_answer"),
        "prompt": base.get("prompt"),
        "text": base.get("solution"),
        "correct": base.get("is_correct"),
        "steps": [_step(chunk, place, others) for place, chunk in enumerate(chunks)],
    }


def _step(chunk: Any, place: int, others: Mapping[int, list[str]]) -> Row:
    if not isinstance(chunk, dict) or not isinstance(chunk.get("chunk"), str):
        raise ValueError(f"{LABELLED} should hold objects with a text `chunk`, but entry {place} is none")
    scores = {name: chunk[theirs] for theirs, name in _SCORES.items() if theirs in chunk}
    return {"text": chunk["chunk"], "alternatives": others.get(int(chunk.get("chunk_idx", place)), []), **scores}


def _alternatives(folder: Path) -> dict[int, list[str]]:
    """What was said in the place of each sentence, by its number; texts that are empty or failed are left out."""
    whole = folder / "chunks_resampled.json"
    if whole.is_file():
        given = {int(place): texts for place, texts in _read(whole, dict).items()}
    else:
        given = {
            int(path.parent.name.removeprefix("chunk_")): [
                one.get("chunk_resampled") for one in _read(path, list) if isinstance(one, dict)
            ]
            for path in folder.glob("chunk_*/solutions.json")
        }
    return {place: [text for text in texts if isinstance(text, str) and text.strip()] for place, texts in given.items()}


def _read(path: Path, kind: type) -> Any:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({error})") from error
    if not isinstance(found, kind):
        raise ValueError(
            f"{path.name} should hold a {'list' if kind is list else 'table'}, but holds {str(found)[:40]}"
        )
    return found


def from_hub(repository: str, only: Sequence[str], *, alternatives: bool) -> Path:
    """Bring a data set of this layout from the hub; what is here already is not fetched again.

    Args:
        repository: `OWNER/NAME`.
        only: patterns of ids, so that only their files are fetched.
        alternatives: whether rollouts are fetched too; of the published data set these are 81 GB in all.

    Raises:
        UserError: it is not to be had.
    """
    from huggingface_hub import snapshot_download

    names = ["base_solution.json", "problem.json", LABELLED]
    if alternatives:
        names += ["chunks_resampled.json", "chunk_*/solutions.json"]
    # Between model and condition the hub has a folder that ids leave out; `*` reaches over it.
    places = [f"*{pattern.replace('/', '*/')}" for pattern in only] or ["*"]
    try:
        return Path(
            snapshot_download(
                repository,
                repo_type="dataset",
                allow_patterns=[f"{place}/{name}" for place in places for name in names],
            )
        )
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not to be had"
        words = str(error).strip().splitlines() or ["no details"]
        raise UserError(
            f"Rollouts: the hub has no readable data set `{repository}` ({type(error).__name__}: {words[0]}). Check "
            "its name and your connection, or use a copy: faithful.rollouts.path=FOLDER."
        ) from error
