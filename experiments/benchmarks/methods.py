"""What other methods add to the time that the language model takes for CCPS alone."""

from collections.abc import Callable, Collection, Mapping, Sequence

from ccps.asking.follow_up import Collected
from ccps.asking.interview import Interview, Manner
from ccps.data.records import Question
from ccps.llm import LanguageModel
from experiments.benchmarks.forward import representative
from experiments.benchmarks.open_ended import added
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import spread, take_turns

TARGET = Target("≤", 15)
BATCH_TOKENS = 2048

TITLE = "Methods"
TEXT = (
    f"The same questions answered in batches of at most {BATCH_TOKENS:,} tokens: for CCPS alone; for all probe "
    "methods, P(IK) and SAPLMA among them, which read on to the end of the answer's turn; and for P(True) and LTS as "
    "well, which read on to the end of the self-evaluation query. The share is what reading on adds. Nothing else of "
    "these methods takes the language model."
)
WAYS: Mapping[str, tuple[Collected, ...]] = {
    "alone": (),
    "probes": ("layer_states",),
    "all": ("layer_states", "self_evaluation"),
}


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of a model's figures if it is not to be had."""
    return [Figure.missing("All probe methods add", name, reason, TARGET)]


def measure_methods(lm: LanguageModel, questions: Sequence[Question], n: int, repetitions: int) -> list[Figure]:
    """Time answering with and without what is read after it."""
    asked = representative(questions, n)
    manner = Manner(max_batch_tokens=BATCH_TOKENS)

    def way(collect: Collection[Collected]) -> Callable[[], object]:
        return lambda: Interview(lm, asked, manner, collect).answer_all()

    Interview(lm, asked[:2], manner, WAYS["all"]).answer_all()
    name, form = lm.files.name, asked[0].format
    seconds, _ = take_turns({key: way(collect) for key, collect in WAYS.items()}, repetitions, f"methods, {name}")
    on = f"{name}, {len(asked)} questions ({form})"
    return [
        Figure.of("CCPS alone", on, spread(value / len(asked) for value in seconds["alone"]), "s/question"),
        Figure.of("All probe methods add", on, added(seconds["alone"], seconds["probes"]), "%", TARGET),
        Figure.of("P(True) and LTS with them add", on, added(seconds["alone"], seconds["all"]), "%"),
    ]


def methods_section(figures: Sequence[Figure]) -> Section:
    """The section of the page."""
    return Section(TITLE, TEXT, list(figures))
