"""Whether one text entails another or contradicts it, as a model of natural language inference sees it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.core.quiet import quiet_transformers
from ccps.llm.checkpoint import resolve_checkpoint
from ccps.settings.model import ModelConfig

Setting = Literal["samples.nli_model", "faithful.judge.nli_model"]

_NEEDS = {
    "samples.nli_model": "a label `entailment`; or leave it empty to compare normalised texts.",
    "faithful.judge.nli_model": "labels `entailment` and `contradiction`; or take the judge `lexical` or `numeric`.",
}


def find_entailment_model(location: str, setting: Setting = "samples.nli_model") -> Path:
    """Return the local folder of a model, downloading it if need be.

    Args:
        location: a folder, or a hub id.
        setting: which asks for it, for messages.

    Raises:
        UserError: there is no such model.
    """
    is_folder = local_path(location).is_dir()
    try:
        return resolve_checkpoint("nli", ModelConfig(source="folder" if is_folder else "hub", location=location))
    except UserError as error:
        raise _unfit(setting, "a model that can be had", repr(location)) from error


class Entailment:
    """A sequence classification model with a label for entailment, held in float32.

    Args:
        folder: its checkpoint.
        device: where it is put.
        setting: which asks for it, for messages.

    Attributes:
        longest: tokens of the longest pair that it can read.

    Raises:
        UserError: it cannot be read, weights are missing from its files, or no label of it is called entailment.
    """

    def __init__(
        self, folder: Path, device: torch.device | str = "cpu", setting: Setting = "samples.nli_model"
    ) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.folder = folder
        self.setting: Setting = setting
        try:
            with quiet_transformers():
                loaded: Any = AutoModelForSequenceClassification.from_pretrained(
                    folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
                )
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise _unfit(setting, "a readable sequence classification model", f"{folder} ({error})") from error
        model, info = loaded
        if missing := sorted(info["missing_keys"]):
            got = f"{folder}, which lacks {len(missing)} ({missing[0]}, …)"
            raise _unfit(setting, "a model with all its weights", got)
        self.model = model.eval().requires_grad_(False).to(device)
        self.label = self.label_called("entailment")
        positions = getattr(model.config, "max_position_embeddings", self.tokenizer.model_max_length)
        self.longest = min(positions, self.tokenizer.model_max_length)

    def label_called(self, name: str) -> int:
        """The index of a label, by its name in small letters.

        Raises:
            UserError: not exactly one label has that name.
        """
        names = self.model.config.id2label
        found = [int(index) for index, label in names.items() if label.lower() == name]
        if len(found) != 1:
            got = f"{self.folder} with labels {', '.join(names.values())}"
            raise _unfit(self.setting, f"a model with one label called {name}", got)
        return found[0]

    def entails(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether entailment is the most probable label of each pair of a premise and a hypothesis, in one batch.

        Raises:
            UserError: a pair is longer than the model can read.
        """
        return [int(label) == self.label for label in self._logits(pairs).argmax(dim=-1)]

    def contradiction(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability that each hypothesis contradicts its premise, in one batch.

        Raises:
            UserError: no label is called contradiction, or a pair is longer than the model can read.
        """
        found: list[float] = self._logits(pairs).softmax(dim=-1)[:, self.label_called("contradiction")].tolist()
        return found

    def lengths(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """How many tokens each pair has, those that the tokenizer puts around and between included."""
        if not pairs:
            return []
        premises, hypotheses = zip(*pairs, strict=True)
        return [len(ids) for ids in self.tokenizer(list(premises), list(hypotheses), verbose=False)["input_ids"]]

    @torch.inference_mode()
    def _logits(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """`[pairs, labels]`, in one batch."""
        premises, hypotheses = zip(*pairs, strict=True)
        read = self.tokenizer(list(premises), list(hypotheses), padding=True, return_tensors="pt")
        length = read["input_ids"].shape[1]
        if length > self.longest:
            wanted = f"a model that can read {length} tokens, the longest pair of answers"
            raise _unfit(self.setting, wanted, f"{self.longest} tokens")
        logits: Tensor = self.model(**read.to(self.model.device)).logits
        return logits


def _unfit(setting: Setting, wanted: str, got: str) -> UserError:
    way_out = (
        "Give the folder that `save_pretrained` wrote, or the hub id, of a sequence classification model with weights "
        f"in safetensors and {_NEEDS[setting]}"
    )
    return expected(f"`{setting}`", wanted, got, way_out)
