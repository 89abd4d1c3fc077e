"""Which column of a table holds what: guessed from its header, and never in silence.

Only what has one meaning is guessed. Where two columns could be the same thing, or a number two options, it is refused
with the candidates and the flag that settles it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from ccps.core.errors import UserError, expected
from ccps.data.fields import lookup
from ccps.data.values import as_list, as_text
from ccps.settings.benchmark import DELIMITERS, BenchmarkSpec

_EXAMINED = 1000

# Names in lower case, without what is neither letter, digit nor dot.
_QUESTION = ("question", "questionstem", "questiontext", "prompt", "query", "problem", "text", "stem", "ctx", "goal")
_CONTEXT = ("context", "passage", "paragraph", "article")
_OPTIONS = ("options", "choices", "endings", "answerchoices", "candidates")
_ANSWER = (
    *("answer", "answerkey", "answers", "correctanswer", "correctoption", "correct", "right", "gold", "target"),
    *("answeridx", "answerindex", "groundtruth", "reference", "accepted", "solution", "label"),
)
_GIVEN = ("modelanswer", "modelresponse", "response", "prediction", "completion", "givenanswer", "output", "generation")
_VERDICT = ("iscorrect", "modelcorrect", "correct", "label", "verdict", "graded")
_SUBJECT = ("subject", "topic", "category")
_NAMES = {*_QUESTION, *_CONTEXT, *_OPTIONS, *_ANSWER, *_GIVEN, *_VERDICT, *_SUBJECT}
# Inside a nested answer: all accepted texts rather than one of them.
_TEXTS = ("aliases", "text", "value")
_NUMBERED = re.compile(r"(option|choice|ending|opt|sol|answer)?([a-z]|\d+)")
# Columns of single letters up to here are options, if the first ones are.
_USUAL_LETTERS = "abcdefgh"
_WRONG = re.compile(r"(distractor|incorrectanswer|wronganswer)\d+")


@dataclass(frozen=True)
class Columns:
    """What was found, each by the names of columns; a dot goes into nested ones.

    Attributes:
        question: column of the question's text, or a text with columns in braces.
        options: one column per option, or the one that lists them; none for open-ended questions.
        answer: of what is right; None if the table does not say.
        labels: of the labels that an answer names, where options have such.
        shuffled: whether options are put in another order, as the right one always stands at the same place.
        given: of answers that the model has given already.
        verdict: that says whether these are right.
        subject: of what the question is about.
    """

    question: str
    options: tuple[str, ...] = ()
    answer: str | None = None
    labels: str | None = None
    shuffled: bool = False
    given: str | None = None
    verdict: str | None = None
    subject: str | None = None

    def lines(self, kind: str | None) -> Iterator[str]:
        """What is read as what, for people; `kind` is that of the answer."""
        yield f"question  {self.question}"
        yield f"options   {', '.join(self.options) or 'none: open-ended questions'}"
        names = {"index": "a number from 0", "one_based_index": "a number from 1", "letter": "a letter"}
        how = names.get(kind or "", f"one of {self.labels}" if kind == "label" else "a text, or several")
        yield f"right     {f'{self.answer} ({how})' if self.answer else 'not said'}"
        for name, column in (("given", self.given), ("verdict", self.verdict), ("subject", self.subject)):
            if column:
                yield f"{name:<9} {column}"

    def spec(self, name: str, location: str, kind: str | None) -> BenchmarkSpec:
        """As the description of a benchmark, in which a question that stands twice is asked twice."""
        return BenchmarkSpec(
            name=name,
            source="file",
            location=location,
            loader="table",
            question=self.question,
            options=list(self.options),
            answer=self.answer or "",
            answer_kind=kind or "text",
            labels=self.labels,
            subject=self.subject,
            shuffle_options=self.shuffled,
            given_answer=self.given,
            given_label=self.verdict,
            format="mc" if self.options else "oe",
            repeated="keep",
        )


def guess_columns(header: Sequence[str], said: Mapping[str, str | None] | None = None) -> Columns:
    """Say which column holds what.

    Args:
        header: names of the columns; of nested ones with a dot (`choices.text`), see `ccps.data.fields.columns_of`.
        said: what the user has said: `question`, `options` (one column, or several with commas), `answer`, `given`,
            `verdict`; each is taken as it is.

    Raises:
        UserError: there is no column of that name, none that holds the question, or several that could.
    """
    known = {name: column for name, column in (said or {}).items() if column is not None}
    for role, text in known.items():
        if role != "question" or "{" not in text:
            _check_there(role, text.split(",") if role == "options" else [text], header)
    plain = {name: _plain(name) for name in header}
    question = known.get("question") or _question(plain)
    options, labels, shuffled = _options(plain, known)
    taken = {question, *options}
    given = known.get("given") or _one("given", _named(plain, _GIVEN, taken))
    verdict = known.get("verdict")
    if verdict is None and given is not None:
        verdict = _one("verdict", _named(plain, _VERDICT, taken))
    answer = known.get("answer")
    if answer is None:
        answer = options[-1] if shuffled else _answer(plain, {*taken, given, verdict}, bool(options))
    subject = next(iter(_named(plain, _SUBJECT, {*taken, answer})), None)
    return Columns(question, tuple(options), answer, labels if answer else None, shuffled, given, verdict, subject)


def answer_kind(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """How the answers are written, asked of the rows: `index`, `one_based_index`, `letter`, `label` or `text`.

    Args:
        columns: of the table.
        rows: of it; the first thousand are looked at.

    Returns:
        None where there is no column of answers.

    Raises:
        UserError: they could be two of these, or are none.
    """
    if columns.answer is None:
        return None
    if not columns.options:
        return "text"
    if columns.labels is not None:
        return "label"
    kinds = {"index", "one_based_index", "letter", "text"}
    seen = ""
    for row in rows[:_EXAMINED]:
        seen = as_text(lookup(dict(row), columns.answer), f"`{columns.answer}`").strip()
        kinds &= _kinds(seen, _texts(columns, dict(row)))
    if len(kinds) == 1:
        return kinds.pop()
    got = f"{' or '.join(sorted(kinds))}" if kinds else f"none of these throughout ({seen[:40]!r})"
    wanted = "numbers from 0 or from 1, letters, or the options' texts"
    raise expected(
        f"the answers in `{columns.answer}`",
        wanted,
        got,
        "Say which: --answer-kind index, one_based_index, letter or text.",
    )


def likely_delimiter(text: str) -> str:
    """The delimiter under which the first row of a CSV file holds most names that are known here, else most cells."""

    def found(sign: str) -> tuple[int, int]:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=sign), [])
        return sum(_plain(name) in _NAMES or bool(_NUMBERED.fullmatch(_plain(name))) for name in first), len(first)

    return max(DELIMITERS.values(), key=found)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _check_there(role: str, columns: Sequence[str], header: Sequence[str]) -> None:
    tops = {name.partition(".")[0] for name in header}
    for column in columns:
        if column not in header and column.partition(".")[0] not in tops:
            raise expected(f"--{role}", f"one of {', '.join(header)}", f"`{column}`", "Correct the name.")


def _question(plain: Mapping[str, str]) -> str:
    found = _named(plain, _QUESTION, set())
    if not found:
        raise expected("a column", "the question", f"none of {', '.join(plain)}", "Say which: --question COLUMN.")
    question = _one("question", found)
    context = _one("question", _named(plain, _CONTEXT, {question}), "with --question '{CONTEXT}\\n\\n{QUESTION}'")
    return f"{{{context}}}\n\n{{{question}}}" if context else str(question)


def _options(plain: Mapping[str, str], known: Mapping[str, str]) -> tuple[list[str], str | None, bool]:
    """The columns of the options, that of their labels, and whether the right one always comes last."""
    if "options" in known:
        listed = known["options"].split(",")
        labels = f"{listed[0].removesuffix('.text')}.label"
        return listed, labels if len(listed) == 1 and labels in plain else None, False
    lists = [name for name, short in plain.items() if short in _OPTIONS or short.removesuffix(".text") in _OPTIONS]
    numbered = _numbered(plain)
    wrong = sorted(name for name, short in plain.items() if _WRONG.fullmatch(short))
    ways = [way for way in (lists, numbered, wrong) if way]
    if len(ways) > 1 or len(lists) > 1:
        raise _several("options", [name for way in ways for name in way])
    if wrong:
        right = _one("answer", _named(plain, _ANSWER, set()))
        if right is None:
            raise _several("answer", wrong)
        return [*wrong, right], None, True
    if not lists:
        return numbered, None, False
    labels = f"{lists[0].removesuffix('.text')}.label"
    return lists, labels if lists[0].endswith(".text") and labels in plain else None, False


def _numbered(plain: Mapping[str, str]) -> list[str]:
    """Columns as `option_a`, `option_b`, or `A`, `B`, or `choice1`, `choice2`, in order, from the first on."""
    rows: dict[str, dict[str, str]] = {}
    for name, short in plain.items():
        if match := _NUMBERED.fullmatch(short):
            rows.setdefault(match[1] or "", {})[match[2]] = name
    found = []
    for prefix, columns in rows.items():
        for signs in (list(ascii_lowercase), [str(n) for n in range(26)], [str(n) for n in range(1, 27)]):
            run = [columns[sign] for sign in _beginning(signs, columns)]
            if len(run) < 2 or (not prefix and signs[0].isdigit()):
                continue
            further = len(columns) if prefix else len(columns.keys() & set(_USUAL_LETTERS))
            if len(run) < further:
                way_out = "Say which: --options COLUMN,COLUMN,…"
                raise expected("the columns of the options", "without a gap", ", ".join(columns.values()), way_out)
            found.append(run)
            break
    if len(found) > 1:
        raise _several("options", [name for run in found for name in run])
    return found[0] if found else []


def _beginning(signs: Sequence[str], columns: Mapping[str, str]) -> Iterator[str]:
    for sign in signs:
        if sign not in columns:
            return
        yield sign


def _answer(plain: Mapping[str, str], taken: set[str | None], has_options: bool) -> str | None:
    found = _named(plain, _ANSWER, taken)
    if not found:
        nested = {
            name: short for name, short in plain.items() if short.partition(".")[0] in _ANSWER and name not in taken
        }
        parents = {name.partition(".")[0] for name in nested}
        if len(parents) > 1:
            raise _several("answer", list(nested))
        for last in _TEXTS:
            if inside := [name for name, short in nested.items() if short.partition(".")[2] == last]:
                return inside[0]
    if not has_options and [plain[name] for name in found] == ["label"]:
        raise expected(
            "the column `label`",
            "told what it says, as there are no options",
            "nothing",
            "Say --answer label if it is the right answer, or --verdict label if it says whether the model is right.",
        )
    return _one("answer", found)


def _named(plain: Mapping[str, str], names: Sequence[str], taken: set[Any]) -> list[str]:
    return [name for name, short in plain.items() if short in names and name not in taken]


def _one(role: str, found: Sequence[str], way_out: str | None = None) -> str | None:
    if len(found) > 1:
        raise _several(role, found, way_out)
    return found[0] if found else None


def _several(role: str, found: Sequence[str], way_out: str | None = None) -> UserError:
    flag = "--options COLUMN, or COLUMN,COLUMN,… with one each" if role == "options" else f"--{role} COLUMN"
    what = {"given": "given answers", "verdict": "verdicts"}.get(role, role)
    return expected(f"the column of the {what}", "one", " and ".join(found), f"Say which: {way_out or flag}.")


def _texts(columns: Columns, row: dict[str, Any]) -> list[str]:
    """The options of a row that hold something, as texts."""
    if len(columns.options) == 1:
        values = as_list(lookup(row, columns.options[0]), f"`{columns.options[0]}`")
    else:
        values = [lookup(row, column) for column in columns.options]
    texts = ["" if value is None else as_text(value, "an option").strip() for value in values]
    return [text for text in texts if text]


def _kinds(answer: str, options: Sequence[str]) -> set[str]:
    """How one answer may be meant."""
    kinds = {"text"} if answer in options else set()
    number = {"false": "0", "true": "1"}.get(answer.lower(), answer.removesuffix(".0"))
    if number.isascii() and number.isdecimal():
        kinds |= {"index"} if int(number) < len(options) else set()
        kinds |= {"one_based_index"} if 1 <= int(number) <= len(options) else set()
    elif answer.lower() in set(ascii_lowercase[: len(options)]):
        kinds |= {"letter"}
    return kinds
