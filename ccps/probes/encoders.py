"""The two networks of a probe: an encoder of feature rows and a classifier on its embedding."""

from itertools import pairwise

import torch
from torch import nn

from ccps.probes.config import EncoderConfig, HeadConfig

CLASSES = 2
"""Index 0 reads "wrong", index 1 reads "right"."""


def build_encoder(config: EncoderConfig, inputs: int, dropout: float) -> nn.Sequential:
    """Build the multilayer perceptron that embeds one feature row (CCPS, arXiv 2505.21772, encoder E_MC).

    Every hidden layer is followed by the activation and dropout; the last layer is bare. With the paper's
    settings and 75 features: 75→64→32→16→8, 7,608 parameters.

    Args:
        config: widths and activation.
        inputs: number of features.
        dropout: probability, in [0, 1); `set_dropout` changes it later.

    Returns:
        A module from `[rows, inputs]` to `[rows, embed_dim]`.
    """
    return _perceptron([inputs, *config.hidden, config.embed_dim], config.activation, dropout)


def build_head(config: HeadConfig, inputs: int) -> nn.Sequential:
    """Build the classifier on an embedding (CCPS, arXiv 2505.21772, classifier C_MC).

    With the paper's settings and an embedding of 8: 8→48→24→12→2, 1,934 parameters, no dropout.

    Args:
        config: widths and activation.
        inputs: width of the embedding.

    Returns:
        A module from `[rows, inputs]` to logits `[rows, 2]`, column 1 for "right".
    """
    return _perceptron([inputs, *config.hidden, CLASSES], config.activation, dropout=None)


class ProbeNetwork(nn.Module):
    """An encoder and a head in one; the encoder may be any module whose output the head accepts."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map scaled inputs `[rows, ...]` to logits `[rows, 2]`."""
        logits: torch.Tensor = self.head(self.encoder(inputs))
        return logits


def set_dropout(module: nn.Module, probability: float) -> None:
    """Give every dropout layer inside `module` this probability: the two stages use different ones."""
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = probability


def _perceptron(widths: list[int], activation: str, dropout: float | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, next_width in pairwise(widths):
        layers += [nn.Linear(width, next_width), getattr(nn, activation)()]
        if dropout is not None:
            layers.append(nn.Dropout(dropout))
    bare = 1 if dropout is None else 2
    return nn.Sequential(*layers[:-bare])
