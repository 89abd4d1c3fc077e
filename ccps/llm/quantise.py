"""Weights of the layers in 8 or 4 bits, by libraries that need not be there.

Only weights are quantised, never activations, so what the model computes for one row does not depend on the others of
its batch. (The 8 bits of bitsandbytes quantise activations too, and treat as outliers whatever is large in any row;
that is why torchao's are used.) Neither library touches embeddings or the head, tied or not.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ccps.core.errors import UserError, expected
from ccps.llm.devices import places
from ccps.settings.model import ModelConfig


class Recipe(NamedTuple):
    """How weights are quantised.

    Attributes:
        package: the library that does it.
        is_there: whether it is installed, in a version that transformers works with.
        settings: for the type of all other weights, what `from_pretrained` takes as `quantization_config`.
    """

    package: str
    is_there: Callable[[], bool]
    settings: Callable[[torch.dtype], Any]


def _has_torchao() -> bool:
    from transformers.utils.import_utils import is_torchao_available

    return bool(is_torchao_available())


def _int8(dtype: torch.dtype) -> Any:
    """Symmetric integers with one scale for each row of a weight."""
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


def _has_bitsandbytes() -> bool:
    from transformers.utils.import_utils import is_bitsandbytes_available

    return bool(is_bitsandbytes_available())


def _nf4(dtype: torch.dtype) -> Any:
    """The 4-bit type of QLoRA (arXiv 2305.14314), in blocks of 64 numbers."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


RECIPES = {
    "int8": Recipe("torchao", _has_torchao, _int8),
    "nf4": Recipe("bitsandbytes", _has_bitsandbytes, _nf4),
}


def quantisation_faults(name: str, config: ModelConfig) -> Iterator[UserError]:
    """Say what is wrong with the quantisation of a model, before anything is loaded."""
    if config.quantisation is None:
        return
    setting = f"`model.{name}.quantisation`"
    if config.quantisation not in RECIPES:
        known = ", ".join(RECIPES)
        yield expected(setting, f"one of {known}, or null", repr(config.quantisation), "Set it to one of these.")
        return
    if config.source == "random":
        yield expected(setting, "null for random weights", config.quantisation, "Quantise a model that has files.")
    recipe = RECIPES[config.quantisation]
    if not recipe.is_there():
        yield expected(
            f"the package {recipe.package}, which model.{name}.quantisation={config.quantisation} needs,",
            "installed",
            "no version of it that will do",
            "Run pip install 'ccps[quant]'.",
        )
    if isinstance(config.device_map, dict) and len(set(config.device_map.values())) > 1:
        offloaded = sorted({"cpu", "disk"} & set(map(str, config.device_map.values())))
        if offloaded:
            yield expected(
                f"`model.{name}.device_map`",
                "GPUs alone, or the CPU alone, for quantised weights",
                ", ".join(offloaded),
                "Quantised weights are not offloaded: leave out one of the two.",
            )


def check_quantised(name: str, config: ModelConfig, model: Any) -> None:
    """Refuse a model whose weights are not quantised as its settings say, or only in part.

    Args:
        name: the model's name.
        config: its settings.
        model: the transformers model.

    Raises:
        UserError: the checkpoint was quantised before, or weights are on disk, or on a GPU and in CPU memory.
    """
    if config.quantisation is None:
        return
    if model.hf_quantizer.pre_quantized:
        raise expected(
            f"the checkpoint of model `{name}`",
            "one of plain weights, which can be quantised",
            f"one that is quantised ({model.hf_quantizer.quantization_config.quant_method})",
            f"Leave out `model.{name}.quantisation` to use it as it is, or point `location` at the original.",
        )
    where = places(model)
    if "disk" in where or ("cpu" in where and len(where) > 1):
        raise expected(
            f"the {config.quantisation} weights of model `{name}`",
            "on GPUs alone, or on the CPU alone",
            f"parts of them on {', '.join(sorted(where))}",
            f"Raise `model.{name}.max_memory` or add a GPU; or leave out `model.{name}.quantisation`: weights are "
            "offloaded only as they are.",
        )


def check_full_precision(name: str, output: Any, dtype: torch.dtype) -> None:
    """Refuse a head whose weight is quantised, as that of a checkpoint which was saved so may be.

    Raises:
        UserError: the weight is no plain tensor of floating-point numbers.
    """
    weight = output.weight
    if type(weight) not in (Tensor, nn.Parameter) or not weight.is_floating_point():
        raise expected(
            f"the head of model `{name}`",
            f"held in full precision ({dtype})",
            f"{type(weight).__name__} of {weight.dtype}",
            "Use a checkpoint with a plain head, or the original one with "
            f"+model.{name}.quantisation={next(iter(RECIPES))}.",
        )
