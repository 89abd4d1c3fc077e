"""The points of a grid."""

from ccps.perturbation import Grid
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.sweep import GridConfig


def all_points(grid: GridConfig, paper: PerturbationConfig) -> list[Grid]:
    """Every point of a grid, radius by radius; the strength of the experiment is added if it is none of them."""
    points = [Grid(float(radius), steps) for radius in sorted(grid.radii) for steps in sorted(grid.steps)]
    usual = Grid(float(paper.radius), paper.steps)
    return points if usual in points else [*points, usual]
