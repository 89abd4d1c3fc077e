from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_oracle import fit_alone

from ccps.core.errors import UserError
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import ProbeConfig, ProbeTask, fit_probe, fit_probes
from ccps.probes.encoders import build_encoder
from ccps.probes.fitted import build_network
from ccps.probes.pairs import pair_indices
from ccps.probes.preparation import prepare, reproducibly
from ccps.probes.stacked_training import train_stacked
from ccps.probes.stacking import GivenDropout, StackedNetworks, call_stacked, dropout_sites
from ccps.probes.streams import open_stream, stacked_batches
from ccps.settings.probe import Accelerator, Checkpoint, EncoderConfig, HeadConfig, Optimizer, Padding, StageConfig


def as_task(table: Any, seed: int = 0, radius: float = 20.0) -> ProbeTask:
    return ProbeTask(table.features, table.labels, table.questions, seed, radius)


def without_dropout(config: Any) -> Any:
    stages = (replace(stage, encoder_dropout=0.0) for stage in (config.contrastive, config.classifier))
    return replace(config, **dict(zip(("contrastive", "classifier"), stages, strict=True)))


def with_stages(config: Any, **changes: Any) -> Any:
    return replace(
        config, contrastive=replace(config.contrastive, **changes), classifier=replace(config.classifier, **changes)
    )


def losses(probe: Any) -> npt.NDArray[Any]:
    return np.array([(np.nan if p.train_loss is None else p.train_loss, p.val_loss) for p in probe.training.curve])


def accuracies(probe: Any) -> list[Any]:
    return [point.val_accuracy for point in probe.training.curve]


def assert_equal_up_to_rounding(one: Any, other: Any, weights_within: float = 1e-4) -> None:
    assert replace(one.training, curve=()) == replace(other.training, curve=())
    assert [p[:2] for p in one.training.curve] == [p[:2] for p in other.training.curve]
    np.testing.assert_allclose(losses(one), losses(other), rtol=0, atol=1e-5)
    assert accuracies(one) == accuracies(other)
    torch.testing.assert_close(one.network.state_dict(), other.network.state_dict(), rtol=0, atol=weights_within)
    assert not one.network.training


@pytest.fixture(scope="module")
def tasks(make_table: Any) -> list[ProbeTask]:
    """Two that differ in the radius alone, one with another seed, and two with other numbers of rows."""
    table = make_table(150, 0)
    return [
        as_task(table),
        as_task(table._replace(features=table.features + 1.0), radius=5.0),
        as_task(table, seed=1),
        as_task(make_table(101, 1), seed=1),
        as_task(make_table(190, 2)),
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda config: config, id="dropout"),
        pytest.param(without_dropout, id="no dropout"),
        pytest.param(
            lambda config: replace(config, encoder=replace(config.encoder, activation="PReLU")), id="learnt activation"
        ),
        pytest.param(lambda config: replace(config, contrastive=StageConfig(steps=0)), id="one stage"),
        pytest.param(lambda config: with_stages(config, batch_size=1000), id="batch of all rows"),
    ],
)
def test_every_probe_is_the_one_that_lightning_fits_alone(
    tasks: list[ProbeTask], config: ProbeConfig, change: Any
) -> None:
    config = change(config)
    together = fit_probes(tasks, config)
    for probe, task in zip(together, tasks, strict=True):
        assert_equal_up_to_rounding(probe, fit_alone(task, config))
        assert probe.radius == task.radius


