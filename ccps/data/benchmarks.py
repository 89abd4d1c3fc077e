"""From a benchmark's description to its questions."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.data.convert import to_question
from ccps.data.fields import columns_of, has, render
from ccps.data.hub import read_dataset
from ccps.data.records import Question
from ccps.data.rows import read_rows
from ccps.data.sources import members
from ccps.settings.benchmark import BenchmarkSpec

__all__ = ["BenchmarkSpec", "Fault", "Loaded", "Records", "load_questions", "read_questions"]


class Fault(NamedTuple):
    """A record that is no question, and why."""

    file: str
    record: str
    reason: str


class Records(NamedTuple):
    """What was read of a benchmark: the well-formed questions, the faulty records, and how many were left out why."""

    questions: list[Question]
    faults: list[Fault]
    left_out: Counter[str]


class Loaded(NamedTuple):
    """A benchmark's questions, and how many of its records its description leaves out, by reason."""

    questions: list[Question]
    left_out: Counter[str]


def load_questions(spec: BenchmarkSpec) -> Loaded:
    """Read a benchmark, all or nothing: every record is a question or one that the description leaves out.

    Raises:
        UserError: files missing or unreadable, columns that no record has, or faulty records (one message: the first
            five and a count).
    """
    questions, faults, left_out = read_questions(spec)
    n_records = len(faults) + len(questions) + left_out.total()
    if len(faults) > spec.max_faulty * n_records:
        shown = "".join(f"\n  {fault.file}, {fault.record}: {fault.reason}" for fault in faults[:5])
        more = f"\n  and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise UserError(
            f"Expected benchmark `{spec.name}` to hold only well-formed questions, but got {len(faults)} "
            f"faulty of {n_records} records:{shown}{more}\n"
            f"Correct the data, or the columns named in the configuration of `{spec.name}`."
        )
    return Loaded(questions, left_out + Counter({"the record is faulty": len(faults)}))


def read_questions(spec: BenchmarkSpec) -> Records:
    """Read a benchmark and return faulty records beside the questions.

    Raises:
        UserError: files missing or unreadable, or columns that no record has (all in one message).
    """
    result = Records([], [], Counter())
    seen: Counter[str] = Counter()
    existing: list[str] = []
    check(spec, spec.name)
    missing = spec.columns
    for place, row in _records(spec):
        existing = existing or columns_of(row)
        missing = [column for column in missing if not has(row, column)]
        try:
            subject = (place.subject or "") if spec.subject is None else render(row, spec.subject)
            # Faulty and left-out records count too, so that mending one does not rename the others.
            position = seen[subject]
            seen[subject] += 1
            question = to_question(spec, row, subject, position)
        except ValueError as error:
            result.faults.append(Fault(place.file, place.record, str(error)))
            continue
        if isinstance(question, Question):
            result.questions.append(question)
        else:
            result.left_out[question] += 1
    if existing and missing:
        raise UserError(
            f"Expected the data of benchmark `{spec.name}` to have the columns its configuration names, but no record "
            f"has {_listed(missing)}. There are: {_listed(existing)}. Correct the columns in its configuration."
        )
    return result


class _Place(NamedTuple):
    file: str
    record: str
    subject: str | None


def _records(spec: BenchmarkSpec) -> Iterator[tuple[_Place, dict[str, Any]]]:
    if spec.source == "datasets":
        for record, row in read_dataset(spec):
            yield _Place(spec.location, record, None), row
        return
    for member in members(spec.source, spec.location, spec.member):
        for record, row in read_rows(spec.loader, member):
            yield _Place(str(member.path), record, member.subject), row


def _listed(columns: list[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)
