"""The sizes of a decoder that its operations and bytes follow from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """A causal language model by its sizes.

    Attributes:
        layers: of the decoder.
        width: d, of a state.
        heads: query heads of a layer.
        groups: key-value heads of a layer.
        head_width: of one head.
        feed_forward: width of the feed-forward network.
        vocabulary: rows of the output head.
        dense: weights that every token is multiplied with, all layers together; neither embeddings nor head.
        parameters: all weights; an embedding that is the head too counts once.
        dtype: in which weights are held.
    """

    layers: int
    width: int
    heads: int
    groups: int
    head_width: int
    feed_forward: int
    vocabulary: int
    dense: int
    parameters: int
    dtype: str = "bfloat16"

    @property
    def item(self) -> int:
        """Bytes of a weight."""
        return 4 if self.dtype == "float32" else 2

    @property
    def bytes(self) -> int:
        """Bytes of all weights."""
        return self.parameters * self.item

    @property
    def cache_bytes(self) -> int:
        """Bytes of the key-value cache of one token."""
        return 2 * self.layers * self.groups * self.head_width * self.item

    @property
    def elementwise_bytes(self) -> int:
        """Bytes that one token moves between the products of all layers, each operation reading and writing by itself.

        A layer has two root-mean-square norms, of ten times its width each (to float32 and back, square, mean, scale),
        two sums of three; rotations of queries and keys, of ten times these (two halves, two products, a sum); and an
        activation with a product, of five times the feed-forward width.
        """
        states = (2 * 10 + 2 * 3) * self.width
        rotated = 10 * (self.heads + self.groups) * self.head_width
        return self.layers * self.item * (states + rotated + 5 * self.feed_forward)
