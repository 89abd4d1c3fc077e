"""Which questions of a benchmark are used: reproducible, nested samples and the removal of test questions."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from ccps.core.errors import expected
from ccps.data.records import Question

Order = Literal["shuffled", "first"]
Remainder = Literal["deal", "drop"]


def sample(
    questions: Sequence[Question],
    *,
    per_subject: int | None = None,
    total: int | None = None,
    order: Order = "shuffled",
    remainder: Remainder = "deal",
    seed: int = 0,
) -> list[Question]:
    """Choose questions so that a larger sample contains every smaller one of the same order and seed.

    1. `per_subject`: the first n of each subject of each source.
    2. `total`: equal shares of all sources; a source smaller than its share gives all it has. What is left over goes
       one by one to the others, in order of their names ("deal"), or nobody gets it ("drop": total // sources of
       each at most, as Calibration-Tuning does, arXiv 2406.08391, App. C.2).
    3. neither: all of them.

    Args:
        questions: from any number of sources, in any order of sources and subjects.
        per_subject: questions per subject; a smaller subject gives all it has.
        total: questions over all sources.
        order: "shuffled" ranks by a hash of seed and id, whatever the order given; "first" keeps that order.
        remainder: what becomes of what is left of `total` after equal shares: "deal" or "drop".
        seed: of the shuffle.

    Returns:
        The chosen questions, source by source (subject by subject) in order of names, best-ranked first.

    Raises:
        UserError: both sizes given, a size below one (with "drop" below one per source), or an unknown order or
            remainder.
    """
    if per_subject is not None and total is not None:
        raise expected("the sample size", "either `per_subject` or `total`", "both", "Leave one of them out.")
    for name, size in (("per_subject", per_subject), ("total", total)):
        if size is not None and size < 1:
            raise expected(f"`{name}`", "a positive number", size, "Leave it out to take all questions.")
    if order not in ("shuffled", "first"):
        raise expected("`order`", "shuffled or first", order, "Choose one of them.")
    if remainder not in ("deal", "drop"):
        raise expected("`remainder`", "deal or drop", remainder, "Choose one of them.")

    groups: dict[tuple[str, ...], list[Question]] = defaultdict(list)
    for question in questions:
        key = (question.source,) if total is not None else (question.source, question.subject)
        groups[key].append(question)
    ranked = [groups[key] for key in sorted(groups)]
    if order == "shuffled":
        ranked = [sorted(group, key=lambda question: _rank(question, seed)) for group in ranked]
    if total is not None:
        quotas: Iterable[int | None] = _quotas([len(group) for group in ranked], total, remainder)
    else:
        quotas = [per_subject] * len(ranked)
    return [question for group, quota in zip(ranked, quotas, strict=True) for question in group[:quota]]


def _quotas(sizes: Sequence[int], total: int, remainder: Remainder) -> list[int]:
    if remainder == "deal":
        return shares(sizes, total)
    if total < len(sizes):
        raise expected("`total`", f"at least the number of sources, {len(sizes)}", total, "Raise it.")
    return [min(size, total // len(sizes)) for size in sizes]


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """Deal `total` out one by one in rounds, passing over what is used up.

    Guards the nesting of samples: a larger total never takes from any share.
    """
    quotas = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        is_open = [i for i, size in enumerate(sizes) if quotas[i] < size]
        each = max(1, min(left // len(is_open), min(sizes[i] - quotas[i] for i in is_open)))
        for i in is_open[:left]:
            quotas[i] += each
            left -= each
    return quotas


def _rank(question: Question, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{question.id}".encode(), digest_size=16).digest()


class Dropped(NamedTuple):
    """A training question that was left out, and why."""

    question: Question
    reason: str


class Deduplicated(NamedTuple):
    """The training questions that stay and those that do not."""

    kept: list[Question]
    dropped: list[Dropped]


def deduplicate(train: Iterable[Question], test: Iterable[Question]) -> Deduplicated:
    """Leave out of `train` every question whose text, normalised, is that of a question in `test`."""
    seen: dict[str, str] = {}
    for question in test:
        seen.setdefault(normalise(question.text), question.id)
    result = Deduplicated([], [])
    for question in train:
        twin = seen.get(normalise(question.text))
        if twin is None:
            result.kept.append(question)
        else:
            result.dropped.append(Dropped(question, f"same text as test question {twin}"))
    return result


def near_twins(train: Iterable[Question], test: Iterable[Question], n_words: int = 8, share: float = 0.5) -> list[str]:
    """Ids of training questions that share much of their wording with some test question, though not all of it.

    Args:
        train: training questions.
        test: test questions.
        n_words: length of the runs of words that are compared; a shorter question counts as one run.
        share: a question is a near twin if at least this share of its runs stands in one and the same test question.
    """
    runs_of = [(question.id, _runs(question.text, n_words)) for question in train]
    # Tests are often many times as large as what is trained on, so that only runs of the latter are looked up.
    where: dict[tuple[str, ...], list[int]] = {run: [] for _, runs in runs_of for run in runs}
    for index, question in enumerate(test):
        for run in _runs(question.text, n_words) & where.keys():
            where[run].append(index)
    found = []
    for name, runs in runs_of:
        hits = Counter(index for run in runs for index in where[run])
        if hits and max(hits.values()) >= share * len(runs):
            found.append(name)
    return found


def _runs(text: str, n_words: int) -> set[tuple[str, ...]]:
    words = normalise(text).split()
    return set(zip(*(words[start:] for start in range(n_words)), strict=False)) or {tuple(words)}


class _Spaces(dict[int, int]):
    """From character to character: white space and punctuation to a space, all others to themselves."""

    def __missing__(self, code: int) -> int:
        self[code] = ord(" ") if unicodedata.category(chr(code))[0] in "PZC" else code
        return self[code]


_SPACES = _Spaces()


def normalise(text: str) -> str:
    """NFKC, casefold, runs of white space and punctuation to one space; signs such as + and < stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.translate(_SPACES).split()) or folded
