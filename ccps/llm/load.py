"""Load a causal language model and make sure of its head."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ccps.core.errors import UserError, expected
from ccps.core.keys import digest
from ccps.core.quiet import quiet_transformers
from ccps.core.settings import check
from ccps.core.text import in_short
from ccps.llm.chat import end_of_turn
from ccps.llm.checkpoint import resolve_checkpoint, stored_checkpoint
from ccps.llm.config_sizes import window_of
from ccps.llm.devices import device_faults, input_device, placement
from ccps.llm.fingerprints import fingerprint
from ccps.llm.head import measure_head
from ccps.llm.memory import OutOfMemory, attempt, is_out_of_memory, no_room
from ccps.llm.packed import pack
from ccps.llm.quantise import RECIPES, check_full_precision, check_quantised, quantisation_faults
from ccps.llm.random_model import byte_tokenizer, random_model
from ccps.llm.templates import TODAY, check_leaves_texts, check_opens_answer, has_clock, set_template
from ccps.llm.weights import read_weights
from ccps.perturbation import Head
from ccps.settings.model import ModelConfig

_REAL_SENTENCE = "The capital of France is Paris, and 12 times 12 is 144. Water boils at 100 degrees Celsius."


@dataclass(frozen=True)
class ModelFiles:
    """A model that has been found but not loaded.

    Attributes:
        name: key of the model in the configuration.
        config: its settings.
        folder: the local checkpoint; None for a random model.
        fingerprint: hash of everything that decides what the model computes, dtype included.
    """

    name: str
    config: ModelConfig
    folder: Path | None
    fingerprint: str


@dataclass(frozen=True)
class LanguageModel:
    """A loaded causal language model.

    Attributes:
        files: where it came from.
        model: the transformers model, in evaluation mode.
        tokenizer: its tokenizer.
        head: the measured linear head, on the CPU.
        end_tokens: ids of the tokens that end the model's turn, as its own generation config names them.
    """

    files: ModelFiles
    model: Any
    tokenizer: Any
    head: Head
    end_tokens: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Where the inputs go; the layers may be elsewhere, and states come from where the last of them is."""
        return input_device(self.model)

    @cached_property
    def context_window(self) -> int:
        """How many tokens fit, prompt and answer together, see `window_of`."""
        return window_of(self.model.config.get_text_config())

    def own_logits(self, hidden: Tensor) -> Tensor:
        """Apply the model's own head in the model's dtype: `[tokens, rows of the head]`.

        The greedy choice is that of the model's `generate`.
        """
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        return self.head.scaled_and_capped(logits[:, : len(self.head.weight)])  # without padding rows


def find_model(name: str, config: ModelConfig) -> ModelFiles:
    """Locate a model (download or convert it if need be) and fingerprint it, without loading it.

    Raises:
        UserError: a setting is wrong or the model is not to be had.
    """
    check(config, f"model.{name}")
    check_memory(name, config)
    return _found(name, config, None if config.source == "random" else resolve_checkpoint(name, config))


def find_stored_model(name: str, config: ModelConfig) -> ModelFiles | None:
    """The same of a model that lies here whole; None where something would have to be downloaded or converted first.

    Raises:
        UserError: a setting is wrong.
    """
    check(config, f"model.{name}")
    folder = None if config.source == "random" else stored_checkpoint(config)
    return _found(name, config, folder) if folder is not None or config.source == "random" else None


def _found(name: str, config: ModelConfig, folder: Path | None) -> ModelFiles:
    if folder is None:
        identity: dict[str, Any] = {"type": config.location, "architecture": config.architecture, "seed": config.seed}
        if config.toy:
            identity["toy"] = True
        return ModelFiles(name, config, None, digest({**identity, "dtype": config.dtype}))
    identity = {"files": fingerprint(folder, with_code=config.remote_code), "dtype": config.dtype}
    if has_clock(folder):
        identity["date"] = TODAY.isoformat()
    if config.template is not None or config.template_arguments:
        identity["template"] = [config.template, dict(config.template_arguments)]
    if config.quantisation:
        identity["quantisation"] = config.quantisation
    return ModelFiles(name, config, folder, digest(identity))


def check_memory(name: str, config: ModelConfig) -> None:
    """Refuse settings of quantisation and placement that cannot work here, all faults in one message.

    Args:
        name: the model's key in the configuration.
        config: its settings.

    Raises:
        UserError: naming every fault.
    """
    faults = [str(fault) for fault in (*device_faults(name, config), *quantisation_faults(name, config))]
    if faults:
        raise UserError("\n".join(faults))


def load_model(files: ModelFiles, device: torch.device | str = "cpu") -> LanguageModel:
    """Load a model and measure its head on real tokens.

    Args:
        files: what `find_model` returned.
        device: where the model is put, unless its settings have a `device_map`.

    Raises:
        UserError: the checkpoint cannot be read or does not fit the memory, gives NaN or infinite logits, or its head
            is not one that `measure_head` knows or not held in full precision.
    """
    loaded = attempt(lambda: _load(files, device))
    if isinstance(loaded, OutOfMemory):
        raise no_room(files.name, loaded)
    return loaded


