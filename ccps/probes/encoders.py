"""The networks of a probe: an encoder of feature rows or of whole answers, and a classifier on its embedding."""

from itertools import pairwise

import torch
from torch import nn

from ccps.settings.probe import EncoderConfig, HeadConfig, Padding

CLASSES = 2
"""Index 0 reads "wrong", index 1 reads "right"."""


class SequenceEncoder(nn.Module):
    """Convolutions over the tokens of an answer, then the maximum over tokens, then a linear layer.

    Every convolution keeps the number of places (zeros beyond both ends) and is followed by the activation and
    dropout. Places beyond the end of an answer are not told from tokens when `unmasked`; when `masked` they are
    set back to zero after every layer and left out of the maximum.
    """

    def __init__(self, config: EncoderConfig, inputs: int, dropout: float) -> None:
        super().__init__()
        widths = pairwise([inputs, *config.hidden])
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, next_width, kernel, padding=kernel // 2),
                getattr(nn, config.activation)(),
                nn.Dropout(dropout),
            )
            for (width, next_width), kernel in zip(widths, config.kernels, strict=True)
        )
        self.output = nn.Linear(config.hidden[-1], config.embed_dim)
        self.masked = config.padding is Padding.masked

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map `[answers, max_tokens, inputs + 1]`, as `pad_answers` makes it, to `[answers, embed_dim]`."""
        hidden, is_token = inputs.mT.split([inputs.shape[2] - 1, 1], dim=1)
        for layer in self.layers:
            hidden = layer(hidden)
            if self.masked:
                hidden = hidden * is_token
        if self.masked:
            hidden = hidden.masked_fill(is_token == 0, float("-inf"))
        # Of equal places `max` gives one the gradient, as max-pooling does; `amax` would share it out.
        embedding: torch.Tensor = self.output(hidden.max(dim=2).values)
        return embedding


def build_encoder(config: EncoderConfig, inputs: int, dropout: float) -> nn.Module:
    """Build the network that embeds an answer (CCPS, arXiv 2505.21772, encoders E_MC and E_OE).

    Without kernels a multilayer perceptron on one feature row: every hidden layer is followed by the activation
    and dropout, the last layer is bare. With the settings for multiple choice and 75 features: 75→64→32→16→8,
    7,608 parameters. With kernels a `SequenceEncoder`; the settings for open-ended answers of the released code
    give it 22,464 parameters, those restated by the authors as the paper's 21,168.

    Args:
        config: widths, kernels and activation.
        inputs: number of features.
        dropout: probability, in [0, 1).

    Returns:
        A module to `[rows, embed_dim]` from `[rows, inputs]`, or with kernels from
        `[answers, max_tokens, inputs + 1]`.
    """
    if config.kernels:
        return SequenceEncoder(config, inputs, dropout)
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


def count_parameters(module: nn.Module) -> int:
    """Count the numbers that training sets: weights, biases, slopes that are learnt."""
    return sum(value.numel() for value in module.parameters())


def _perceptron(widths: list[int], activation: str, dropout: float | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, next_width in pairwise(widths):
        layers += [nn.Linear(width, next_width), getattr(nn, activation)()]
        if dropout is not None:
            layers.append(nn.Dropout(dropout))
    bare = 1 if dropout is None else 2
    return nn.Sequential(*layers[:-bare])
