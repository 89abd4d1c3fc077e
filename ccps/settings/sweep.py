"""A sweep over the strength of the perturbation: `conf/sweep/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, setting
from ccps.core.settings import Fault, fault
from ccps.settings.experiment import Config


@dataclass
class GridConfig:
    """The strengths that answers of one format are perturbed with: every radius with every number of steps."""

    radii: list[float] = setting(
        [], "largest distances from the original state", at_least=1e-6, at_most=1e6, different=True, not_empty=True
    )
    steps: list[int] = setting(
        [], "numbers of equal steps up to each", at_least=1, at_most=10_000, different=True, not_empty=True
    )
    directions: list[str] = setting(
        [], "ways to go, of `ccps.perturbation.DIRECTIONS`; the paper's first", different=True, not_empty=True
    )
    training_steps: int | None = setting(
        None,
        "mini-batches of each of the probe's two stages, on the grid and at the chosen points; null means the recipe's",
        at_least=1,
        at_most=LARGEST_COUNT,
    )


@dataclass
class SweepConfig:
    """What is swept, and how the best strength is found."""

    mc: GridConfig | None = setting(None, "grid of multiple choice; null to leave these questions out")
    oe: GridConfig | None = setting(None, "grid of open-ended answers; null to leave these questions out")
    folds: int = setting(
        3,
        "the training questions are divided into so many; a strength is judged on each by a probe fitted to "
        "the others. No test question takes part in the choice",
        at_least=2,
        at_most=1000,
    )
    at_chance: str = setting(
        "leave_out",
        "what becomes of sources on which a model is at chance, by its answers to their training questions (to the "
        "test where there are none): `leave_out` says which and sweeps without them, `keep` sweeps all",
        one_of=("leave_out", "keep"),
    )
    chance_level: float = setting(
        0.01, "a model is above chance where guessing would do as well with less probability", above=0, below=1
    )
    choose_by: str = setting("brier", "metric by which the best strength is chosen")
    seeds: list[int] = setting(
        [23], "of the probes on the grid", at_least=0, at_most=LARGEST_SEED, different=True, not_empty=True
    )
    chosen_seeds: list[int] = setting(
        [23, 24, 25, 26, 27],
        "of those at the paper's strength and at the chosen one, whose results get intervals",
        at_least=0,
        at_most=LARGEST_SEED,
        different=True,
        not_empty=True,
    )

    @property
    def grids(self) -> dict[str, GridConfig]:
        """The grids by format."""
        both = {"mc": self.mc, "oe": self.oe}
        return {form: grid for form, grid in both.items() if grid is not None}


@dataclass
class SweptConfig(Config):
    """An experiment, and the grid that is laid over it: the shape of what `conf/sweep.yaml` composes."""

    sweep: SweepConfig = setting(SweepConfig)

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        yield from super().cross_faults()
        if self.test and not self.tested & set(self.sweep.grids):
            wanted = " or ".join(f"`{form}`" for form in sorted(self.tested))
            yield fault("sweep", f"to have a grid of {wanted}, as the benchmarks are of that format", "null")
        total = self.sampling.train_total
        if total is not None and total < 2 * self.sweep.folds and not any(spec.is_own for spec in self.train.values()):
            wanted = f"at most {total // 2}, as there are {total} training questions (`sampling.train_total`)"
            yield fault("sweep.folds", wanted, self.sweep.folds, "lower it, or draw more questions")
        if self.stages and not {"answer", "grade"} <= set(self.stages):
            wanted = "to hold answer and grade, without which nothing is swept"
            yield fault("stages", wanted, ", ".join(self.stages))
