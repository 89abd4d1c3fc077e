"""The recipes on real features: which probes die, and that they are found.

`tests/data_files/probes/multiple_choice.npz` holds the features of 400 multiple-choice answers of a 1.5B model to the
training questions of `experiment=embedded`, in float16, whether each is right, and its place in a random order;
`multiple_choice_2000.npz` those of 2,000 answers, to the questions of `experiment=embedded_full`.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ccps.core.settings import typed
from ccps.probes import FittedProbe, ProbeConfig, ProbeTask, fit_probes, is_collapsed, spread
from experiments.configs import CONF

FOLDER = Path(__file__).parents[2] / "data_files" / "probes"
SIZES = (100, 200, 400)
SEEDS = range(23, 43)


class Stored(NamedTuple):
    features: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    rank: npt.NDArray[np.int16]

    def task(self, size: int, seed: int) -> ProbeTask:
        rows = self.rank < size
        return ProbeTask(self.features[rows], self.correct[rows], [str(n) for n in range(size)], seed, 20.0)


def read(name: str) -> Stored:
    with np.load(FOLDER / name) as file:
        return Stored(file["features"].astype(np.float32), file["correct"], file["rank"])


@pytest.fixture(scope="module")
def stored() -> Stored:
    return read("multiple_choice.npz")


def recipe(name: str) -> ProbeConfig:
    with initialize_config_dir(str(CONF), version_base=None):
        composed = OmegaConf.to_container(compose(f"probe/{name}").probe)
    assert isinstance(composed, dict)
    return typed({str(key): value for key, value in composed.items()}, ProbeConfig)


def spreads(probes: list[FittedProbe], tasks: list[ProbeTask]) -> list[float]:
    return [spread(probe.predict(task.features)) for probe, task in zip(probes, tasks, strict=True)]


def is_dead(probe: FittedProbe) -> bool:
    """Told by the weights: a layer of the encoder whose weights are near zero passes nothing of an answer on."""
    weights = [value.detach() for name, value in probe.network.encoder.named_parameters() if name.endswith("weight")]
    return min(float(value.abs().max()) for value in weights) < 1e-3


def test_no_probe_dies_under_the_recipe_for_the_data_there_are(stored: Stored) -> None:
    tasks = [stored.task(size, seed) for size in SIZES for seed in SEEDS]
    probes = fit_probes(tasks, recipe("auto_mc"))
    assert not any(map(is_dead, probes))
    assert min(spreads(probes, tasks)) > 5e-3


# The next does the same with sixty probes, and `test_probes_collapse.py` with a tenth of the steps.
@pytest.mark.slow
def test_a_probe_that_dies_under_the_recipe_of_the_paper_is_found(stored: Stored) -> None:
    tasks = [stored.task(200, seed) for seed in (23, 24)]
    probes = fit_probes(tasks, recipe("mc"))
    assert [is_dead(probe) for probe in probes] == [False, True]
    assert [is_collapsed(found) for found in spreads(probes, tasks)] == [False, True]


@pytest.mark.slow
def test_all_probes_that_die_under_the_recipe_of_the_paper_are_found(stored: Stored) -> None:
    tasks = [stored.task(size, seed) for size in SIZES for seed in SEEDS]
    probes = fit_probes(tasks, recipe("mc"))
    dead = [is_dead(probe) for probe in probes]
    assert any(dead)
    assert [is_collapsed(found) for found in spreads(probes, tasks)] == dead


@pytest.mark.slow
def test_of_two_thousand_answers_no_probe_dies_but_under_the_recipe_of_the_paper_and_there_it_is_found() -> None:
    many = read("multiple_choice_2000.npz")
    tasks = [many.task(2000, seed) for seed in SEEDS]
    probes = fit_probes(tasks, recipe("auto_mc"))
    assert not any(map(is_dead, probes))
    assert min(spreads(probes, tasks)) > 0.1
    probes = fit_probes(tasks, recipe("mc"))
    dead = [is_dead(probe) for probe in probes]
    assert [seed for seed, is_one in zip(SEEDS, dead, strict=True) if is_one] == [24]
    assert [is_collapsed(found) for found in spreads(probes, tasks)] == dead


@pytest.mark.parametrize(("rows", "steps"), [(90, 50), (360, 200), (1800, 900), (100_000, 5000)])
def test_steps_follow_the_rows(rows: int, steps: int) -> None:
    # 16 passes of batches of 32 are half a step for each row, rounded up to whole evaluations of 25 steps.
    assert recipe("auto_mc").classifier.steps_for(rows) == steps
    assert recipe("mc").classifier.steps_for(rows) == 5000


def test_tables_of_different_sizes_are_fitted_as_alone(stored: Stored) -> None:
    auto = recipe("auto_mc")
    tasks = [stored.task(100, 23), stored.task(200, 23)]
    together = fit_probes(tasks, auto)
    for task, probe in zip(tasks, together, strict=True):
        [alone] = fit_probes([task], auto)
        np.testing.assert_allclose(probe.predict(task.features), alone.predict(task.features), atol=1e-5)
        assert [point.step for point in probe.training.curve] == [point.step for point in alone.training.curve]


def test_the_weights_kept_are_those_of_the_lowest_loss_after_some_training(stored: Stored) -> None:
    auto, task = recipe("auto_mc"), stored.task(200, 23)
    [probe] = fit_probes([task], auto)
    losses = {point.step: point.val_loss for point in probe.training.curve if point.stage == "classifier"}
    del losses[0]
    best = min(losses, key=lambda step: losses[step])
    stopped = replace(auto, classifier=replace(auto.classifier, steps=best), checkpoint=type(auto.checkpoint).last)
    [expected] = fit_probes([task], stopped)
    np.testing.assert_allclose(probe.predict(task.features), expected.predict(task.features), atol=1e-6)
