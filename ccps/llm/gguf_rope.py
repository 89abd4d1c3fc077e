"""The scaling of rotary positions that a GGUF file states and transformers does not read.

Without it every state beyond the first tokens is another model's. It stands in the file in two ways: by name
(`*.rope.scaling.type`: linear, yarn), or, for Llama 3.1 and later, as factors of the frequencies (`rope_freqs.weight`),
from which the parameters of the checkpoint are found again.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccps.core.errors import UserError, expected

# What all checkpoints of Llama 3.1, 3.2 and 3.3 have; the factor differs among them.
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
_FACTORS = "rope_freqs.weight"
_OTHER_FACTORS = ("rope_factors_long.weight", "rope_factors_short.weight")


def rope_scaling(file: Path) -> Mapping[str, Any] | None:
    """The scaling that a GGUF file states, as transformers' `rope_parameters` have it; None if it states none.

    Raises:
        UserError: it states one that is not known here.
    """
    from gguf import GGUFReader

    reader = GGUFReader(file)
    stated = {name: field.contents() for name, field in reader.fields.items() if ".rope." in name}
    values = {name.split(".rope.", 1)[1]: value for name, value in stated.items()}
    theta = float(values.get("freq_base", 10000.0))
    factors = {tensor.name: tensor.data for tensor in reader.tensors if tensor.name in (_FACTORS, *_OTHER_FACTORS)}
    kind = str(values.get("scaling.type", "linear" if "scale_linear" in values else "none"))
    if _FACTORS in factors and len(factors) == 1 and kind == "none":
        return _llama3(file, np.asarray(factors[_FACTORS], dtype=np.float64), theta)
    if factors:
        raise _unknown(file, f"factors of its own ({', '.join(factors)})")
    if kind == "none":
        return None
    found: dict[str, Any] = {
        "rope_type": kind,
        "rope_theta": theta,
        "factor": float(values.get("scaling.factor", values.get("scale_linear", math.nan))),
    }
    if kind not in ("linear", "yarn") or not found["factor"] >= 1:
        raise _unknown(file, f"the type {kind!r} with factor {found['factor']}")
    if "scaling.original_context_length" in values:
        found["original_max_position_embeddings"] = int(values["scaling.original_context_length"])
    if "scaling.attn_factor" in values:
        found["attention_factor"] = float(values["scaling.attn_factor"])
    return found


def _llama3(file: Path, factors: npt.NDArray[np.float64], theta: float) -> Mapping[str, Any]:
    """The parameters of Llama 3 that give these factors."""
    found = {"rope_type": "llama3", "rope_theta": theta, "factor": float(factors.max()), **_LLAMA3}
    if not np.allclose(factors, llama3_factors(len(factors), found), rtol=1e-3):
        raise _unknown(file, f"factors that are not those of Llama 3 ({factors.min():g} to {factors.max():g})")
    return found


def llama3_factors(n: int, parameters: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """By how much Llama 3 slows down each of `n` rotary frequencies, `[n]`.

    1. Wavelengths above the original window over `low_freq_factor` are stretched by `factor`.
    2. Those below it over `high_freq_factor` stay.
    3. In between the two are mixed, linearly in one over the wavelength.
    """
    wavelength = 2 * math.pi * parameters["rope_theta"] ** (np.arange(n) / n)
    window = parameters["original_max_position_embeddings"]
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    share = np.clip((window / wavelength - low) / (high - low), 0.0, 1.0)
    slowed: npt.NDArray[np.float64] = 1 / ((1 - share) / parameters["factor"] + share)
    return slowed


def _unknown(file: Path, what: str) -> UserError:
    return expected(
        f"the scaling of rotary positions in {file}",
        "none, linear, yarn or that of Llama 3",
        what,
        "Use a checkpoint folder of the same model instead (source=folder), whose config.json says it all.",
    )
