"""Whether one text entails another, as a model of natural language inference sees it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ccps.errors import UserError, expected
from ccps.llm.checkpoint import resolve_checkpoint
from ccps.llm.config import ModelConfig
from ccps.llm.quiet import quiet_transformers

_WAY_OUT = (
    "Give the folder that `save_pretrained` wrote, or the hub id, of a sequence classification model with weights in "
    "safetensors and a label `entailment`; or leave `samples.nli_model` empty to compare normalised texts."
)


def find_entailment_model(location: str) -> Path:
    """Return the local folder of a model, downloading it if need be.

    Args:
        location: a folder, or a hub id.

    Raises:
        UserError: there is no such model.
    """
    is_folder = Path(location).expanduser().is_dir()
    try:
        return resolve_checkpoint("nli", ModelConfig(source="folder" if is_folder else "hub", location=location))
    except UserError as error:
        raise _unfit("a model that can be had", repr(location)) from error


class Entailment:
    """A sequence classification model with a label for entailment, held in float32.

    Args:
        folder: its checkpoint.
        device: where it is put.

    Raises:
        UserError: it cannot be read, weights are missing from its files, or no label of it is called entailment.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            with quiet_transformers():
                loaded: Any = AutoModelForSequenceClassification.from_pretrained(
                    folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
                )
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise _unfit("a readable sequence classification model", f"{folder} ({error})") from error
        model, info = loaded
        if missing := sorted(info["missing_keys"]):
            raise _unfit("a model with all its weights", f"{folder}, which lacks {len(missing)} ({missing[0]}, …)")
        labels = [index for index, label in model.config.id2label.items() if label.lower() == "entailment"]
        if len(labels) != 1:
            listed = ", ".join(model.config.id2label.values())
            raise _unfit("a model with one label called entailment", f"{folder} with labels {listed}")
        self.label = int(labels[0])
        self.model = model.eval().requires_grad_(False).to(device)
        positions = getattr(model.config, "max_position_embeddings", self.tokenizer.model_max_length)
        self.longest = min(positions, self.tokenizer.model_max_length)

    @torch.inference_mode()
    def entails(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether entailment is the most probable label of each pair of a premise and a hypothesis, in one batch.

        Raises:
            UserError: a pair is longer than the model can read.
        """
        premises, hypotheses = zip(*pairs, strict=True)
        read = self.tokenizer(list(premises), list(hypotheses), padding=True, return_tensors="pt")
        length = read["input_ids"].shape[1]
        if length > self.longest:
            raise _unfit(
                f"a model that can read {length} tokens, the longest pair of answers", f"{self.longest} tokens"
            )
        logits = self.model(**read.to(self.model.device)).logits
        return [int(label) == self.label for label in logits.argmax(dim=-1)]


def _unfit(wanted: str, got: str) -> UserError:
    return expected("`samples.nli_model`", wanted, got, _WAY_OUT)
