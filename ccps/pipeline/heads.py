"""The output head of a model, as an artifact keeps it; it is read by who needs neither the model nor a stage, too."""

from ccps.core.artifacts import Artifact
from ccps.perturbation import Head

HEAD = "head.safetensors"


def load_head(artifact: Artifact) -> Head:
    """Read a head that `SharedModel.save_head` wrote."""
    return Head.load(artifact.path(HEAD))
