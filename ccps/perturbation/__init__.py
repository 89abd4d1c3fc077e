"""Perturb final hidden states, against the chosen token or elsewhere, and measure how the prediction gives way.

Pure tensor functions that need hidden states and the head, and no language model (CCPS, arXiv 2505.21772).
"""

from ccps.perturbation.directions import DIRECTIONS, Direction
from ccps.perturbation.features import Grid, stability_features, stability_features_sweep
from ccps.perturbation.flip import flip_radius
from ccps.perturbation.head import Head
from ccps.perturbation.names import FEATURE_NAMES
from ccps.perturbation.rays import Ray, ray
from ccps.perturbation.reference import reference_features

__all__ = [
    "DIRECTIONS",
    "FEATURE_NAMES",
    "Direction",
    "Grid",
    "Head",
    "Ray",
    "flip_radius",
    "ray",
    "reference_features",
    "stability_features",
    "stability_features_sweep",
]