def test_one_probe_is_a_stack_of_one(tasks: list[ProbeTask], config: ProbeConfig, tmp_path: Path) -> None:
    for task in tasks[:2]:
        alone = fit_probe(*task[:3], config, task.seed, radius=task.radius)
        alone.save(tmp_path / "alone")
        fit_probes([task], config)[0].save(tmp_path / "stack")
        assert (tmp_path / "alone" / "probe.json").read_text() == (tmp_path / "stack" / "probe.json").read_text()
        files = [tmp_path / name / "probe.safetensors" for name in ("alone", "stack")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_adamw(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    # Distances do not depend on the bias of the embedding: the gradient that stage 1 sees of it is rounding, and
    # without an L2 term Adam makes whole steps of it. They shift the bias by up to 5 · 1e-4 in either fit.
    config = replace(config, contrastive=replace(config.contrastive, steps=5, eval_every=2))
    adamw = with_stages(config, optimizer=Optimizer.adamw, weight_decay=5.0)
    for probe, task in zip(fit_probes(tasks, adamw), tasks, strict=True):
        assert_equal_up_to_rounding(probe, fit_alone(task, adamw), weights_within=1e-3)
    adam = fit_alone(tasks[-1], with_stages(adamw, optimizer=Optimizer.adam))
    assert np.nanmax(np.abs(losses(adam) - losses(probe))) > 1e-4


def test_the_masks_are_those_of_the_fit_alone_and_not_only_like_them(
    tasks: list[ProbeTask], config: ProbeConfig
) -> None:
    # Were they drawn otherwise, the losses would differ as much as those with another dropout do.
    together, other = (fit_probes(tasks[:1], c)[0] for c in (config, without_dropout(config)))
    alone = losses(fit_alone(tasks[0], config))
    assert np.nanmax(np.abs(losses(other) - alone)) > 1e-3
    np.testing.assert_allclose(losses(together), alone, rtol=0, atol=1e-5)


def test_the_best_checkpoint_is_chosen_for_each_probe(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    # With steps this large the accuracy soon peaks, and wanders after that: at other steps for other probes.
    wild = replace(
        without_dropout(config),
        contrastive=StageConfig(steps=4, learning_rate=1e-3, encoder_dropout=0.0, eval_every=1),
        classifier=StageConfig(steps=8, learning_rate=0.01, encoder_dropout=0.0, eval_every=1),
        checkpoint=Checkpoint.best,
    )
    best_steps = set()
    for probe, task in zip(fit_probes(tasks, wild), tasks, strict=True):
        assert_equal_up_to_rounding(probe, fit_alone(task, wild))
        best_steps.add(int(np.argmax(accuracies(probe)[5:])))
    assert len(best_steps) > 1
    assert best_steps != {8}


def of_sequences(padding: Any = Padding.masked, dropout: float = 0.2) -> tuple[ProbeConfig, list[Any]]:
    """A recipe for whole answers, and tasks of different sizes."""
    stage = StageConfig(steps=12, batch_size=16, encoder_dropout=dropout, eval_every=5)
    config = ProbeConfig(
        encoder=EncoderConfig([12, 8], [3, 3], 6, padding, 4, "ReLU"),
        head=HeadConfig(hidden=[8], activation="ReLU"),
        contrastive=stage,
        classifier=stage,
    )
    tasks = []
    for count, seed in ((60, 0), (43, 1), (50, 2)):
        rng = np.random.default_rng(seed)
        lengths = rng.integers(3, 9, size=count)
        labels = np.repeat(rng.integers(2, size=count), lengths)
        questions = np.repeat(np.arange(count), lengths).tolist()
        tasks.append(ProbeTask(rng.normal(size=(len(labels), 75)) + labels[:, None], labels, questions, seed, 20.0))
    return config, tasks


@pytest.mark.parametrize("padding", list(Padding))
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_encoders_of_whole_answers(padding: Any, dropout: float) -> None:
    config, tasks = of_sequences(padding, dropout)
    for probe, task in zip(fit_probes(tasks, config), tasks, strict=True):
        assert_equal_up_to_rounding(probe, fit_alone(task, config))


def test_a_stack_of_encoders_of_whole_answers_computes_each() -> None:
    # On a CPU `fit_probes` does not stack them; a GPU does.
    config, tasks = of_sequences()
    with reproducibly(0):
        tables = [prepare(*task[:3], config, task.seed, task.radius, FEATURE_NAMES) for task in tasks]  # type: ignore[call-arg]
        networks = []
        for task in tasks:
            with reproducibly(task.seed):
                networks.append(build_network(config, 75))
        curves = train_stacked(
            networks, tables, config, torch.device("cpu"), range(len(networks)), lambda updates: None
        )
    for table, network, curve, apart in zip(tables, networks, curves, fit_probes(tasks, config), strict=True):
        assert_equal_up_to_rounding(table.fitted(network, curve), apart)


def test_the_number_of_threads_changes_no_byte(tmp_path: Path) -> None:
    config, tasks = of_sequences()
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for number, probe in enumerate(fit_probes(tasks, config, at_once=3)):
                probe.save(tmp_path / str(threads) / str(number))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for number in range(len(tasks)):
        one, two = (tmp_path / str(threads) / str(number) / "probe.safetensors" for threads in (1, 2))
        assert one.read_bytes() == two.read_bytes()


def test_progress_counts_the_updates_of_all_probes(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    for recipe, some in ((config, tasks), of_sequences()):
        heard = []
        fit_probes(some, recipe, at_once=2, on_progress=lambda *update: heard.append(update))  # noqa: B023
        total = len(some) * (recipe.contrastive.steps + recipe.classifier.steps)
        assert {in_all for _, in_all in heard} == {total}
        done = [made for made, _ in heard]
        assert done == sorted(done)
        assert done[0] < done[-1] == total


def test_best_of_evaluations_that_are_not_finite_is_an_error(config: ProbeConfig) -> None:
    # Distances between rows this far apart overflow in float32 while the weights stay as they are.
    config = replace(config, checkpoint=Checkpoint.best, contrastive=StageConfig(steps=0))
    rng = np.random.default_rng(0)
    task = ProbeTask(rng.normal(size=(100, 75)), rng.integers(2, size=100), list(range(100)), 0, 20.0)
    table = prepare(*task[:3], config, task.seed, task.radius, FEATURE_NAMES)
    table = replace(table, validation=table.validation._replace(inputs=table.validation.inputs * 1e30))
    message = r"Expected an evaluation of the contrastive stage to be finite.*but got none among 1\. Set `checkpoint`"
    with pytest.raises(UserError, match="Task 4: " + message):
        train_stacked([build_network(config, 75)], [table], config, torch.device("cpu"), [4], lambda updates: None)


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(5)), at_once=st.integers(1, 6))
def test_neither_order_nor_company_matters(tasks: list[ProbeTask], order: Any, at_once: int) -> None:
    config = ProbeConfig(
        contrastive=StageConfig(steps=5, batch_size=16, eval_every=3),
        classifier=StageConfig(steps=5, batch_size=16, eval_every=3),
    )
    shuffled = fit_probes([tasks[number] for number in order], config, at_once=at_once)
    straight = fit_probes(tasks, config)
    for probe, number in zip(shuffled, order, strict=True):
        assert_equal_up_to_rounding(probe, straight[number])


def test_same_tasks_same_bytes_and_no_random_state_is_touched(
    tasks: list[ProbeTask], config: ProbeConfig, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    for folder in ("one", "two"):
        for number, probe in enumerate(fit_probes(tasks, config)):
            probe.save(tmp_path / folder / str(number))
    for number in range(len(tasks)):
        for name in ("probe.safetensors", "probe.json"):
            one, two = (tmp_path / folder / str(number) / name for folder in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_no_tasks_give_no_probes(config: ProbeConfig) -> None:
    assert fit_probes([], config) == []


def test_errors_are_those_of_the_fit_alone_and_name_the_task(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    bad = tasks[0]._replace(labels=np.ones(150))
    with pytest.raises(UserError) as alone:
        fit_alone(bad, config)
    with pytest.raises(UserError) as together:
        fit_probes([*tasks[1:4], bad], config, at_once=2)
    assert str(together.value) == f"Task 3: {alone.value}"
    with pytest.raises(UserError, match=r"Task 0: Expected `features` to be a table of 75 columns"):
        fit_probes([tasks[0]._replace(features=np.zeros((150, 74)))], config)
    with pytest.raises(UserError, match=r"Task 1: Expected `question_ids` to be 150 identifiers, but got 149"):
        fit_probes([tasks[0], tasks[0]._replace(question_ids=tasks[0].question_ids[1:])], config)
    with pytest.raises(UserError, match=r"expected `probe\.margin` to be above 0"):
        fit_probes(tasks, replace(config, margin=-1.0))
    recipe, sequences = of_sequences()
    with pytest.raises(UserError, match=r"^Task 2: .* are answered right"):
        fit_probes([*sequences[:2], sequences[2]._replace(labels=np.ones(len(sequences[2].labels)))], recipe)
    with pytest.raises(ValueError, match="Expected `at_once` to be at least 1, but got 0"):
        fit_probes(tasks, config, at_once=0)


def test_divergence_is_an_error_that_names_the_task(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    with pytest.raises(UserError, match=r"Task 0: .* training diverged. Lower `probe.contrastive.learning_rate`"):
        fit_probes(tasks, with_stages(config, learning_rate=1e38))


def test_a_probe_that_diverges_leaves_the_others_alone(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    tables = [prepare(*task[:3], config, task.seed, task.radius, FEATURE_NAMES) for task in tasks[:3]]
    tables[1] = replace(tables[1], train=tables[1].train._replace(inputs=tables[1].train.inputs * 1e30))
    networks = [build_network(config, 75) for _ in tables]
    with pytest.raises(UserError, match=r"^Task 6: Expected the contrastive stage to end with finite weights"):
        train_stacked(networks, tables, config, torch.device("cpu"), range(5, 5 + len(networks)), lambda updates: None)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="needs a machine without a GPU")
def test_a_missing_accelerator_is_an_error_and_auto_does_without(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    with pytest.raises(UserError, match=r"Expected `probe.accelerator` to be one that this machine has, but got gpu"):
        fit_probes(tasks, replace(config, accelerator=Accelerator.gpu))
    auto, cpu = (fit_probes(tasks[:2], replace(config, accelerator=a)) for a in (Accelerator.auto, Accelerator.cpu))
    assert [probe.training for probe in auto] == [probe.training for probe in cpu]


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs a GPU")
def test_a_gpu_fits_the_probes_of_the_cpu(tasks: list[ProbeTask], config: ProbeConfig) -> None:
    gpu, cpu = (fit_probes(tasks, replace(config, accelerator=a)) for a in (Accelerator.gpu, Accelerator.cpu))
    for one, other in zip(gpu, cpu, strict=True):
        np.testing.assert_allclose(losses(one), losses(other), rtol=0, atol=1e-4)


def test_stacked_networks_compute_what_each_computes(config: ProbeConfig) -> None:
    torch.manual_seed(0)
    networks: Any = [torch.nn.Sequential(build_encoder(config.encoder, 75, 0.5)).eval() for _ in range(3)]
    stacked = StackedNetworks(networks, torch.device("cpu"))
    inputs = torch.randn(3, 7, 75)
    outputs = call_stacked(stacked.template, stacked.weights, {}, inputs)
    for network, given_inputs, output in zip(networks, inputs, outputs, strict=True):
        torch.testing.assert_close(output, network(given_inputs))
    assert [site.shape for site in dropout_sites(stacked.template, inputs[0])] == [(64,), (32,), (16,)]


def test_smaller_batches_are_filled_up_and_weigh_nothing() -> None:
    layer = torch.nn.Sequential(GivenDropout())
    sites = dropout_sites(layer, torch.zeros(2, 4))
    streams = [open_stream(0, 10), open_stream(1, 7)]
    batches = stacked_batches(streams, lambda s: pair_indices(s.rows, 4, s.seeds.pairs), 2, sites, 0.5)
    next(batches)
    # The second batch of four pairs: all of the first stream's, three of the second's seven rows.
    second = next(batches)
    assert second.rows.shape == (2, 8)
    assert second.share.tolist() == [[0.25] * 4, pytest.approx([1 / 3] * 3 + [0.0])]
    assert second.rows[1, [3, 7]].tolist() == [0, 0]
    mask = second.masks["0.mask"]
    assert mask.shape == (2, 8, 4)
    assert set(mask[0].unique().tolist()) == {0.0, 2.0}
    assert not mask[1, [3, 7]].any()
    generator = torch.Generator().manual_seed(streams[1].seeds.dropout)
    torch.empty(8, 4).bernoulli_(0.5, generator=generator)
    expected = torch.empty(6, 4).bernoulli_(0.5, generator=generator) / 0.5
    torch.testing.assert_close(mask[1, [0, 1, 2, 4, 5, 6]], expected)
