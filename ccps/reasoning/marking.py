"""Is a final answer right? By what a task asks for: a number, an option, a letter or text, yes or no, mathematics."""

import re
from collections.abc import Callable
from typing import NamedTuple

from ccps.data.records import Question
from ccps.faithful import Mode
from ccps.faithful.modes import check_mode
from ccps.grading.letters import answer_letter
from ccps.grading.normalise import normalise
from ccps.reasoning.mathematics import same_mathematics

_NUMERAL = re.compile(r"-?\d+(\.\d+)?")
_BARE_OPTION = re.compile(r"[^\w-]*(?:option|choice|answer)?[^\w-]*(\d+)\W*", re.I)
_OPTION_AND_TEXT = re.compile(r"[^\w-]*(?:option|choice|answer)?[^\w-]*(\d+)[.):]\s", re.I)
_LEADING_LETTER = re.compile(r"\W*(?:(?:option|choice|answer)\W+)?([A-Za-z])(?:[.):,]\s|\W*$)", re.I)

_SUBSTITUTIONS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Marks of thousands.
        (r"(?<=\d)(?:\\[,;:!]|\{,\})\s*(?=\d{3})", ""),
        (r"\^\s*\{?\s*\\circ\s*\}?|\\degree\b", ""),
        # Commands that say how their argument looks, and those that only size or space.
        (r"\\(?:text(?:bf|it|rm|tt|sf)?|math(?:bf|it|rm|sf|tt)|operatorname|mbox|boxed)\s*(?=\{)", " "),
        (r"\\(?:left|right|displaystyle|qquad|quad)(?![A-Za-z])", " "),
        (r"\\[()\[\],;:! ]|~", " "),
        (r"\\?\$", " "),
        (r"\\([%#&_])", r"\1"),
        (r"[{}`]", ""),
        (r"=", " = "),
        (r"\s+", " "),
    )
]
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_MATHEMATICAL = re.compile(r"[\d\\^_=+*/<>]")


class Marked(NamedTuple):
    """A mark."""

    correct: bool | None
    """None if it cannot be told."""
    answer: str | None
    """What was understood, in one form for equal answers: a number, a letter, "yes", a text. None if nothing was."""
    reason: str = ""
    """Why it cannot be told."""


def mark(answer: str | None, question: Question, kind: str, *, mode: Mode = "strict") -> Marked:
    """Compare a final answer with the right one.

    `strict` reads LaTeX, units, signs and words for numbers, compares texts as a whole after `normalise` (formulae as
    mathematics), and calls an answer unknown if what the task asks for is not in it.

    `parity` does as the released code of arXiv 2606.03969: integers by their digits alone (a sign is lost), options by
    the first whole number, letters by the first sign of the answer, texts by containment either way (an empty answer
    fits all), yes and no by the words. It has no `mathematics`; that is marked as in `strict`. Where the code asks the
    data which questions want a letter, one letter as the right answer decides here.

    Args:
        answer: as `extract_answer` gives it; None if there is none.
        question: with the accepted answers.
        kind: an `AnswerKind`.
        mode: `strict` or `parity`.

    Raises:
        ValueError: unknown mode or kind.
    """
    check_mode(mode)
    if kind not in _STRICT:
        raise ValueError(f"Expected `kind` to be one of {', '.join(_STRICT)}, but got {kind!r}. Choose one of them.")
    if answer is None:
        return Marked(None, None, "there is no answer")
    if reason := unfit(question, kind):
        return Marked(None, answer, reason)
    if mode == "parity" and kind in _PARITY:
        return _PARITY[kind](answer, question)
    if not answer.strip():
        return Marked(None, None, "the answer is empty")
    return _STRICT[kind](answer, question)


def unfit(question: Question, kind: str) -> str:
    """Why no answer to a question can be marked as this kind; empty if one can."""
    if not question.accepted:
        return "no right answer is known"
    if kind == "option" and not question.options:
        return "the question has no options"
    if kind == "integer" and _number(_gold(question)[0]) is None:
        return "the right answer is no number"
    if kind == "yes_no" and _yes_no_word(_gold(question)[0]) is None:
        return "the right answer is neither yes nor no"
    return ""


def right_answers(question: Question, kind: str) -> tuple[str, ...]:
    """The accepted answers as a model should write them: numbers for options, else texts."""
    if kind == "option":
        return tuple(str(question.letters.index(letter) + 1) for letter in question.accepted)
    return _gold(question)


def plain(text: str) -> str:
    """A short answer as plain text: LaTeX that only formats it is gone, mathematics stays as it is."""
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    return text.strip().strip("*_").strip()


def is_formula(text: str) -> bool:
    """Whether a short answer is mathematics: no word of three letters, and a digit or a sign of mathematics."""
    return _WORD.search(_COMMAND.sub(" ", text)) is None and _MATHEMATICAL.search(text) is not None


def _gold(question: Question) -> tuple[str, ...]:
    """The accepted texts, those of the options where there are options."""
    if not question.options:
        return question.accepted
    return tuple(question.options[question.letters.index(letter)] for letter in question.accepted)


