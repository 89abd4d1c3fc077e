"""A LoRA adapter on a language model: put on, saved, loaded, and taken off without a trace.

peft (https://github.com/huggingface/peft) replaces the target layers of the model in place by layers that hold the old
one, and puts the old ones back when it is told to unload.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ccps.core.errors import UserError, expected
from ccps.llm import LanguageModel
from ccps.settings.tuning import TuningConfig

WEIGHTS_FILE = "adapter_model.safetensors"
SETTINGS_FILE = "adapter_config.json"


class Adapter:
    """A LoRA adapter that is on a model; its weights are float32, the model's keep their type.

    Args:
        lm: the model that it is on.
        peft: what peft has made of it.
    """

    def __init__(self, lm: LanguageModel, peft: Any) -> None:
        self.lm = lm
        self.peft = peft

    @classmethod
    def new(cls, lm: LanguageModel, config: TuningConfig) -> "Adapter":
        """Put an untrained adapter on a model, which changes nothing of what it computes.

        Raises:
            UserError: peft does not know which layers of the architecture to adapt, or finds none of that name; or the
                head is among them.
        """
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=list(config.target_modules) or None,
        )
        head = lm.model.get_output_embeddings()
        try:
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(config.seed)
                adapter = cls(lm, get_peft_model(lm.model, settings))
        except ValueError as error:
            raise _unfit(lm, config, str(error)) from error
        if lm.model.get_output_embeddings() is not head:
            adapter.take_off()
            raise _unfit(lm, config, "the head is to stay as it is")
        settings.base_model_name_or_path = lm.files.name
        return adapter

    @classmethod
    def load(cls, lm: LanguageModel, folder: Path) -> "Adapter":
        """Put an adapter that `save` wrote on a model, to be used and not trained."""
        from peft import PeftModel

        with _quiet():
            return cls(lm, PeftModel.from_pretrained(lm.model, str(folder), torch_device=str(lm.device)))

    def save(self, folder: Path) -> None:
        """Write `adapter_model.safetensors` and `adapter_config.json`, as peft reads them."""
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(self.peft, save_embedding_layers=False)
        save_file({name: value.contiguous().cpu() for name, value in weights.items()}, folder / WEIGHTS_FILE)
        self.peft.peft_config["default"].save_pretrained(folder)

    def restore(self, folder: Path) -> None:
        """Take over the weights that `save` wrote, and go on training them."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.peft, load_file(folder / WEIGHTS_FILE))

    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return {name: value for name, value in self.peft.named_parameters() if value.requires_grad}

    def take_off(self) -> None:
        """Give the model back as it was."""
        self.peft.unload()


def _unfit(lm: LanguageModel, config: TuningConfig, why: str) -> UserError:
    return expected(
        "`tuning.target_modules`",
        f"layers of model `{lm.files.name}`",
        f"{list(config.target_modules) or 'none named'} ({why})",
        "Name its query and value projections.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence peft's own use of a deprecated property of transformers, and that it sees which way weights lie."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*deprecated.*")
        warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")
        yield
