"""The recipes that are compared, each as a difference to the paper's or to the chosen one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ccps.settings.probe import Optimizer, ProbeConfig, StageConfig


class Recipe(NamedTuple):
    """A method, and how its probe is fitted if it has one."""

    method: str
    probe: ProbeConfig
    words: str


def all_recipes(auto: ProbeConfig, paper: ProbeConfig) -> dict[str, Recipe]:
    """Everything that is compared, by name.

    Every probe is averaged over the seeds and none is fitted anew, so that recipes differ in the training alone and all
    that have collapsed are counted.

    Args:
        auto: the chosen recipe.
        paper: the paper's.
    """
    with_pairs = auto.classifier if auto.contrastive.steps == 0 else auto.contrastive
    probes = {
        "auto": (auto, "the chosen recipe, `auto_*`"),
        "auto, 40 passes": (_both(auto, passes=40), "two and a half times the passes"),
        "auto, rate 3e-3": (_both(auto, learning_rate=3e-3), "a higher rate"),
        "auto, rate 3e-4": (_both(auto, learning_rate=3e-4), "a lower rate"),
        "auto, decay 1": (_both(auto, weight_decay=1.0), "a hundred times the decay"),
        "auto, contrastive stage": (
            replace(auto, contrastive=with_pairs),
            "with stage 1, as many passes",
        ),
        "paper": (paper, "5,000 steps of either stage, Adam, L2 term 0.01"),
        "paper, AdamW": (_both(paper, optimizer=Optimizer.adamw), "the same with decoupled decay"),
        "paper, 500 steps": (_both(paper, steps=500, eval_every=500), "a tenth of the steps"),
        "paper, no contrastive stage": (
            replace(paper, contrastive=replace(paper.contrastive, steps=0)),
            "its second stage alone",
        ),
    }
    found = {
        name: Recipe("ccps", replace(probe, average=True, refits=0), words) for name, (probe, words) in probes.items()
    }
    logistic = "L2-logistic regression on the features; of several tokens, pooled"
    return {"logistic": Recipe("ccps_logistic", auto, logistic), **found}


def _both(probe: ProbeConfig, **changes: Any) -> ProbeConfig:
    """The same change to the stages that there are."""

    def changed(stage: StageConfig) -> StageConfig:
        # A stage that is left out stays so.
        return replace(stage, **changes) if stage.steps else stage

    return replace(probe, contrastive=changed(probe.contrastive), classifier=changed(probe.classifier))


def chosen_of(recipes: Mapping[str, Recipe], names: list[str] | None) -> dict[str, Recipe]:
    """Those of some names, all without any."""
    return {name: recipes[name] for name in (names or recipes)}
