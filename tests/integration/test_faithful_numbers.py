"""What estimators say of numbers that were made while traces were read, against the states, kept on request."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_faithful import TinyFaithful, hydra_text, tiny_model

from ccps.core.artifacts import Artifact
from ccps.faithful import rcc
from ccps.llm import load_model
from ccps.reasoning.stability import radius_stability, token_radii, typical_radius
from ccps.reasoning.stored_traces import STATES, StoredTrace, stored_traces
from ccps.reasoning.trace import Segmentation

ESTIMATORS = "faithful.estimators=[deepconf,rcc,stability]"
ON_REQUEST = "faithful.traces.states=[pre_norm,final]"


def overrides(traces_file: Path, *more: str) -> list[str]:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    return [f"faithful.files.mine={hydra_text(file)}", ESTIMATORS, *more]


def artifacts(run: TinyFaithful, stage: str) -> list[Artifact]:
    return [Artifact(path, stage, {}) for path in sorted((run.folder / "artifacts" / stage).iterdir())]


def test_confidences_are_those_of_the_states(faithful: TinyFaithful, traces_file: Path) -> None:
    bare = faithful.run(*overrides(traces_file))
    assert not list((faithful.folder / "artifacts" / "read").rglob(STATES))
    steps = pd.read_parquet(bare / "tables" / "steps.parquet").query("dataset == 'given'")
    output = faithful.run(*overrides(traces_file, ON_REQUEST))
    with_states = pd.read_parquet(output / "tables" / "steps.parquet").query("dataset == 'given'")
    for name in ("deepconf", "rcc", "stability"):
        assert steps[name].notna().sum() > 3
        np.testing.assert_allclose(steps[name], with_states[name], atol=1e-6)
    kept = [one for one in _stored(faithful) if one.states.final is not None]
    head, cut = load_model(tiny_model()[1], "cpu").head, Segmentation("paragraph", "strict")
    radii = {one.trace.id: _radii(one, head) for one in kept}
    typical = typical_radius(radii.values())
    for one in kept:
        tokens = cut.tokens(one.trace, cut.steps(one.trace))
        if tokens is None:
            continue
        assert one.trace.top_log_probs is not None
        likeliest = np.exp(one.trace.top_log_probs[:, 0])
        own = steps[steps["trace_id"] == one.trace.id].sort_values("step")
        wanted = rcc(one.states.pre_norm, likeliest, tokens, len(one.trace.prompt_ids))  # type: ignore[arg-type]
        np.testing.assert_allclose(own["rcc"], wanted, atol=1e-6)
        np.testing.assert_allclose(
            own["stability"], radius_stability(radii[one.trace.id], tokens, typical), rtol=1e-5, atol=1e-6
        )


def _radii(one: StoredTrace, head: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return token_radii(one.states.final, head, list(one.trace.token_ids or ()))  # type: ignore[arg-type]


def _stored(run: TinyFaithful) -> list[StoredTrace]:
    """The traces of the file, read with their states."""
    traces = {one.key: one for one in artifacts(run, "trace")}
    for readings in artifacts(run, "read"):
        if list(readings.folder.rglob(STATES)):
            own = traces[json.loads((readings.folder / "inputs.json").read_text())["traces"]]
            found = list(stored_traces(own, readings, ("pre_norm", "final")))
            if any(one.trace.id == "t0" for one in found):
                return found
    raise AssertionError("no states were kept")


@pytest.mark.parametrize("change", ["faithful.unit=sentence", "faithful.rcc.mu=0.3", "faithful.rcc.delta=0.8"])
def test_what_may_be_changed_without_reading_again(finished_faithful: TinyFaithful, change: str) -> None:
    before = finished_faithful.keys("read")
    finished_faithful.run(change)
    assert finished_faithful.keys("read") == before


def test_what_is_compared_is_part_of_what_is_read(finished_faithful: TinyFaithful) -> None:
    before = finished_faithful.keys("read")
    finished_faithful.run("faithful.rcc.similarity=cosine")
    assert len(finished_faithful.keys("read")) > len(before)
