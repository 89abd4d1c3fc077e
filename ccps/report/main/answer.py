"""What a user wants to know first: which confidence to use here, how good it is, and how to use it."""

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from ccps.analysis.answer import Against, Answer, Tested
from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.terms import FORMAT_NAMES
from ccps.analysis.verdict import Standing
from ccps.core.text import DASH, count, interval, level_words, listed, percent, signed_points, slug
from ccps.metrics import METRICS
from ccps.metrics.calibration import ECE_ABOVE, is_ece_above
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Block, Section
from ccps.report.kit.table import Cell, Row, Table
from ccps.report.kit.templates import render
from ccps.report.main.job import MAIN
from ccps.report.main.reliability import diagram
from ccps.report.main.thresholds import certified_words, ends, estimate_cell, thresholds_table

ANCHOR = "answer"
# One model with both formats; what was chosen for others is folded.
_OPEN = 2
_NAMED = 2
_LABELS = 100
_NOTHING = (
    "This run chose no confidence to use. Methods that learn are chosen among by the stage choose, on their training "
    "answers. What each method measured stands below."
)
_EXAMPLES = {
    "mc": '[{"text": "What is 7 × 8?", "options": ["54", "56", "63", "48"]}]',
    "oe": '[{"text": "What is the capital of France?"}]',
}
_WORDS = "P is the probability that an answer is right. Chosen on training answers alone; no test took part in it."


def conclusion(found: Findings) -> str:
    """The answer in a sentence for each model and format."""
    answers = found.answers
    if not answers:
        return "No confidence was chosen in this run."
    if len(answers) > _NAMED:
        return f"Which confidence to use, for {len(answers)} pairs of model and format, and how good each is."
    return " ".join(_use(answer, first=not place) for place, answer in enumerate(answers))


def _use(answer: Answer, *, first: bool) -> str:
    data, form = answer.data, FORMAT_NAMES.get(answer.format, answer.format)
    whose = f"answers of {answer.model}" if first else "answers"
    text = f"For {form} {whose} use {data.label(answer.method)}"
    if not answer.tests:
        return f"{text}."
    test = answer.tests[0]
    auroc = next(one for one in test.against if one.metric == "auroc").own
    plain = any(one.other for one in test.against) and not test.metrics(Standing.BETTER)
    word = "worse" if test.metrics(Standing.WORSE) else "not clearly better"
    honest = f", {word} than without training" if plain else ""
    return f"{text} (AUROC {percent(auroc.value)} % on {test.setting.benchmark}{honest})."


def answer_section(found: Findings) -> Section:
    """A part for each model and format; what stands further down is named where nothing was chosen."""
    title = "Which confidence to use"
    if not found.answers:
        return Section(ANCHOR, title, [_NOTHING])
    curves = found.few_labels.curves
    parts = [_part(answer, curves, folded=place >= _OPEN) for place, answer in enumerate(found.answers)]
    chosen = {(answer.model, answer.format) for answer in found.answers}
    asked = found.data.choice[["model", "format"]].drop_duplicates().itertuples(index=False, name=None)
    notes = [
        f"{model}, {FORMAT_NAMES.get(form, form)}: nothing was chosen, as no method could be compared."
        for model, form in asked
        if (model, form) not in chosen
    ]
    return Section(ANCHOR, title, [_WORDS], notes=notes, parts=parts)


def _title(answer: Answer) -> str:
    return f"{answer.model}, {FORMAT_NAMES.get(answer.format, answer.format)}: {answer.data.label(answer.method)}"


def _part(answer: Answer, curves: pd.DataFrame, *, folded: bool) -> Section:
    data, tests = answer.data, answer.tests
    level = level_words(data.level)
    notes = [
        f"Over all questions at once, in percent; in brackets {level} intervals over subjects. ECE is of P itself, in "
        f"ten bins. {_which_rival(tests)}"
        if tests
        else "No test of this format was run, or the method scored no answer of it.",
        *(
            f"{test.setting.benchmark}: {count(test.n_unscored)} answers have no P, and are left out."
            for test in tests
            if test.n_unscored
        ),
        *(
            f"{test.setting.benchmark}: {ECE_ABOVE}."
            for test in tests
            for one in test.against
            if is_ece_above(one.metric, one.own.value, one.own.low)
        ),
    ]
    return Section(
        f"{ANCHOR}-{slug(answer.model, answer.format)}",
        _title(answer),
        [
            _why(answer),
            *map(_verdict, [answer] * len(tests), tests),
            *map(certified_words, tests),
            *_with_labels(answer, curves),
        ],
        [_quality(answer), thresholds_table(answer)] if tests else [],
        notes,
        folded=_brief(answer) if folded else "",
        more=_how_to(answer),
    )


def _which_rival(tests: Sequence[Tested]) -> str:
    if any(test.is_found_on_test for test in tests):
        return (
            "The strongest method that needs no training is chosen by each metric on this very test, so the difference "
            "leans its way."
        )
    return (
        "What needs no training is named beforehand: for multiple choice the options' probability, else the answer's."
    )


def _with_labels(answer: Answer, curves: pd.DataFrame) -> Iterator[str]:
    """What a few labels of the reader's own would do, for each test; P cannot know how many answers are right there."""
    for test in answer.tests:
        own = curves[
            (curves["model"] == answer.model)
            & (curves["benchmark"] == test.setting.benchmark)
            & (curves["method"] == answer.method)
            & (curves["k"] <= _LABELS)
        ]
        if own.empty or not own["k"].max():
            continue
        k = int(own["k"].max())
        after = own[own["k"] == k].set_index("metric")
        figures = [
            f"{METRICS[metric].label} {percent(row['value'])} {interval(row['low'], row['high'])}".strip()
            for metric in ("ece", "brier")
            for row in [after.loc[metric]]
        ]
        yield (
            f"P has learnt how many answers are right in training, not how many on {test.setting.benchmark}. With {k} "
            f"of its questions labelled, and one number set by them (calibrator=intercept): {', '.join(figures)}."
        )


