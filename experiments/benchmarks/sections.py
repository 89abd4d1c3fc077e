"""All parts, each with its sections of the page; what is not to be had is named with its reason."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig
from experiments.benchmarks import (
    curve,
    faithful_scoring,
    features,
    fork,
    forward,
    methods,
    open_ended,
    own_precision,
    processes,
    roofline,
    scale,
    scorer,
    serving,
    sizes,
    soak,
    stored,
    sweep,
    turns,
)
from experiments.benchmarks.features import TokenStates
from experiments.benchmarks.model import answer_states, open_model
from experiments.benchmarks.page import ON_GPU, Figure, Section
from experiments.benchmarks.reproduced import read_reproduced
from experiments.benchmarks.serving import Part, on_server
from experiments.benchmarks.settings import BenchConfig
from experiments.benchmarks.size_figures import CPU_TARGETS, GPU_TARGETS, Targets, missing

T = TypeVar("T")

_REAL_VOCABULARY = 10_000  # below, the logits that the released pipeline stores are next to nothing
_QUICK = "left out by `quick=true`."


def measure(config: BenchConfig) -> Iterator[list[Section]]:
    """Measure everything that the settings ask for and this machine has, part after part."""
    bench = Bench(config, config.chosen_device())
    parts: dict[str, Callable[[], list[Section]]] = {
        "features": lambda: bench.here(bench.features()),
        "own_precision": lambda: bench.here(bench.own_precision()),
        "sizes": lambda: [*bench.here(*bench.sizes()), *bench.without_gpu()],
        "scale": lambda: bench.here(bench.scale()),
        "processes": lambda: [bench.processes()],
        "sweep": lambda: bench.here(bench.sweep()),
        "answers": lambda: bench.here(bench.answers()),
        "methods": lambda: bench.here(bench.methods()),
        "forward": lambda: bench.here(bench.forward()),
        "fork": lambda: bench.here(bench.fork()),
        "turns": lambda: bench.here(bench.turns()),
        "scoring": lambda: [bench.scoring()],
        "scorer": lambda: bench.here(bench.scorer()),
        "fitting": lambda: bench.here(bench.fitting()),
        "serving": lambda: [bench.serving()],
        "soak": lambda: [bench.soak()],
        "plan": lambda: bench.here(bench.plan()),
        "experiment": lambda: [read_reproduced(Path(config.reproduced))],
    }
    yield from (part() for name, part in parts.items() if name in config.parts)


def attempt(
    part: str, name: str, work: Callable[[], T], otherwise: Callable[[str], T], state: str = "not measured"
) -> T:
    """Do something on a model, or say why that cannot be done and take what stands in its place."""
    try:
        return work()
    except UserError as error:
        reason = str(error)
    except torch.OutOfMemoryError:
        reason = "it does not fit the memory of this GPU."
    say(part, name, reason, state=state)
    return otherwise(reason)


class Size(NamedTuple):
    """What is said of one model.

    Attributes:
        figures: of time and memory.
        storage: of bytes on disk.
        row: bytes of a feature row; None if it was not written.
    """

    figures: list[Figure]
    storage: list[Figure]
    row: float | None


@dataclass(frozen=True)
class Bench:
    """The parts on one device.

    Attributes:
        config: what is measured.
        device: where.
    """

    config: BenchConfig
    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device is one."""
        return self.device.type == "cuda"

    def here(self, *sections: Section) -> list[Section]:
        """Say of sections where they were measured."""
        return [replace(section, title=section.title + ON_GPU * self.on_gpu) for section in sections]

    def features(self) -> Section:
        """On the head of the first model, or on random states of its shape."""
        config, name = self.config, self._first
        n_tokens = min(config.tokens, config.questions) if config.quick else config.tokens
        states = attempt(
            "features",
            name,
            lambda: self._states(name, n_tokens),
            lambda _: features.random_states(n_tokens, self.device),
            "random states instead",
        )
        section = features.measure_features(states, config.perturbation, config.repetitions)
        say("features", name, f"{len(states.hidden)} tokens, {states.shape}, {states.origin}")
        return section

    def own_precision(self) -> Section:
        """On the heads of all models."""
        config = self.config
        names = list(config.model)[:1] if config.quick else list(config.model)
        return own_precision.own_precision_section(
            [figure for name in names for figure in self._in_own_precision(name)]
        )

    def sizes(self) -> list[Section]:
        """Every size that this machine can hold, and what it stores."""
        config = self.config
        targets = Targets() if self.on_gpu else CPU_TARGETS
        found = [
            self._size(name, model, targets, config.quick and place > 1)
            for place, (name, model) in enumerate(config.sizes.items())
        ]
        if self.on_gpu:
            found += [self._size(name, model, GPU_TARGETS, config.quick) for name, model in config.gpu_sizes.items()]
        rows = [size.row for size in found if size.row is not None]
        storage = [figure for size in found for figure in size.storage]
        return [
            Section("Sizes", sizes.TEXT, [figure for size in found for figure in size.figures]),
            Section("Storage", stored.TEXT, [*storage, *stored.of_paper_model(rows)]),
        ]

    def without_gpu(self) -> list[Section]:
        """The sizes that only a GPU holds, on a machine without one."""
        if self.on_gpu or not self.config.gpu_sizes:
            return []
        reason = "no GPU was used." if torch.cuda.is_available() else "this machine has no GPU."
        figures = [figure for name in self.config.gpu_sizes for figure in missing(name, reason, GPU_TARGETS)]
        return [Section("Sizes" + ON_GPU, sizes.TEXT, figures)]

    def scale(self) -> Section:
        """On the first model; with a picture."""
        config, name = self.config, self._first

        def work() -> Section:
            model = open_model(name, config.model[name], self.device)
            asked = scale.alike(model.get(self.device), self._questions(config.test), 2 * config.questions)
            found = scale.measure_scale(
                model, asked, config.perturbation, config.max_batch_tokens, config.repetitions, self.device
            )
            picture = f"benchmarks/scale-{self.device.type}.png"
            curve.draw(found, Path(config.output) / picture)
            say("scale", name, f"{', '.join(map(str, found.questions))} questions")
            return Section(scale.TITLE, scale.TEXT, scale.scale_figures(name, found), picture=picture)

        return attempt(
            "scale", name, work, lambda reason: Section(scale.TITLE, scale.TEXT, scale.missing(name, reason))
        )

    def processes(self) -> Section:
        """The first model, on two cores of the CPU."""
        name = self._first
        figures = attempt(
            "processes",
            name,
            lambda: processes.measure_processes(name, self.config.repetitions),
            lambda reason: processes.missing(name, reason),
        )
        return Section(processes.TITLE, processes.TEXT, figures)

    def sweep(self) -> Section:
        """On the heads of all models; probes need none, and are fitted on the CPU."""
        config = self.config
        names = list(config.model)[:1] if config.quick else list(config.model)
        figures = [figure for name in names for figure in self._swept(name)]
        fitting = [] if self.on_gpu else sweep.measure_fitting(config.repetitions)
        return sweep.sweep_section([*figures, *fitting])

    def answers(self) -> Section:
        """On the first model."""
        config, name = self.config, self._first

        def work() -> Section:
            lm, questions = self._open(name), self._questions(config.open_ended)
            section = open_ended.measure_open_ended(
                lm, questions, config.perturbation, config.repetitions, config.answers
            )
            say("answers", name, f"{config.answers} of {open_ended.ANSWER_TOKENS} tokens, read and generated")
            return section

        return attempt("answers", name, work, lambda reason: open_ended.missing(name, reason))

    def methods(self) -> Section:
        """On the last model, the largest; both formats."""
        config = self.config
        name = self._first if config.quick else list(config.model)[-1]

        def work() -> list[Figure]:
            lm = self._open(name)
            asked = [self._questions(benchmark) for benchmark in (config.test, config.open_ended)]
            return [
                figure
                for questions in asked
                for figure in methods.measure_methods(lm, questions, config.questions, config.repetitions)
            ]

        return methods.methods_section(attempt("methods", name, work, lambda reason: methods.missing(name, reason)))

    def forward(self) -> Section:
        """On all models."""
        return Section(
            "Forward pass", forward.TEXT, [figure for name in self.config.model for figure in self._read(name)]
        )

    def fork(self) -> Section:
        """On the first model, in each precision."""
        return fork.fork_section([figure for dtype in fork.DTYPES for figure in self._forked(dtype)])

    def turns(self) -> Section:
        """On the first model, in float32."""
        config, name = self.config, self._first

        def work() -> list[Figure]:
            lm = open_model(name, replace(config.model[name], dtype="float32"), self.device).get(self.device)
            size = turns.QUICK if config.quick else turns.FULL
            figures = turns.measure_turns(lm, self._questions(config.open_ended), config.repetitions, size)
            say("turns", name, f"{size.traces} texts of {size.shortest} to {size.longest} tokens")
            return figures

        return turns.turns_section(attempt("turns", name, work, lambda reason: turns.missing(name, reason)))

    def plan(self) -> Section:
        """On the first model."""
        config, name = self.config, self._first

        def work() -> list[Figure]:
            figures = roofline.measure_roofline(self._open(name), config.perturbation, config.repetitions)
            say("plan", name, "shares of the peak, kind by kind of work")
            return figures

        figures = attempt("plan", name, work, lambda reason: roofline.missing(name, reason))
        return Section(roofline.TITLE, roofline.TEXT, figures)

    def scoring(self) -> Section:
        """On invented traces; no model, and the CPU alone."""
        return faithful_scoring.measure_section(self.config.quick)

    def scorer(self) -> Section:
        """On all models."""
        config = self.config
        names = list(config.model)[:1] if config.quick else list(config.model)
        return Section(scorer.TITLE, scorer.TEXT, [figure for name in names for figure in self._scored(name)])

    def fitting(self) -> Section:
        """On the first model, multiple choice and open-ended."""
        config, name = self.config, self._first

        def work() -> list[Figure]:
            asked = [self._questions(benchmark) for benchmark in (config.test, config.open_ended)]
            figures = scorer.measure_fitting(self._open(name), asked)
            say("fitting", name, f"{scorer.FITTED} questions of either format")
            return figures

        figures = attempt("fitting", name, work, lambda reason: scorer.fitting_missing(name, reason))
        return Section(scorer.FITTING, scorer.FITTING_TEXT, figures)

    def serving(self) -> Section:
        """The first model behind `ccps serve`."""
        return self._of_server(serving.SERVING, self.config.repetitions)

    def soak(self) -> Section:
        """The same for minutes on end."""
        return self._of_server(soak.SOAK, self.config.soak_s)

    @property
    def _first(self) -> str:
        return next(iter(self.config.model))

    def _open(self, name: str) -> LanguageModel:
        return open_model(name, self.config.model[name], self.device).get(self.device)

    def _questions(self, benchmark: Mapping[str, BenchmarkSpec]) -> Sequence[Question]:
        return load_questions(next(iter(benchmark.values()))).questions

    def _states(self, name: str, n: int) -> TokenStates:
        asked = forward.representative(self._questions(self.config.test), n)
        return answer_states(self._open(name), asked, self.config.max_batch_tokens)

    def _scored(self, name: str) -> list[Figure]:
        config = self.config

        def work() -> list[Figure]:
            way = scorer.Way(config.repetitions, config.threads, config.polygraph)
            figures = scorer.measure_scorer(self._open(name), self._questions(config.test), way)
            say("scorer", name, f"{scorer.ASKED} questions")
            return figures

        return attempt("scorer", name, work, lambda reason: scorer.missing(name, reason))

    def _of_server(self, part: Part, amount: float) -> Section:
        config, name = self.config, self._first

        def work() -> list[Figure]:
            questions = self._questions(config.open_ended)
            return on_server(part, name, config.model[name], questions, config.threads, amount)

        return Section(
            part.title, part.text, attempt(part.title, name, work, lambda reason: part.missing(name, reason))
        )

    def _in_own_precision(self, name: str) -> list[Figure]:
        config = self.config

        def work() -> list[Figure]:
            lm = self._open(name)
            asked = forward.representative(self._questions(config.test), config.tokens)
            states = forward.read_bucketed(lm, forward.build_prompts(lm, asked, config.max_batch_tokens))
            figures = own_precision.measure_own_precision(lm, states, config.perturbation, config.repetitions)
            say("own_precision", name, f"{len(states)} tokens")
            return figures

        return attempt("own_precision", name, work, lambda reason: own_precision.missing(name, reason))

    def _swept(self, name: str) -> list[Figure]:
        config = self.config

        def work() -> list[Figure]:
            states = self._states(name, sweep.TOKENS)
            threads = (1, config.threads)
            figures = sweep.measure_sweep(name, states, config.perturbation, config.repetitions, threads)
            say("sweep", name, f"{len(sweep.RADII) * len(sweep.STEPS)} strengths, {states.shape}")
            return figures

        return attempt("sweep", name, work, lambda reason: sweep.missing(name, reason))

    def _forked(self, dtype: str) -> list[Figure]:
        config, name = self.config, self._first

        def work() -> list[Figure]:
            lm = open_model(name, replace(config.model[name], dtype=dtype), self.device).get(self.device)
            size = fork.chosen_size(config.quick, is_own=dtype == config.model[name].dtype)
            figures = fork.measure_fork(lm, self._questions(config.open_ended), config.repetitions, size)
            say("fork", name, dtype)
            return figures

        return attempt("fork", name, work, lambda reason: fork.missing(name, reason))

    def _read(self, name: str) -> list[Figure]:
        config = self.config

        def work() -> list[Figure]:
            questions = self._questions(config.test)
            figures = forward.measure_forward(
                self._open(name), questions, config.questions, config.max_batch_tokens, config.repetitions
            )
            say("forward", name, f"{config.questions} questions, plain and bucketed")
            return figures

        if config.quick and name != self._first:
            return forward.missing(name, _QUICK)
        return attempt("forward", name, work, lambda reason: forward.missing(name, reason))

    def _size(self, name: str, model: ModelConfig, targets: Targets, left_out: bool) -> Size:
        config = self.config

        def work() -> Size:
            shared = open_model(name, model, self.device)
            lm = shared.get(self.device)
            figures = sizes.measure_size(lm, config.perturbation, config.repetitions)
            kept = stored.measure_stored(shared, sizes.stored_passages(lm), config.perturbation, self.device)
            vocabulary, width = lm.head.weight.shape
            target = stored.TARGET if vocabulary >= _REAL_VOCABULARY else None
            say("sizes", name, f"answers of one and of {open_ended.ANSWER_TOKENS} tokens")
            return Size(figures, stored.storage_figures(name, kept, width, vocabulary, target), kept.row)

        def otherwise(reason: str) -> Size:
            return Size(missing(name, reason, targets), [stored.missing(name, reason)], None)

        return otherwise(_QUICK) if left_out else attempt("sizes", name, work, otherwise)
