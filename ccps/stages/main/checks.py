"""What the settings of an experiment need of the rooms that they speak of: names, formats, what can run here."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ccps.analysis.claims import parse_claims
from ccps.calibrators import Kind
from ccps.core.settings import Fault, fault, faults_of, typed, unknown
from ccps.engines import check_engine
from ccps.grading import GRADERS
from ccps.grading.rules import Given
from ccps.llm.checkpoint_folder import check_there
from ccps.llm.load import check_memory
from ccps.llm.shape import known_window
from ccps.methods import METHODS, TrainedMethod
from ccps.metrics import CONVENTIONS
from ccps.needs.base import NEEDS
from ccps.pipeline.ray_cluster import check_ray
from ccps.settings.engine import EngineConfig
from ccps.settings.experiment import STAGES, Config
from ccps.settings.method import MethodConfig
from ccps.settings.model import ModelConfig
from ccps.settings.run import PathsConfig
from ccps.stages.main.runs import CHANCE, train_label


def to_config(settings: Mapping[str, Any], *, here: bool = True) -> Config:
    """Check the settings of an experiment and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.
        here: whether it is to run on this machine.

    Raises:
        SettingsError: naming every fault, see `typed`.
    """
    return typed(settings, Config, partial(config_faults, here=here))


def config_faults(config: Config, *, here: bool = True) -> Iterator[Fault]:
    """What of an experiment no room knows, or cannot be run here."""
    known = dict.fromkeys([*STAGES, *(stage.name for need in NEEDS.values() for stage in need.stages)])
    for stage in config.stages:
        if stage not in known:
            yield unknown("stage", stage, "stages", known)
    if config.claims:
        yield from faults_of("claims", partial(parse_claims, config.claims))
    for key, method in config.method.items():
        yield from _method_faults(f"method.{key}", method)
    yield from _unscored_faults(config)
    yield from _shift_faults(config)
    for name in sorted({train_label(form) for form in ("mc", "oe")} & set(config.test)):
        way_out = "rename it"
        wanted = f"to have no benchmark called `{name}`, which names the training questions"
        yield fault("test", wanted, "one", way_out)
    yield from _grader_faults(config)
    if config.evaluation.convention not in CONVENTIONS:
        wanted = f"one of {', '.join(CONVENTIONS)}"
        yield fault("evaluation.convention", wanted, repr(config.evaluation.convention))
    if here:
        yield from run_faults(config.model, config.engine, config.paths, config.run_on)
        if "oe" in config.tested:
            limit = config.answering.max_new_tokens
            yield from window_faults("answering.max_new_tokens", limit, config.model)


def window_faults(path: str, limit: int, models: Mapping[str, ModelConfig]) -> Iterator[Fault]:
    """A limit of tokens that leaves no room for a prompt in the context window of a model that lies here.

    Whether each prompt fits is found out when they are laid out.

    Args:
        path: of the setting.
        limit: most tokens that are written.
        models: those that write them.
    """
    for name, model in models.items():
        window = known_window(model)
        if window is not None and limit >= window:
            wanted = f"below {window:,}, the context window of the model `{name}`, which holds the prompt too"
            yield fault(path, wanted, f"{limit:,}", "lower it, or use a model with a longer window")


def run_faults(
    models: Mapping[str, ModelConfig], engine: EngineConfig, paths: PathsConfig, run_on: str
) -> Iterator[Fault]:
    """Models and engines that cannot run here, folders that cannot be had, and what is not installed."""
    yield from paths.faults()
    yield from faults_of("run_on", partial(check_ray, run_on))
    for name, model in models.items():
        yield from faults_of(f"model.{name}", partial(check_there, name, model))
        yield from faults_of(f"model.{name}", partial(check_memory, name, model))
    yield from faults_of("engine", partial(check_engine, engine))


def _method_faults(path: str, method: MethodConfig) -> Iterator[Fault]:
    name, calibrator = method.name, method.calibrator
    if name not in METHODS:
        yield unknown("method", name, path, METHODS)
    if calibrator is not None and calibrator not in list(Kind):
        yield fault(f"{path}.calibrator", f"one of {', '.join(Kind)}, or null", repr(calibrator))
    elif calibrator is not None and name in METHODS and _is_tuned(name):
        way_out = "the model was tuned on the answers that the calibrator would be fitted to"
        yield fault(f"{path}.calibrator", f"null for `{name}`", repr(calibrator), way_out)

    elif calibrator is not None and name == CHANCE:
        way_out = "a control whose labels mean nothing would be calibrated by those that mean something"
        yield fault(f"{path}.calibrator", f"null for `{name}`", repr(calibrator), way_out)
    if method.seeds is not None and name in METHODS and not _is_seeded(name):
        way_out = "no seed changes what it says, so leave it out"
        yield fault(f"{path}.seeds", f"null for `{name}`", method.seeds, way_out)


def _is_seeded(method: str) -> bool:
    found = METHODS[method]
    return isinstance(found, TrainedMethod) and found.is_seeded


def _unscored_faults(config: Config) -> Iterator[Fault]:
    """A test that no method can score, which would be seen only once it is judged."""
    names = [method.name for method in config.method.values()]
    if "evaluate" not in config.stages or not names or not set(names) <= set(METHODS):
        return
    for form in sorted(config.tested):
        if not any(form in METHODS[name].formats for name in names):
            wanted, got = "to have one for every format that is tested", f"none for {form} ({', '.join(names)})"
            fitting = ", ".join(name for name, method in METHODS.items() if form in method.formats)
            yield fault("method", wanted, got, f"choose of {fitting}")


def _shift_faults(config: Config) -> Iterator[Fault]:
    """Shifts of a single source, which leave nothing to train on."""
    sources = Counter(spec.format for spec in config.train.values() if spec.format in config.tested)
    if config.audit.shifts and sources and max(sources.values()) < 2:
        got = "true with one of each" if len(sources) > 1 else "true with one"
        wanted = "false, unless there are two training benchmarks of a format"
        yield fault("audit.shifts", wanted, got, "each is left out in its turn, and methods are trained on the others")


def _is_tuned(method: str) -> bool:
    """Whether the model itself learns from the training answers for this method."""
    return any(need in NEEDS and NEEDS[need].is_tuned for need in METHODS[method].needs)


def _grader_faults(config: Config) -> Iterator[Fault]:
    names = [grader.name for grader in config.grader.values()]
    for key, grader in config.grader.items():
        if grader.name not in GRADERS:
            yield unknown("grader", grader.name, f"grader.{key}", GRADERS)
    for form in sorted(config.tested):
        fitting = [name for name, grader in GRADERS.items() if form in grader.formats]
        if names and set(names) <= set(GRADERS) and not set(names) & set(fitting):
            wanted, got = "to have one for every format that is tested", f"none for {form} ({', '.join(names)})"
            yield fault("grader", wanted, got, f"choose of {', '.join(fitting)}")
        elif next((name for name in names if name in fitting), None) == Given.name:
            specs = [
                (side, key, spec)
                for side, all_ in (("train", config.train), ("test", config.test))
                for key, spec in all_.items()
            ]
            for side, key, spec in specs:
                if spec.format == form and spec.given_label is None:
                    wanted = f"to have another before `given`, as `{side}.{key}` says of no answer whether it is right"
                    way_out = f"put one of {', '.join(name for name in fitting if name != Given.name)} first"
                    yield fault("grader", wanted, ", ".join(names), way_out)
                    break