def _why(answer: Answer) -> str:
    brier = f"{percent(answer.brier.value)} {interval(answer.brier.low, answer.brier.high)}".strip()
    among = f"the lowest of {answer.candidates} methods" if answer.candidates > 1 else "no other was to choose from"
    how = f"each scored by a fit without it ({answer.folds} folds)" if answer.folds else "none of which it learnt from"
    return f"Brier score {brier} on {count(answer.brier.n)} training answers, {how}: {among}."


def _verdict(answer: Answer, test: Tested) -> str:
    """Whether it is better than what needs no training, in one honest sentence."""
    name, n = test.setting.benchmark, len(test.rows)
    where = f"On {name} ({count(n)} questions, {percent(test.rows['correct'].mean())} % of the answers right)"
    if all(one.other is None for one in test.against):
        return f"{where} no other method that needs no training was run to hold it against."
    reservations = dict.fromkeys(one.reservation for one in test.against if one.reservation)
    if len(test.metrics(Standing.NONE)) == len(test.against):
        return f"{where} there is no verdict on whether it is better than without training: {'; '.join(reservations)}."
    better, worse = test.metrics(Standing.BETTER), test.metrics(Standing.WORSE)
    rival = _rivals(answer.data, test)
    strongest = f"the strongest method without training ({rival})" if test.is_found_on_test else rival
    if not better and not worse and not test.metrics(Standing.NONE):
        return f"{where} it is no better than {strongest}: no difference is clear, by any of the three metrics."
    clauses = [f"better than {strongest} by {_labels(better)}"] if better else []
    if worse:
        clauses.append(f"{'worse' if better else f'worse than {strongest}'} by {_labels(worse)}")
    level, silent = test.metrics(Standing.LEVEL), test.metrics(Standing.NONE)
    if level:
        clauses.append(f"not clearly different by {_labels(level)}")
    if silent:
        clauses.append(f"without a verdict by {_labels(silent)} ({'; '.join(reservations)})")
    return f"{where} it is {'' if better or worse else 'no better: '}{', '.join(clauses)}."


def _rivals(data: ReportData, test: Tested) -> str:
    return listed(list(dict.fromkeys(data.label(one.other) for one in test.against if one.other)))


def _labels(metrics: list[str]) -> str:
    return listed([METRICS[metric].label for metric in metrics])


def _brief(answer: Answer) -> str:
    if not answer.tests:
        return "no test of this format"
    test = answer.tests[0]
    return ", ".join(f"{METRICS[one.metric].label} {percent(one.own.value)} %" for one in test.against) + (
        f" on {test.setting.benchmark}"
    )


def _quality(answer: Answer) -> Table:
    rows: list[Row] = []
    for test in answer.tests:
        rows.append(Row([f"{test.setting.benchmark}, {count(len(test.rows))} questions"], "group"))
        rows += [_against(answer.data, one) for one in test.against]
    head = ("", answer.data.label(answer.method), "Without training", "Difference")
    return Table("How good it is", head, rows)


def _against(data: ReportData, one: Against) -> Row:
    metric = METRICS[one.metric]
    if one.other is None:
        return Row([metric.heading, estimate_cell(one.own), DASH, DASH])
    theirs = Cell(percent(one.theirs.value), f"{ends(one.theirs)} {data.label(one.other)}".strip())
    return Row([metric.heading, estimate_cell(one.own), theirs, _difference(one)])


def _difference(one: Against) -> Cell:
    words = {Standing.BETTER: "better", Standing.WORSE: "worse", Standing.LEVEL: "not clear"}
    ends = one.difference.low, one.difference.high
    below = f"[{', '.join(map(signed_points, ends))}]" if not any(map(math.isnan, ends)) else ""
    word = words.get(one.standing, one.reservation or "no interval")
    text = signed_points(one.difference.value)
    return Cell(text, ", ".join(part for part in (below, word) if part), kind=one.standing.name.lower())


def _how_to(answer: Answer) -> Block:
    """Where the scorer lies, and the lines that use it."""
    path = f"scorers/{answer.model}/{answer.format}/best"
    code = "\n".join(
        [
            "from ccps import ConfidenceScorer",
            "",
            f'scorer = ConfidenceScorer.load("{path}")',
            f"scorer.score({_EXAMPLES.get(answer.format, 'questions')})",
        ]
    )
    words = "It lies beside this page, in"
    html = render("main/use.html.j2", words=words, path=path, code=code)
    return Block(html, f"{words} `{path}`:\n\n```python\n{code}\n```")


@MAIN.figure(ANCHOR)
def chosen_diagrams(found: Findings) -> Iterator[Picture]:
    """The reliability of each chosen method, on the test of its format with most answers."""
    for answer in found.answers:
        if not answer.tests:
            continue
        test, label = answer.tests[0], answer.data.label(answer.method)
        canvas, words = diagram(test.rows, label)
        caption = (
            f"{label} on {test.setting.benchmark}: of the answers given this P, this share was right. "
            "Below the diagonal it is overconfident; the bars count the answers."
        )
        alt = f"Reliability diagram of {label} on {test.setting.benchmark}, {len(test.rows):,} answers: {words}"
        name = f"chosen-{slug(answer.model, answer.format)}"
        yield picture(canvas, _title(answer), name, caption, alt)
