"""An experiment, a reliability curve or a scorer for a run of Weights & Biases.

While an experiment runs, `ccps/pipeline/mirror.py` mirrors its stages, and the main job adds at its end the reliability
diagrams and the scorers that were chosen (`ccps/stages/main/mirrored.py`). This is for these, for what lies in
`outputs/` afterwards, and for programs of one's own.
"""

import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ccps.analysis.reliability import DIAGRAM_CONVENTION
from ccps.core.errors import expected
from ccps.integrations.frames import as_arrow, table_names
from ccps.metrics import ece, reliability_bins

MOST_ROWS = 10_000
"""As many as a table of W&B takes; longer ones are cut, which is said in the table's name."""


def log_experiment(run: Any, folder: str | Path) -> list[str]:
    """Log every table of an experiment, and its reliability diagrams.

    Args:
        run: what `wandb.init` returned.
        folder: `outputs/<experiment>`.

    Returns:
        The keys that were logged: `tables/<name>` (with `, first 10,000` where that is not all) and `figures/<name>`.

    Raises:
        UserError: the folder has no tables.
    """
    import wandb

    logged = _diagrams(folder)
    diagrams = list(logged)
    for name in table_names(folder):
        table = as_arrow(folder, name)
        cut = f", first {MOST_ROWS:,}" if len(table) > MOST_ROWS else ""
        rows = [list(row.values()) for row in table.slice(0, MOST_ROWS).to_pylist()]
        logged[f"tables/{name}{cut}"] = wandb.Table(columns=table.column_names, data=rows, allow_mixed_types=True)
    if len(logged) == len(diagrams):
        as_arrow(folder)  # refuses the folder
    run.log(logged)
    return [*(key for key in logged if key not in diagrams), *diagrams]


def log_diagrams(run: Any, folder: str | Path) -> list[str]:
    """Log the reliability diagrams of an experiment.

    Args:
        run: what `wandb.init` returned.
        folder: `outputs/<experiment>`.

    Returns:
        The keys that were logged, `figures/<name>`; none where there is no diagram.
    """
    logged = _diagrams(folder)
    if logged:
        run.log(logged)
    return list(logged)


def _diagrams(folder: str | Path) -> dict[str, Any]:
    import wandb

    paths = sorted((Path(folder) / "figures").glob("*.png"))
    shown = [path for path in paths if path.stem.startswith(("chosen", "reliability"))]
    return {f"figures/{path.stem}": wandb.Image(str(path)) for path in shown}


def log_reliability(run: Any, name: str, p_correct: npt.ArrayLike, correct: npt.ArrayLike) -> None:
    """Log the curve of how often answers of a confidence are right, its points as a table, and the ECE.

    Args:
        run: what `wandb.init` returned.
        name: of the method or data, the key's first part.
        p_correct: P(the answer is correct), `[n]`.
        correct: whether it was, `[n]`.

    Raises:
        ValueError: as `ccps.metrics.reliability_bins`.
    """
    import wandb

    bins = reliability_bins(p_correct, correct, DIAGRAM_CONVENTION)
    points = [
        [float(confidence), float(accuracy), int(count)]
        for confidence, accuracy, count in zip(bins.confidence, bins.accuracy, bins.count, strict=True)
        if count
    ]
    table = wandb.Table(columns=["P(correct)", "right", "answers"], data=points)
    curve = wandb.plot.line(table, "P(correct)", "right", title=f"Reliability of {name}")
    error = ece(p_correct, correct, DIAGRAM_CONVENTION)
    run.log({f"{name}/reliability": curve, f"{name}/reliability_points": table, f"{name}/ece": error})


def log_scorer(run: Any, folder: str | Path, name: str) -> Any:
    """Log a saved scorer as an artifact of type `model`, whose folder `ConfidenceScorer.load` reads once downloaded.

    Args:
        run: what `wandb.init` returned.
        folder: what `ConfidenceScorer.save` wrote.
        name: of the artifact.

    Returns:
        The artifact; its metadata say which method it is, of which format, for which model.

    Raises:
        UserError: there is no scorer in the folder.
    """
    import wandb

    settings = Path(folder) / "scorer.json"
    if not settings.is_file():
        raise expected(f"{folder}", "a folder that `ConfidenceScorer.save` wrote", "no scorer.json", "Save one first.")
    stored = json.loads(settings.read_text(encoding="utf-8"))
    metadata = {key: stored.get(key) for key in ("method", "calibrator", "format", "fingerprint", "model")}
    artifact = wandb.Artifact(name, type="model", metadata=metadata)
    artifact.add_dir(str(folder))
    run.log_artifact(artifact)
    return artifact
