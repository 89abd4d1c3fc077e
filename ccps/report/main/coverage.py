"""Risk against coverage: how wrong are the answers that a method is surest of?"""

from collections.abc import Iterator

from matplotlib.ticker import PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.reliability import flat_words
from ccps.analysis.shown import first_seed, main_methods
from ccps.core.text import percent, slug
from ccps.metrics import risk_coverage
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import WIDE, method_styles, new_figure
from ccps.report.main.job import MAIN, best_words, heading_of, seed_words

# The error rate of fewer answers than this swings too widely to be worth a line.
_FEWEST_ANSWERS = 20
# More lines than this cannot be told apart; the others are then drawn grey.
_MOST_LINES = 7
_GREY = "#c3cad0"
_LONG_LABEL = 32
_WORDS = (
    "Keep only the answers a method is surest of, and read off how many of those are wrong. Lower is better; at the "
    "right-hand end every method meets the error rate of the language model."
)


def coverage_section(found: Findings) -> Section:
    """What the curves show."""
    title, brief = "How wrong are the surest answers?", f"curves of risk against coverage; {best_words(found, 'auroc')}"
    return Section("coverage", title, [_WORDS], link="Risk and coverage", folded=brief)


@MAIN.figure("coverage")
def risk_coverages(found: Findings) -> Iterator[Picture]:
    """Risk–coverage curves of all methods, one figure per setting."""
    return (_risk_coverage(found.data, setting) for setting in found.data.settings)


def _risk_coverage(data: ReportData, setting: Setting) -> Picture:
    figure = new_figure(WIDE, 4.2)
    axes = figure.subplots()
    words, highest, seeded = [], 0.0, set()
    named = data.methods if len(data.methods) <= _MOST_LINES else main_methods(data, setting)
    for method, style in reversed(method_styles(data.methods).items()):
        rows = first_seed(data.scores, setting, method)
        scored = rows.dropna(subset=["p_correct"])
        if scored.empty:
            continue
        curve = risk_coverage(scored["p_correct"].to_numpy(float), scored["correct"].to_numpy(bool))
        shown = curve.coverage * len(scored) >= min(_FEWEST_ANSWERS, len(scored))
        highest = max(highest, float(curve.risk[shown].max()))
        flat = flat_words(scored["p_correct"].to_numpy(float))
        text = f"{data.label(method)} (area {percent(curve.aurc)} %{'; P hardly varies' if flat else ''})"
        axes.plot(
            curve.coverage[shown],
            curve.risk[shown],
            color=style.colour if method in named else _GREY,
            linestyle=style.dashes if method in named else "-",
            linewidth=2.2 if method == data.reference else 1.5 if method in named else 0.8,
            zorder=2.5 if method in named else 1.5,
            label=text if method in named else "_",
        )
        words.append(text)
        seeded.add(seed_words(rows))
    axes.set(xlim=(0, 1), ylim=(0, max(1.08 * highest, 0.01)))
    axes.set(xlabel="share of answers kept, surest first", ylabel="of those, wrong")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels), default=0) > _LONG_LABEL else 2
    figure.legend(handles[::-1], labels[::-1], loc="outside lower left", ncols=columns, handlelength=2.6)
    seeds = " ".join(sorted(seeded - {""}))
    grey = f"Grey: {len(data.methods) - len(named)} other methods. " if len(named) < len(data.methods) else ""
    caption = f"Area: mean error rate over all shares. Drawn from answer {_FEWEST_ANSWERS} on. {grey}{seeds}".strip()
    alt = f"Risk–coverage curves on {heading_of(setting)}: {', '.join(reversed(words))}."
    name = f"risk-coverage-{slug(*setting)}"
    return picture(figure, heading_of(setting), name, caption, alt)