def _integer(answer: str, question: Question) -> Marked:
    number = _number(answer)
    if number is None:
        return Marked(None, None, "the answer holds no number, or several")
    return Marked(number == _number(_gold(question)[0]), number)


def _number(text: str) -> str | None:
    """The one number in a text, or behind its last equals sign, in its shortest form."""
    written = plain(text)
    for part in (written, written.rpartition("=")[2]):
        numbers = {word for word in normalise(part).split() if _NUMERAL.fullmatch(word)}
        if len(numbers) == 1:
            return numbers.pop()
    return None


def _option(answer: str, question: Question) -> Marked:
    place = _option_place(plain(answer), question)
    if place is None:
        return Marked(None, None, f"the answer is none of the {len(question.options)} options")
    return Marked(question.letters[place] in question.accepted, str(place + 1))


def _option_place(written: str, question: Question) -> int | None:
    """Index of the option that an answer names: by its number, by its text, by number and text, or by its letter."""
    alike = [place for place, option in enumerate(question.options) if normalise(plain(option)) == normalise(written)]
    bare, numbered = _BARE_OPTION.fullmatch(written), _OPTION_AND_TEXT.match(written)
    letter = answer_letter(written)
    candidates = [
        int(bare[1]) - 1 if bare else None,
        alike[0] if len(alike) == 1 else None,
        int(numbered[1]) - 1 if numbered else None,
        question.letters.find(letter) if letter else None,
    ]
    return next((place for place in candidates if place is not None and 0 <= place < len(question.options)), None)


def _letter_or_text(answer: str, question: Question) -> Marked:
    letters = [text.strip().lower() for text in question.accepted if len(text.strip()) == 1 and text.strip().isalpha()]
    if letters:
        found = _LEADING_LETTER.match(plain(answer))
        if found is None:
            return Marked(None, None, "the answer is no letter")
        return Marked(found[1].lower() in letters, found[1].upper())
    return Marked(any(_same_text(accepted, answer) for accepted in question.accepted), answer.strip())


def _same_text(accepted: str, answer: str) -> bool:
    if is_formula(accepted):
        return accepted.strip() == answer.strip() or bool(same_mathematics(accepted, answer).same)
    return normalise(plain(accepted)) == normalise(plain(answer))


def _yes_no(answer: str, question: Question) -> Marked:
    word = _yes_no_word(answer)
    if word is None:
        return Marked(None, None, "the answer is neither yes nor no")
    return Marked(word == _yes_no_word(_gold(question)[0]), word)


def _yes_no_word(text: str) -> str | None:
    """Yes or no: the first word, or the only one of the two that occurs."""
    words = normalise(plain(text)).split()
    found = {word for word in words if word in ("yes", "no")}
    if words and words[0] in found:
        return words[0]
    return found.pop() if len(found) == 1 else None


def _mathematics(answer: str, question: Question) -> Marked:
    comparisons = [same_mathematics(accepted, answer) for accepted in _gold(question)]
    if any(comparison.same for comparison in comparisons):
        return Marked(True, answer.strip())
    reasons = [comparison.reason for comparison in comparisons if comparison.same is None]
    return Marked(None, None, reasons[0]) if reasons else Marked(False, answer.strip())


def _released_integer(answer: str, question: Question) -> Marked:
    found, gold = (re.sub(r"[^0-9]", "", text) for text in (answer, _gold(question)[0]))
    if not found or not gold:
        return Marked(None, None, "the answer holds no digit")
    return Marked(int(found) == int(gold), str(int(found)))


def _released_option(answer: str, question: Question) -> Marked:
    found = re.search(r"\d+", answer)
    if found is None:
        return Marked(None, None, "the answer holds no digit")
    return Marked(str(int(found[0])) == right_answers(question, "option")[0], str(int(found[0])))


def _released_letter_or_text(answer: str, question: Question) -> Marked:
    if len(question.accepted[0].strip()) == 1 and question.accepted[0].strip().isalpha():
        upper = answer.strip().upper()
        found = re.match(r"([A-Z0-9])\b", upper)
        letter = found[1] if found else upper
        return Marked(letter == question.accepted[0].strip().upper(), letter)
    given = answer.lower().strip()
    golds = [accepted.lower().strip() for accepted in question.accepted]
    return Marked(any(gold in given or given in gold for gold in golds), given)


def _released_yes_no(answer: str, question: Question) -> Marked:
    given = answer.strip().lower()
    says = [word for word in ("yes", "no") if re.search(rf"\b{word}\b", given)]
    found = says[0] if len(says) == 1 else given
    return Marked(found == _gold(question)[0].strip().lower(), found)


_Marker = Callable[[str, Question], Marked]
_STRICT: dict[str, _Marker] = {
    "integer": _integer,
    "option": _option,
    "letter_or_text": _letter_or_text,
    "yes_no": _yes_no,
    "mathematics": _mathematics,
}
_PARITY: dict[str, _Marker] = {
    "integer": _released_integer,
    "option": _released_option,
    "letter_or_text": _released_letter_or_text,
    "yes_no": _released_yes_no,
}