def load_tokenizer(files: ModelFiles) -> Any:
    """Load the tokenizer alone.

    Raises:
        UserError: it cannot be read.
    """
    from transformers import AutoTokenizer

    if files.folder is None:
        return byte_tokenizer()
    try:
        return AutoTokenizer.from_pretrained(str(files.folder), trust_remote_code=files.config.remote_code)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise expected(
            f"the tokenizer in `{files.folder}`",
            "one that transformers can read",
            in_short(error),
            "Point `location` at a whole checkpoint.",
        ) from error


def _load(files: ModelFiles, device: torch.device | str) -> LanguageModel:
    from transformers import GenerationConfig

    if files.folder is None:
        model, tokenizer = random_model(files.name, files.config)
        model = model.to(device)
    else:
        model, tokenizer = _load_checkpoint(files, device)
        check_quantised(files.name, files.config, model)
    model = model.eval().requires_grad_(False)
    pack(model)
    lm = measured(files, model, tokenizer)
    # What else a checkpoint asks for (sampling, a repetition penalty) would creep into generation by default.
    model.generation_config = GenerationConfig()
    return lm


def measured(files: ModelFiles, model: Any, tokenizer: Any) -> LanguageModel:
    """Take a model that is in memory, and measure its head on real tokens. The model itself is left as it is.

    Args:
        files: where it came from.
        model: of transformers, in evaluation mode.
        tokenizer: its own, on which the chat template of the settings is set.

    Raises:
        UserError: model and tokenizer do not go together, or its head is not one that `measure_head` knows.
    """
    _check_tokenizer(files.name, model, tokenizer)
    set_template(tokenizer, files.name, files.config.template, files.config.template_arguments)
    check_leaves_texts(tokenizer)
    check_opens_answer(tokenizer)
    end_tokens = _end_tokens(model, tokenizer)
    return LanguageModel(files, model, tokenizer, _checked_head(files.name, model, tokenizer), end_tokens)


def _check_tokenizer(name: str, model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer with tokens that the model has no embedding of."""
    rows, largest = model.get_input_embeddings().weight.shape[0], max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        raise expected(
            f"the tokenizer of model `{name}`",
            f"one of at most {rows} tokens, as many as the model has embeddings",
            f"one with the token id {largest}",
            "Give the model its own tokenizer, or resize its embeddings and save it again.",
        )


def _end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Those of the generation config, or else the tokenizer's own; and the one by which the template ends a turn.

    Checkpoints whose configuration names the end of all text alone would write the next turns themselves.
    """
    named = model.generation_config.eos_token_id
    if named is None:
        named = tokenizer.eos_token_id
    if named is None:
        named = []
    ends = list(named) if isinstance(named, list) else [named]
    rows = model.get_input_embeddings().weight.shape[0]
    if wrong := [end for end in ends if type(end) is not int or not 0 <= end < rows]:
        raise expected(
            f"`eos_token_id` of {tokenizer.name_or_path}",
            f"ids of tokens, from 0 to {rows - 1}",
            repr(wrong[0]),
            "Correct generation_config.json.",
        )
    turn = end_of_turn(tokenizer)
    return tuple(ends if turn is None or turn in ends else [*ends, turn])


def _load_checkpoint(files: ModelFiles, device: torch.device | str) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    folder, config = str(files.folder), files.config
    options = placement(config, device)
    try:
        with quiet_transformers():
            if config.quantisation:
                options["quantization_config"] = RECIPES[config.quantisation].settings(getattr(torch, config.dtype))
            model = read_weights(
                folder, config.dtype, use_safetensors=True, trust_remote_code=config.remote_code, **options
            )
            return model, AutoTokenizer.from_pretrained(folder, trust_remote_code=config.remote_code)
    except UserError:
        raise
    except Exception as error:  # configurations and tokenizers are read by code of a dozen kinds, as are its errors
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"Model `{files.name}` cannot be loaded from {files.folder}: {in_short(error)}. "
            "Remove that folder if it is a cached copy and run again, or point `location` at a whole checkpoint."
        ) from error


@torch.inference_mode()
def _checked_head(name: str, model: Any, tokenizer: Any) -> Head:
    from accelerate.utils import align_module_device

    ids = torch.tensor([tokenizer(_REAL_SENTENCE)["input_ids"]], device=input_device(model))
    hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0]
    logits = model(input_ids=ids, use_cache=False).logits[0]
    output = model.get_output_embeddings()
    softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    with align_module_device(output):  # an offloaded weight is there only inside
        check_full_precision(name, output, model.dtype)
        return measure_head(name, output.weight, getattr(output, "bias", None), hidden, logits, softcap)
