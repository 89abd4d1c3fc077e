"""`ccps fit`: a calibrated confidence for one's own model, from a file of questions."""

import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.questions import Table, add_data, read_table
from ccps.core.errors import expected
from ccps.core.places import local_path


def arguments_of(parser: ArgumentParser) -> None:
    """Model, data, and what is wanted."""
    parser.add_argument("--model", required=True, help="a folder, a GGUF file, an asset's name or a hub id")
    parser.add_argument("--dtype", help="bfloat16, float16 or float32; by default that of its files")
    add_data(parser)
    parser.add_argument("--method", default="auto", help="auto, or one by its name (ccps, answer_probability, …)")
    add_risk(parser, 0.1)
    parser.add_argument("--out", default="scorer", metavar="FOLDER", help="a new folder for the scorer [scorer]")


def add_risk(parser: ArgumentParser, risk: float | None) -> None:
    """Take what an answer may cost."""
    usual = "" if risk is None else f" [{risk:g}]"
    parser.add_argument(
        "--risk", type=float, default=risk, help=f"largest share of wrong answers among given ones{usual}"
    )
    parser.add_argument("--confidence", type=float, default=0.9, help="probability with which it is kept [0.9]")


def run(arguments: Namespace) -> Answer:
    """Fit, say how good it is and what can be certified, and save."""
    target = local_path(arguments.out)
    if target.exists():
        raise expected("--out", "a new folder", f"`{target}`, which is there", "Choose another, or delete it.")
    table = read_table(arguments, labelled=True)
    from ccps import ConfidenceScorer

    scorer = ConfidenceScorer(arguments.model, dtype=arguments.dtype)
    scorer.fit(table.questions, table.given, labels_of(table), method=arguments.method, data=Path(arguments.data).name)
    threshold = scorer.threshold(arguments.risk, arguments.confidence)
    scorer.save(target)
    summary = scorer.summary
    assert summary is not None
    found = "Certified" if threshold.certified else "Nothing can be certified"
    lines = [
        str(summary),
        "",
        f"{found}: {threshold.reason}",
        *(
            ["These are the answers it was fitted to, judged out of fold (docs/scorer.md)."]
            if threshold.certified
            else []
        ),
        "",
        f"The scorer lies in {target}: ccps score {target} --data FILE",
    ]
    data = {
        "scorer": str(target.absolute()),
        "columns": table.data,
        "summary": summary.to_json(),
        "threshold": without_nan(vars(threshold)),
    }
    return Answer(data, lines)


def labels_of(table: Table) -> list[Any] | None:
    """Verdicts on given answers; None where answers are compared with what is accepted."""
    if table.verdicts is None:
        return None
    return [math.nan if one is None else int(one) for one in table.verdicts]


def without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON can say it: what is not known is null."""
    return {name: None if isinstance(one, float) and not math.isfinite(one) else one for name, one in values.items()}


register(
    Command(
        name="fit",
        place=1,
        summary="Fit a confidence to your own model and questions",
        description=(
            "The model answers each question once; several methods are compared out of fold, and the best is kept.\n"
            "Which column holds what is guessed from the header and shown; where that is not clear, a flag says it."
        ),
        examples={
            "ccps fit --model /models/mine --data questions.csv": "a scorer in scorer/",
            "ccps fit --model ID --data log.jsonl --given answer --verdict right": "answers that are there",
        },
        arguments=arguments_of,
        run=run,
    )
)
