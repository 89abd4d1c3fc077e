"""A model that somebody has loaded already, and goes on using: read, and left exactly as it was.

Nothing of it is changed: no weight, no dtype, no setting of generation, no hook that stays. While it is read it must be
in evaluation mode; afterwards each of its modules is in the mode that it was in. The tokenizer is a copy.
"""

import copy
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ccps.core.errors import UserError, expected
from ccps.core.keys import digest
from ccps.core.settings import is_name
from ccps.llm.load import LanguageModel, ModelFiles, measured
from ccps.llm.templates import TODAY, depends_on_clock
from ccps.settings.model import ModelConfig

PREFIX = "weights:"
"""What the fingerprint of a model in memory begins with, which is not that of the files it came from."""

SAMPLED = 4096
"""Of a weight with more numbers than this, so many are hashed, at equal distances."""

_UNREAD = frozenset({"transformers_version", "dtype", "torch_dtype", "architectures", "use_cache"})
"""Of a configuration: what says where it came from, or does not change what is computed."""

_DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()


def take_model(model: Any, tokenizer: Any = None) -> LanguageModel:
    """Make sure of a loaded model's head, and fingerprint it.

    Args:
        model: a causal language model of transformers, or a pipeline that holds one and its tokenizer.
        tokenizer: the model's; None for that of the pipeline.

    Raises:
        UserError: it is no such model, has no tokenizer, or one that does not go with it; it is in another dtype than
            bfloat16, float16, float32 or float64; or its head is not one that `ccps.llm.measure_head` knows.
    """
    model, tokenizer = _parts(model, tokenizer)
    dtype = model.get_output_embeddings().weight.dtype
    if dtype not in _DTYPES:
        wanted = "with a head in bfloat16, float16, float32 or float64"
        raise expected("`model`", wanted, f"one in {dtype}", "Load it in one of these.")
    location, source = str(getattr(model.config, "_name_or_path", "") or ""), "hub"
    if not location or Path(location).expanduser().is_dir():
        source = "folder"
    name = Path(location).name
    name = name if is_name(name) else type(model).__name__
    config = ModelConfig(source=source, location=location, dtype=str(dtype).removeprefix("torch."))
    with as_it_is(model):
        files = ModelFiles(name, config, None, weights_fingerprint(model, tokenizer))
        # A tokenizer keeps the padding and truncation of its last call, and the template's arguments are set on it.
        return measured(files, model, copy.deepcopy(tokenizer))


def _parts(model: Any, tokenizer: Any) -> tuple[Any, Any]:
    """Model and tokenizer, of a pipeline too."""
    if not isinstance(model, nn.Module) and isinstance(getattr(model, "model", None), nn.Module):
        model, tokenizer = model.model, tokenizer or getattr(model, "tokenizer", None)
    if not _writes(model):
        raise expected(
            "`model`",
            "a causal language model of transformers, a pipeline with one, a folder, or a hub id",
            f"a {type(model).__name__}",
            "Load it with `AutoModelForCausalLM.from_pretrained`.",
        )
    if tokenizer is None:
        raise expected(
            "`tokenizer`",
            "given with a loaded model",
            "None",
            "Pass the model's own, `AutoTokenizer.from_pretrained(…)`; a pipeline, a folder or a hub id bring theirs.",
        )
    if not callable(tokenizer) or not hasattr(tokenizer, "chat_template"):
        kind = f"a {type(tokenizer).__name__}"
        raise expected("`tokenizer`", "one of transformers", kind, "Use `AutoTokenizer.from_pretrained(…)`.")
    return model, tokenizer


def _writes(model: Any) -> bool:
    """Whether it is a model of transformers with a decoder and a head."""
    has = all(hasattr(model, name) for name in ("get_decoder", "get_output_embeddings", "generation_config"))
    return isinstance(model, nn.Module) and has and model.get_output_embeddings() is not None  # type: ignore[operator]


