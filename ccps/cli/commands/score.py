"""`ccps score`: how probable it is that each answer is right."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.commands.fit import add_risk, without_nan
from ccps.cli.questions import add_data, read_table
from ccps.cli.tables import columns
from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.core.text import DASH, excerpt

_WIDTH = 40
_WRITERS = (".csv", ".jsonl")


def arguments_of(parser: ArgumentParser) -> None:
    """Scorer, data, and what is wanted."""
    parser.add_argument("scorer", help="a folder of `ccps fit` or of a run (outputs/…/scorers/…/best), or a hub id")
    parser.add_argument("--model", metavar="LOCATION", help="where the model lies, if it has moved")
    add_data(parser)
    add_risk(parser, None)
    parser.add_argument("--out", metavar="FILE", help="write the scores there (.csv or .jsonl), which must be new")


def run(arguments: Namespace) -> Answer:
    """Answer every question, or take what is given, and say P(correct)."""
    target = None if arguments.out is None else local_path(arguments.out)
    if target is not None and (target.exists() or target.suffix not in _WRITERS):
        wanted = f"a new file that ends in {' or '.join(_WRITERS)}"
        raise expected("--out", wanted, f"`{target}`", "Choose another name.")
    table = read_table(arguments, labelled=False)
    from ccps import ConfidenceScorer

    scorer = ConfidenceScorer.load(arguments.scorer, location=arguments.model)
    if arguments.risk is None:
        rows = [
            {"id": one.question_id, "answer": one.answer, "p_correct": one.p_correct, "cut": one.is_cut}
            for one in scorer.score(table.questions, table.given)
        ]
    else:
        rows = [
            {"id": one.question_id, "answer": one.answer, "p_correct": one.p_correct, "abstain": one.abstain}
            for one in scorer.decide(table.questions, arguments.risk, arguments.confidence, table.given)
        ]
    rows = [without_nan(row) for row in rows]
    lines = list(_table(rows))
    if target is not None:
        _write(target, rows)
        lines = [f"{len(rows)} scores in {target}"]
    data = {"method": scorer.method.label, "columns": table.data, "scores": rows}
    return Answer(data, lines)


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    decides = any("abstain" in row for row in rows)
    head = ["question", "P(correct)", *(["decision"] if decides else []), "answer"]
    cells = []
    for row in rows:
        p = DASH if row["p_correct"] is None else f"{row['p_correct']:.3f}"
        decision = ["abstain" if row["abstain"] else "answer"] if decides else []
        answer = excerpt(row["answer"])
        cells.append([row["id"], p, *decision, answer if len(answer) <= _WIDTH else f"{answer[: _WIDTH - 1]}…"])
    return list(columns(head, cells, right=(1,)))


def _write(target: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pandas as pd

    from ccps.report.kit.files import write_csv, write_text

    try:
        if target.suffix == ".jsonl":
            write_text(target, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))
        else:
            write_csv(pd.DataFrame(rows), target)
    except OSError as error:
        raise UserError(f"Cannot write {target}: {error.strerror}. Choose another place.") from error


register(
    Command(
        name="score",
        place=2,
        summary="Say how probable it is that each answer is right",
        description="With --risk it also says which answers to hold back, where labels have certified a threshold.",
        examples={
            "ccps score scorer --data new.csv": "the model answers, and each answer has a probability",
            "ccps score scorer --data new.csv --given answer": "of answers that are there",
            "ccps score scorer --data new.csv --risk 0.1 --out new.jsonl": "answer or abstain, into a file",
        },
        arguments=arguments_of,
        run=run,
    )
)
