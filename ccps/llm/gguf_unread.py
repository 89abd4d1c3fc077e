"""Tensors of a GGUF file that transformers has no place for and leaves out without a word.

A bias of the queries, a norm of the keys: without it the model is another one.
"""

import re
from pathlib import Path
from typing import Any

# What attention and feed-forward network are made of. Experts are split up as they are read, under other names.
_OF_LAYERS = re.compile(r"blk\.\d+\.(?:attn|ffn)_(?!\w*exp)\w+\.(?:weight|bias)")


def check_all_read(file: Path, model: Any) -> None:
    """Make sure that each tensor of attention and feed-forward network is in the model that was read.

    Args:
        file: the GGUF file.
        model: of transformers, read from it.

    Raises:
        ValueError: naming the first that is not.
    """
    from gguf import GGUFReader
    from transformers.modeling_gguf_pytorch_utils import (
        TENSOR_PROCESSORS,
        TensorProcessor,
        get_gguf_hf_weights_map,
    )

    reader = GGUFReader(file)
    architecture = reader.fields["general.architecture"].contents()
    processor: Any = TENSOR_PROCESSORS.get(architecture, TensorProcessor)
    places = get_gguf_hf_weights_map(model, processor())
    names = (tensor.name for tensor in reader.tensors)
    if unread := sorted(name for name in names if _OF_LAYERS.fullmatch(name) and name not in places):
        raise ValueError(f"{len(unread)} tensors that its architecture has no place for, {unread[0]} among them")