@contextmanager
def as_it_is(model: nn.Module) -> Iterator[None]:
    """Read a model, one thread at a time, in evaluation mode; then every module is in the mode that it was in."""
    with _LOCKS_LOCK:
        lock = _LOCKS.setdefault(model, threading.RLock())
    with lock:
        training = [module for module in model.modules() if module.training]
        for module in training:
            module.training = False
        try:
            yield
        finally:
            for module in training:
                module.training = True


def weights_fingerprint(model: nn.Module, tokenizer: Any) -> str:
    """Hash of what decides what a model in memory computes.

    That is its configuration; the tokenizer's vocabulary, rules and chat template; and of each weight and stored buffer
    the name, shape, dtype and numbers: all of them up to `SAMPLED`, else so many at equal distances, the last included.
    Training moves all numbers of a weight, which this sees; a single number that was edited by hand it may miss.

    Returns:
        `PREFIX` and hexadecimal digits.
    """
    template = tokenizer.chat_template
    clock = {"date": TODAY.isoformat()} if depends_on_clock(json.dumps(template)) else {}
    identity = {
        "config": _settings_of(model),
        "weights": _weights_hash(model),
        "tokenizer": _tokenizer_hash(tokenizer),
        "template": template,
        **clock,
    }
    return PREFIX + digest(identity)


def _settings_of(model: Any) -> Any:
    stored = json.loads(model.config.to_json_string(use_diff=False))

    def kept(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: kept(one) for name, one in value.items() if name not in _UNREAD and not name.startswith("_")}

    return kept(stored)


def _weights_hash(model: nn.Module) -> str:
    from accelerate.utils import align_module_device

    hashed = hashlib.blake2b(digest_size=16)
    for place, module in model.named_modules():
        volatile = module._non_persistent_buffers_set
        with align_module_device(module):  # an offloaded weight is there only inside
            own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
            for name, tensor in sorted((name, tensor) for name, tensor in own if name not in volatile):
                hashed.update(f"{place}.{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                hashed.update(_sampled(tensor.detach()))
    return hashed.hexdigest()


@torch.no_grad()
def _sampled(tensor: Tensor) -> bytes:
    """The bytes of a weight's numbers, or of some at equal distances."""
    if type(tensor) is not Tensor and hasattr(tensor, "tensor_data_names"):  # of torchao, which holds several
        tensor = tensor.dequantize()
    flat = tensor.reshape(-1)
    if len(flat) > SAMPLED:
        flat = flat[torch.linspace(0, len(flat) - 1, SAMPLED, dtype=torch.float64).long().to(flat.device)]
    return flat.contiguous().cpu().view(torch.uint8).numpy().tobytes()


def _tokenizer_hash(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        rules: Any = sorted(tokenizer.get_vocab().items())
    else:
        rules = json.loads(backend.to_str())
        rules.pop("padding", None)  # what its last call has left there
        rules.pop("truncation", None)
    text = json.dumps([rules, {name: str(token) for name, token in tokenizer.special_tokens_map.items()}])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_same(lm: LanguageModel, fingerprint: str) -> None:
    """Refuse a model that is not the one a scorer was fitted on.

    Args:
        lm: the model.
        fingerprint: of the one that it was fitted on, as `weights_fingerprint` has it.

    Raises:
        UserError: it is another.
    """
    found = lm.files.fingerprint
    if not found.startswith(PREFIX):
        found = weights_fingerprint(lm.model, lm.tokenizer)
    if found != fingerprint:
        raise other_model(lm.files.name, fingerprint, found)


def other_model(name: str, wanted: str, found: str) -> UserError:
    """The refusal of a model that is not the one a scorer was fitted on."""
    return expected(
        f"model `{name}`",
        f"the one the probe was fitted on ({wanted})",
        f"other weights, tokenizer or settings ({found})",
        "Its confidences would mean nothing here. Give the scorer the same model in the same dtype "
        "(`load(…, model=…)` or `load(…, location=…)`), or fit one for this model.",
    )
