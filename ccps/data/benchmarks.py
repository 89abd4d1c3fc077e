"""From a benchmark's description to its questions."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.core.visible import seen
from ccps.data.convert import has_right_twice, to_question
from ccps.data.fields import columns_of, has, render
from ccps.data.hub import read_dataset
from ccps.data.records import Question
from ccps.data.rows import TableFormat, read_rows
from ccps.data.sources import members
from ccps.settings.benchmark import BenchmarkSpec

__all__ = ["BenchmarkSpec", "Fault", "Loaded", "Records", "load_questions", "read_questions"]


# Of repeated or doubtful questions so many are named, the rest counted.
_NAMED = 5


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
    """A benchmark's questions.

    Attributes:
        questions: to be asked.
        left_out: how many of its records are not, by reason.
        noted: what is worth knowing of those that are, and how many there are of them.
    """

    questions: list[Question]
    left_out: Counter[str]
    noted: Counter[str]


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
    left_out += Counter({"the record is faulty": len(faults)})
    return _told_apart(spec, questions, left_out)


def _told_apart(spec: BenchmarkSpec, questions: list[Question], left_out: Counter[str]) -> Loaded:
    """Without questions that stand in the data before, and with a word on those whose right option stands twice."""
    noted: Counter[str] = Counter()
    repeats = _repeats(questions)
    if spec.repeated == "once":
        against = _contradicting(questions, repeats)
        questions = _without(questions, repeats)
        repeats = _without(repeats, against)
        _count(left_out, "the same question stands before it; `repeated: keep` asks it again", repeats)
        _count(left_out, "the same question stands before it, with another right answer: correct the data", against)
    else:
        _count(noted, "stand in the data before", repeats)
    twice = [one for one in questions if one.options and has_right_twice(one)]
    if spec.twice_right == "leave_out":
        questions = _without(questions, twice)
        _count(left_out, "the right option stands at two letters", twice)
    else:
        which = "either" if spec.twice_right == "either" else "only the one that the data name"
        _count(noted, f"have the right option at two letters, of which {which} is accepted", twice)
    if spec.half is not None:
        wanted = [one for one in questions if in_first_half(one.text) == (spec.half == "first")]
        left_out["in the other half, `half`"] += len(questions) - len(wanted)
        questions = wanted
    return Loaded(questions, left_out, noted)


def in_first_half(text: str) -> bool:
    """Whether a question is in the first half of its benchmark: its words alone say so, not its place."""
    return hashlib.blake2b(_alike(text).encode(), digest_size=1).digest()[0] < 128


def _repeats(questions: list[Question]) -> list[Question]:
    seen: set[object] = set()
    repeats = []
    for question in questions:
        asks = _asks(question)
        if not seen.isdisjoint(asks):
            repeats.append(question)
        seen.update(asks)
    return repeats


def _contradicting(questions: list[Question], repeats: list[Question]) -> list[Question]:
    """Those among repeated questions whose right answer is not that of the one before them."""
    ids, first = {one.id for one in repeats}, dict[object, Question]()
    for one in questions:
        if one.id not in ids:
            first |= dict.fromkeys(_asks(one), one)
    found = ((one, next(first[ask] for ask in _asks(one) if ask in first)) for one in repeats)
    return [one for one, before in found if one.accepted != before.accepted]


def _without(questions: list[Question], some: list[Question]) -> list[Question]:
    ids = {one.id for one in some}
    return [one for one in questions if one.id not in ids]


def _count(counts: Counter[str], reason: str, questions: list[Question]) -> None:
    """Count questions under a reason that names the first few."""
    if questions:
        more = f" and {len(questions) - _NAMED} more" if len(questions) > _NAMED else ""
        counts[f"{reason} ({', '.join(one.id for one in questions[:_NAMED])}{more})"] += len(questions)


def _asks(question: Question) -> list[object]:
    """What makes two questions of a benchmark one: the same words, options, and answer that is given.

    Words that differ in case or white space alone are the same if the right answer is the same too: of questions on
    programs, `"a b"` and `"A  B"` are not.
    """
    told_apart_by = question.options or tuple(sorted(question.accepted))
    said = question.text.strip(), told_apart_by, question.asked, question.given_answer
    alike = _alike(question.text), tuple(map(_alike, told_apart_by)), question.accepted
    return [said, (*alike, question.asked and _alike(question.asked), question.given_answer)]


def _alike(text: str) -> str:
    return seen(text).casefold()


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
    if not existing:
        raise UserError(
            f"Expected benchmark `{spec.name}` to hold records, but got none in `{spec.location}`. Correct `location`, "
            "or set `header: false` if the one line there is a record."
        )
    if missing:
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
    table = TableFormat(spec.columns, spec.encoding, spec.delimiter, spec.header)
    for member in members(spec.source, spec.location, spec.member):
        for record, row in read_rows(spec.loader, member, table, spec.where):
            yield _Place(str(member.path), record, member.subject), row


def _listed(columns: list[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)
