"""What the last run of an experiment cost, read from its own record."""

import csv
import json
from pathlib import Path

from experiments.benchmarks.page import Figure, Section, Target

MINUTES = Target("≤", 20)
PEAK_GIB = Target("≤", 8)


def read_reproduced(folder: Path) -> Section:
    """Quote `costs.csv` and `run.json` of an experiment's output folder."""
    title = "A whole experiment"
    try:
        with (folder / "costs.csv").open(newline="") as file:
            costs = list(csv.DictReader(file))
        run = json.loads((folder / "run.json").read_text())
        sampling, machine = run["config"]["sampling"], run["machine"]
        figures = _figures(costs, str(folder))
    except FileNotFoundError as error:
        reason = f"`{error.filename}` does not exist. Run `make reproduce` before this benchmark."
        missing = [
            Figure.missing("All stages together", str(folder), reason, MINUTES),
            Figure.missing("Peak memory", str(folder), reason, PEAK_GIB),
        ]
        return Section(title, f"To be read from the record of an experiment in `{folder}`.", missing)
    models, train, test = run["config"]["model"], sampling["train_total"], sampling["test_per_subject"]
    text = (
        f"Read from the record of the last run in `{folder}`, not measured here: {', '.join(models)}; "
        f"{train or 'all'} training questions, {test or 'all'} test questions per subject; {machine['processor']}, "
        f"{machine['threads']} threads; code {run['commit']}. The seconds are those in which each stage computed its "
        "shards, whichever run did so; downloads are not among them."
    )
    return Section(title, text, figures)


def _figures(costs: list[dict[str, str]], subject: str) -> list[Figure]:
    seconds = [float(row["seconds"]) for row in costs]
    stages = [Figure(f"Stage `{row['stage']}`", subject, s, "s") for row, s in zip(costs, seconds, strict=True)]
    peak = max(float(row["peak_memory"]) for row in costs) / 2**30
    return [
        *stages,
        Figure("All stages together", subject, sum(seconds) / 60, "min", target=MINUTES),
        Figure("Peak memory", subject, peak, "GiB", target=PEAK_GIB),
    ]
