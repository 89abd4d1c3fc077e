"""A file of questions, its columns guessed and shown before anything is done with them."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ccps.core.errors import UserError, expected
from ccps.core.places import local_path

if TYPE_CHECKING:
    from ccps.data import Question
    from ccps.data.columns import Columns

_ROLES = ("question", "options", "answer", "given", "verdict")
_KINDS = ("index", "one_based_index", "letter", "text")


class Table(NamedTuple):
    """What a file holds.

    Attributes:
        questions: one for each row; what is right is `accepted`, where the file says so.
        columns: what was read as what.
        kind: how the answers are written; None where there are none.
        given: answers of the model, where the file holds them.
        verdicts: whether these are right, where the file says so; None where it does not know.
    """

    questions: "list[Question]"
    columns: "Columns"
    kind: str | None
    given: list[str] | None
    verdicts: list[bool | None] | None

    @property
    def data(self) -> dict[str, Any]:
        """The columns for machines."""
        return {**asdict(self.columns), "answer_kind": self.kind, "questions": len(self.questions)}


def add_data(parser: ArgumentParser) -> None:
    """Take a file, and what is to be said of its columns where they are not guessed."""
    parser.add_argument(
        "--data", required=True, metavar="FILE", help="questions: .csv, .tsv, .jsonl, .json or .parquet"
    )
    parser.add_argument("--question", metavar="COLUMN", help="the question, or a text with columns in braces")
    parser.add_argument(
        "--options", metavar="COLUMN[,COLUMN…]", help="options: one column that lists them, or one each"
    )
    parser.add_argument("--answer", metavar="COLUMN", help="the right answer, or all that are accepted")
    parser.add_argument("--answer-kind", choices=_KINDS, help="how it is written, of multiple choice")
    parser.add_argument("--given", metavar="COLUMN", help="answers that the model has given already: it is not asked")
    parser.add_argument("--verdict", metavar="COLUMN", help="whether these are right: 1, 0, true, false")


def read_table(arguments: Namespace, *, labelled: bool) -> Table:
    """Read a file and say on stderr what is read as what.

    Args:
        arguments: with what `add_data` takes.
        labelled: whether what is right has to be known.

    Raises:
        UserError: the file cannot be read, its columns are not clear, or a row is no question.
    """
    from ccps.data.columns import answer_kind, guess_columns, likely_delimiter
    from ccps.data.fields import columns_of
    from ccps.data.rows import TableFormat, read_rows
    from ccps.data.sources import members
    from ccps.data.tables import AUTO, decode

    path = local_path(arguments.data)
    (member,) = members("file", str(path), "")
    is_csv = path.suffix.lower() == ".csv"
    sign = likely_delimiter(decode(member.data, AUTO, path.name)) if is_csv else AUTO
    rows = [row for _, row in read_rows("table", member, TableFormat(delimiter=sign))]
    if not rows:
        raise expected(f"`{path}`", "a table with questions", "no row", "Fill it.")
    header = list(dict.fromkeys(name for row in rows for name in columns_of(row)))
    columns = guess_columns(header, {role: getattr(arguments, role) for role in _ROLES})
    if labelled and columns.answer is None and columns.verdict is None:
        way_out = "Say which: --answer COLUMN, or --given COLUMN --verdict COLUMN."
        raise expected("a column", "what is right", f"none of {', '.join(header)}", way_out)
    try:
        kind = arguments.answer_kind or answer_kind(columns, rows)
    except ValueError as error:
        raise UserError(f"Expected the answers in {path} to be readable, but got: {error}. Correct them.") from error
    print(
        "\n".join([f"{path}: {len(rows)} rows, read as", *(f"  {line}" for line in columns.lines(kind))]),
        file=sys.stderr,
    )
    return _table(columns, kind, path, rows)


def _table(columns: "Columns", kind: str | None, path: Path, rows: Sequence[Mapping[str, Any]]) -> Table:
    from ccps.data.derivations import bare_answer

    questions = _labelled(columns, kind, path) if columns.answer is not None else _unlabelled(columns, path, rows)
    if not columns.options:
        questions = [replace(one, accepted=tuple(map(bare_answer, one.accepted))) for one in questions]
    given = [one.given_answer for one in questions]
    if columns.given is not None and (empty := [one.id for one in questions if not (one.given_answer or "").strip()]):
        raise expected(
            f"every `{columns.given}`", "an answer", f"nothing for {', '.join(empty[:5])}", "Leave them out."
        )
    verdicts = [one.given_label for one in questions] if columns.verdict else None
    return Table(questions, columns, kind, [one or "" for one in given] if columns.given else None, verdicts)


def _labelled(columns: "Columns", kind: str | None, path: Path) -> "list[Question]":
    from ccps.data import load_questions

    return load_questions(columns.spec(path.stem, str(path), kind)).questions


def _unlabelled(columns: "Columns", path: Path, rows: Sequence[Mapping[str, Any]]) -> "list[Question]":
    from ccps.data.convert import to_unanswered

    spec = columns.spec(path.stem, str(path), None)
    found, faults = [], []
    for place, row in enumerate(rows):
        try:
            found.append(to_unanswered(spec, dict(row), place))
        except ValueError as error:
            faults.append(f"\n  row {place + 1}: {error}")
    if faults:
        more = f"\n  and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise UserError(f"Expected {path} to hold questions alone, but got:{''.join(faults[:5])}{more}\nCorrect these.")
    return found
