from collections.abc import Callable

import pytest
import torch

from ccps.artifacts import Artifact
from ccps.errors import UserError
from ccps.llm.head import Head
from ccps.perturbation import stability_features
from ccps.stages import extract
from ccps.stages.checks import _spread_faults
from ccps.stages.config import PerturbationConfig
from ccps.stages.extract import ExtractStage

VOCABULARY, WIDTH, TOKENS = 100, 8, 20


@pytest.fixture
def stage(tmp_path) -> ExtractStage:
    made = ExtractStage(
        Artifact.at(tmp_path, "answer", {}), Artifact.at(tmp_path, "head", {}), "b", PerturbationConfig(5.0, 3)
    )
    made.layer = Head(torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(0)))
    made.scratch = 10 * 8 * VOCABULARY  # ten tokens at a time
    return made


@pytest.fixture
def asked(monkeypatch) -> Callable[[int], list[int]]:
    """Give the machine so much room; returns the list of block sizes that will have been asked for."""

    def with_room(room: int) -> list[int]:
        sizes: list[int] = []

        def features(*arguments, max_scratch_bytes, **options):
            sizes.append(max_scratch_bytes)
            if max_scratch_bytes > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate too much.")
            return stability_features(*arguments, max_scratch_bytes=max_scratch_bytes, **options)

        monkeypatch.setattr(extract, "stability_features", features)
        return sizes

    return with_room


def test_blocks_that_do_not_fit_are_halved_and_stay_so(stage, asked, capsys) -> None:
    sizes = asked(3000)
    states, tokens = torch.randn(TOKENS, WIDTH), torch.arange(TOKENS)
    found = stage._features(states, tokens)
    assert sizes == [8000, 4000, 2000]
    wanted = stability_features(states, stage.layer.weight, tokens, radius=5.0, steps=3)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    stage._features(states, tokens)
    assert sizes[3:] == [2000]
    assert capsys.readouterr().out.count("did not fit and are halved") == 2


def test_too_little_memory_for_one_token_is_refused(stage, asked) -> None:
    sizes = asked(0)
    with pytest.raises(UserError, match="logits of one token"):
        stage._features(torch.randn(3, WIDTH), torch.arange(3))
    assert sizes == [8000, 4000, 2000, 1000]


def test_only_another_block_size_than_the_usual_has_another_key(tmp_path) -> None:
    def inputs(**sizes):
        answers, head = Artifact.at(tmp_path, "answer", {}), Artifact.at(tmp_path, "head", {})
        return ExtractStage(answers, head, "b", PerturbationConfig(5.0, 3, **sizes)).inputs()

    assert inputs() == inputs(max_scratch_mib=256)
    assert inputs() != inputs(max_scratch_mib=64)


def test_a_spread_model_and_several_processes_exclude_each_other() -> None:
    models = {"x": {"source": "hub", "location": "a/b", "device_map": "auto"}}
    assert len(list(_spread_faults({"model": models, "trainer": {"devices": 2}}))) == 1
    assert not list(_spread_faults({"model": models, "trainer": {"devices": 1}}))
