"""The tables of docs/decisiveness.md are what the lexicon gives."""

from pathlib import Path

from scipy.stats import pearsonr, spearmanr

from ccps.faithful import decisiveness
from ccps.faithful.markers import APPROACHES, DEGREES, NEGATIONS

DOC = Path(__file__).parents[3] / "docs" / "decisiveness.md"

# Means of the surveys of Fagen-Ulmschneider (123 people) and zonination (46), and the judge of MetaFaith (arXiv
# 2505.24858, table 1), which was not asked about "probable".
PHRASES = {
    "almost certain": (0.920, 0.926, 0.93),
    "highly likely": (0.871, 0.862, 0.90),
    "very good chance": (0.805, 0.798, 0.75),
    "we believe": (0.751, 0.685, 0.75),
    "likely": (0.709, 0.720, 0.71),
    "probably": (0.687, 0.715, 0.68),
    "probable": (0.676, 0.715, None),
    "better than even": (0.581, 0.584, 0.64),
    "about even": (0.507, 0.496, 0.55),
    "probably not": (0.247, 0.295, 0.33),
    "we doubt": (0.224, 0.279, 0.23),
    "unlikely": (0.212, 0.199, 0.20),
    "improbable": (0.168, 0.180, 0.12),
    "chances are slight": (0.144, 0.141, 0.15),
    "little chance": (0.129, 0.160, 0.14),
    "highly unlikely": (0.108, 0.101, 0.06),
    "almost no chance": (0.065, 0.056, 0.03),
}
SENTENCES = (
    "It is clearly 12.",
    "It should be 12.",
    "The answer is roughly 12.",
    "This could give 12.",
    "I am leaning towards 12.",
    "I don't know.",
    "Is 7 prime? Yes, 7 is prime.",
    "Wait, that can't be right.",
    "If n is odd, it may be prime.",
    "The witness said that it was probably his car.",
    "Rain is likely in this climate.",
    "Das ist wahrscheinlich 12.",
)


MODIFIERS = {*APPROACHES, *DEGREES, *NEGATIONS}


def score(text: str) -> float:
    return decisiveness(text).score


def is_composed(phrase: str) -> bool:
    return not MODIFIERS.isdisjoint(phrase.split())


def acceptance() -> str:
    rows = ["| phrase | people (F-U) | people (zonination) | MetaFaith's judge | lexicon |", "|---|---|---|---|---|"]
    for phrase, (first, second, judge) in PHRASES.items():
        said = "" if judge is None else f"{judge:.2f}"
        named = f"{phrase} *" if is_composed(phrase) else phrase
        rows.append(f"| {named} | {first:.3f} | {second:.3f} | {said} | {score(phrase):.3f} |")
    return "\n".join(rows)


def agreement() -> str:
    ours, people = [score(phrase) for phrase in PHRASES], [first for first, _, _ in PHRASES.values()]
    composed = [place for place, phrase in enumerate(PHRASES) if is_composed(phrase)]
    off = max(abs(ours[place] - people[place]) for place in composed)
    return (
        f"Pearson {pearsonr(ours, people).statistic:.3f}, Spearman {spearmanr(ours, people).statistic:.3f}; of the "
        f"{len(composed)} with a star the worst is off by {off:.3f}."
    )


def examples() -> str:
    rows = ["| a step | lexicon |", "|---|---|"]
    return "\n".join([*rows, *(f"| {text} | {score(text):.3f} |" for text in SENTENCES)])


def test_the_committed_tables_are_what_the_lexicon_gives() -> None:
    text = DOC.read_text()
    for part in (acceptance(), examples()):
        assert part in text, f"Put this into {DOC.name}:\n{part}"
    assert agreement() in " ".join(text.split()), f"Put this into {DOC.name}:\n{agreement()}"
