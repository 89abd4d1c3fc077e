"""Settings that cannot be run, of every entry point."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bad_inputs import Act
from ccps.core.settings import shown
from experiments import bench, faithful, probes, reproduce, sweep
from experiments.configs import CONF

CHECKS = {
    "config": reproduce.check,
    "sweep": sweep.check,
    "faithful": faithful.check,
    "bench": bench.check,
    "probes": probes.check,
}
EXPERIMENT = {"config": "smoke", "sweep": "smoke", "faithful": "faithful_smoke"}
NAN, INFINITE = float("nan"), float("inf")

# Entry point, path of the setting, and what it is set to.
WRONG: list[tuple[str, str, Any]] = [
    ("config", "seeds", []),
    ("config", "seeds", [23, 23]),
    ("config", "seeds", [-1]),
    ("config", "seeds", ["first"]),
    ("config", "seeds", [2**64]),
    ("config", "seeds", [[23]]),
    ("config", "seeds", None),
    ("config", "stages", []),
    ("config", "stages", ["answer", "nothing"]),
    ("config", "model", {}),
    ("config", "model", None),
    ("config", "train", {}),
    ("config", "test", {}),
    ("config", "method", {"x": {"name": "nothing"}}),
    ("config", "method", {"x": {"name": "entropy"}, "y": {"name": "entropy"}}),
    ("config", "grader", {"x": {"name": "nothing"}}),
    ("config", "grader", {}),
    ("config", "sampling.train_total", -3),
    ("config", "sampling.train_total", 1.5),
    ("config", "sampling.order", "random"),
    ("config", "answering.method", "guess"),
    ("config", "answering.max_batch_tokens", 0),
    ("config", "answering.max_new_tokens", -1),
    ("config", "answering.shard_questions", "many"),
    ("config", "perturbation.radius", 0),
    ("config", "perturbation.radius", NAN),
    ("config", "perturbation.radius", INFINITE),
    ("config", "perturbation.radius", "wide"),
    ("config", "perturbation.steps", 0),
    ("config", "perturbation.steps", 2.5),
    ("config", "perturbation.steps", True),
    ("config", "probe.mc.classifier.steps", -1),
    ("config", "probe.mc.classifier.learning_rat", 0.1),
    ("config", "state_probe.max_epochs", 0),
    ("config", "samples.k", 0),
    ("config", "samples.temperature", -1),
    ("config", "evaluation.resamples", -1),
    ("config", "evaluation.level", 1.0),
    ("config", "evaluation.convention", "nothing"),
    ("config", "trainer.devices", 0),
    ("config", "trainer.threads", 0),
    ("config", "trainer.accelerator", "abacus"),
    ("config", "logger.mode", "loud"),
    ("config", "paths", None),
    ("config", "unknown", 1),
    ("config", "paths.output", "artifacts"),
    ("config", "paths.output", "artifacts/answer"),
    ("config", "paths.output", "outputs/../artifacts/mine"),
    ("config", "paths.artifacts", "outputs/smoke/artifacts"),
    ("config", "paths.wandb", "outputs/smoke"),
    ("config", "sampling.train_total", 1),
    ("config", "grader", {"x": {"name": "given"}}),
    ("config", "grader", {"x": {"name": "given"}, "y": {"name": "contains"}, "z": {"name": "letter"}}),
    ("sweep", "paths.output", "artifacts"),
    ("sweep", "sweep.folds", 1000),
    ("faithful", "paths.output", "artifacts"),
    ("config", "perturbation.radios", 5),
    ("config", "perturbation.steps", 10**5000),
    ("config", "claims", {"own": 10**5000}),
    ("config", "claims.ccps_headline.note", 10**5000),
    ("bench", "gpu_sizes.qwen25_14b_random.toy", 10**5000),
    ("sweep", "sweep.folds", 1),
    ("sweep", "sweep.choose_by", "beauty"),
    ("sweep", "sweep.mc", {"radii": []}),
    ("sweep", "sweep.mc", {"radii": [1, -1], "steps": [5]}),
    ("sweep", "sweep.mc", {"radii": [1], "steps": [0]}),
    ("sweep", "sweep.mc", {"radii": [1], "steps": [5], "directions": ["up"]}),
    ("sweep", "sweep.at_chance", "guess"),
    ("sweep", "sweep.chance_level", 2.0),
    ("sweep", "sweep.chosen_seeds", []),
    ("faithful", "faithful.mode", "loose"),
    ("faithful", "faithful.unit", "word"),
    ("faithful", "faithful.think_tag", "nothing"),
    ("faithful", "faithful.estimators", ["deepconf", "rccc"]),
    ("faithful", "faithful.questions", 0),
    ("faithful", "faithful.deepconf.k", 0),
    ("faithful", "faithful.deepconf.scale", 0),
    ("faithful", "faithful.rcc.delta", 1.5),
    ("faithful", "faithful.rcc.hidden", "first"),
    ("faithful", "faithful.sampling.k", 0),
    ("faithful", "faithful.sampling.top_p", 0),
    ("faithful", "faithful.traces.temperature", 0),
    ("faithful", "faithful.traces.states", ["nothing"]),
    ("faithful", "faithful.scoring.bins", 0),
    ("faithful", "faithful.scoring.level", 0),
    ("faithful", "faithful.judge.name", "nobody"),
    ("faithful", "faithful.decisiveness.name", "nobody"),
    ("faithful", "faithful.dataset", {"x": {"name": "x", "answer": "poem"}}),
    ("bench", "parts", ["nothing"]),
    ("bench", "repetitions", 0),
    ("bench", "questions", -1),
    ("bench", "device", "abacus"),
    ("bench", "model", {}),
    ("probes", "choice.sizes", [0]),
    ("probes", "choice.formats", ["essay"]),
    ("probes", "choice.recipes", ["nothing"]),
    ("probes", "choice.draws", 0),
]


@cache
def base(entry: str) -> dict[str, Any]:
    """Settings of an entry point that can be run."""
    chosen = [f"experiment={EXPERIMENT[entry]}"] if entry in EXPERIMENT else []
    with initialize_config_dir(str(CONF), version_base=None):
        settings = OmegaConf.to_container(compose(entry, overrides=chosen), resolve=True)
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items() if key != "hydra"}


def _set(entry: str, path: str, value: Any) -> Act:
    def act(folder: Path) -> object:
        settings = deepcopy(base(entry))
        *way, last = path.split(".")
        at = settings
        for name in way:
            at = at[name]
        at[last] = value
        return CHECKS[entry](settings)

    return act


CASES: dict[str, Act] = {f"{entry}: {path}={shown(value)}": _set(entry, path, value) for entry, path, value in WRONG}
