"""The front door for practitioners: a calibrated confidence with each answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.errors import expected
from ccps.llm import (
    LanguageModel,
    ModelConfig,
    ModelFiles,
    Passage,
    check_context_window,
    choose_tokens,
    find_model,
    load_model,
    prompt_ids,
    read_in_batches,
)
from ccps.perturbation import stability_features
from ccps.probes import FittedProbe

_SETTINGS = "scorer.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Confidence:
    """How probable it is that an answer is correct.

    Attributes:
        question_id: id of the question.
        answer: the answer that was judged.
        p_correct: P(the answer is correct), in [0, 1]; higher means more confident.
        source: what said so.
    """

    question_id: str
    answer: str
    p_correct: float
    source: str = "CCPS probe"


@dataclass(frozen=True)
class ScorerSettings:
    """What a scorer needs beside its probe.

    Attributes:
        model_name: name of the language model.
        model: where its weights lie.
        fingerprint: hash of the weights the probe was fitted on.
        radius: largest perturbation radius.
        steps: perturbation steps.
        method: how the model answers, `greedy` or `letters`, see `ccps.llm.choose_tokens`.
        prompt: `strict` or `parity`, see `ccps.llm.prompt_ids`.
        max_batch_tokens: rows times width of a batch.
    """

    model_name: str
    model: ModelConfig
    fingerprint: str
    radius: float
    steps: int
    method: str = "greedy"
    prompt: str = "strict"
    max_batch_tokens: int = 1024


class ConfidenceScorer:
    """Asks a language model and says how probable it is that each answer is correct (CCPS, arXiv 2505.21772).

    >>> scorer = ConfidenceScorer.load("outputs/embedded/scorers/qwen25_coder_1b5")  # doctest: +SKIP
    >>> question = {"text": "What is 7 × 8?", "options": ["54", "56", "63", "48"]}  # doctest: +SKIP
    >>> scorer.score([question])  # doctest: +SKIP
    [Confidence(question_id='0', answer='b', p_correct=0.83, source='CCPS probe')]

    Args:
        probe: the fitted probe.
        settings: the model it belongs to, and how that is asked and perturbed.
        device: where the model runs: `auto`, `cpu`, `cuda`, ….
    """

    def __init__(self, probe: FittedProbe, settings: ScorerSettings, device: str = "auto") -> None:
        self.probe = probe
        self.settings = settings
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device

    @classmethod
    def load(cls, path_or_repo: str | Path, device: str = "auto") -> "ConfidenceScorer":
        """Load a scorer from a folder that `save` wrote, or from a hub repository that holds one.

        Raises:
            UserError: there is no scorer there, or its files are broken.
        """
        folder = Path(path_or_repo).expanduser()
        if not folder.is_dir():
            folder = _from_hub(str(path_or_repo))
        try:
            stored = json.loads((folder / _SETTINGS).read_text())
            if stored.pop("format_version") != _FORMAT_VERSION:
                raise ValueError(f"its format version is not {_FORMAT_VERSION}")
            settings = ScorerSettings(**{**stored, "model": ModelConfig(**stored["model"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise expected(
                f"`{folder / _SETTINGS}`",
                "the settings of a scorer",
                f"{type(error).__name__}: {error}",
                "Give a folder that `ConfidenceScorer.save` wrote, or run the main job, which writes one.",
            ) from error
        return cls(FittedProbe.load(folder), settings, device)

    def save(self, path: str | Path) -> None:
        """Write `probe.safetensors`, `probe.json` and `scorer.json` into a folder; no weights of the LLM."""
        folder = Path(path).expanduser()
        self.probe.save(folder)
        stored = {"format_version": _FORMAT_VERSION, **asdict(self.settings)}
        (folder / _SETTINGS).write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")

    def score(
        self, questions: Sequence[Question | Mapping[str, Any]], answers: Sequence[str] | None = None
    ) -> list[Confidence]:
        """Answer questions, or take answers as given, and say how probable it is that each is correct.

        Args:
            questions: multiple choice, as `Question` or as mappings with `text` and `options` (and `id` if wanted).
            answers: an answer per question (its option letter); without them the model answers, with one
                token each.

        Returns:
            One confidence per question, in their order.

        Raises:
            UserError: a question has no text or options, an answer is empty, numbers do not fit, a prompt is longer
                than the context window, or the model is not the one the probe was fitted on.
        """
        asked = [_question(item, index) for index, item in enumerate(questions)]
        if not asked:
            return []
        lm = self._model
        prompts = [self._prompt(lm, question) for question in asked]
        given = _answer_tokens(lm, asked, answers)
        passages = [Passage(prompt, answer) for prompt, answer in zip(prompts, given, strict=True)]
        check_context_window(lm, [question.id for question in asked], passages)
        states, tokens = self._last_states(lm, passages, [len(question.options) for question in asked])
        features = stability_features(
            states,
            self._weight,
            tokens,
            radius=self.settings.radius,
            steps=self.settings.steps,
            bias=lm.head.bias,
        )
        p_correct = self.probe.predict(features.numpy())
        texts = answers or [lm.tokenizer.decode([token], skip_special_tokens=True).strip() for token in tokens.tolist()]
        return [
            Confidence(question.id, text, float(p))
            for question, text, p in zip(asked, texts, np.asarray(p_correct), strict=True)
        ]

    @cached_property
    def _model(self) -> LanguageModel:
        files: ModelFiles = find_model(self.settings.model_name, self.settings.model)
        if files.fingerprint != self.settings.fingerprint:
            raise expected(
                f"model `{self.settings.model_name}`",
                f"the one the probe was fitted on ({self.settings.fingerprint})",
                f"other weights, tokenizer or settings ({files.fingerprint})",
                "Point the scorer at the same model, or fit a probe for this one.",
            )
        return load_model(files, self._device)

    @cached_property
    def _weight(self) -> torch.Tensor:
        return self._model.head.weight.float()

    def _prompt(self, lm: LanguageModel, question: Question) -> list[int]:
        messages = chat_messages(question, system_role=self.settings.model.system_role)  # type: ignore[arg-type]
        return prompt_ids(lm.tokenizer, messages, self.settings.prompt)  # type: ignore[arg-type]

    def _last_states(
        self, lm: LanguageModel, passages: Sequence[Passage], n_options: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Final state and id of each answer's last token: `[questions, d]` and `[questions]`."""
        states: dict[int, torch.Tensor] = {}
        tokens: dict[int, int] = {}
        for batch, found in read_in_batches(lm, passages, self.settings.max_batch_tokens):
            last = torch.stack([state[-1] for state in found])
            own = choose_tokens(lm, lm.own_logits(last), [n_options[i] for i in batch], self.settings.method)  # type: ignore[arg-type]
            for row, index in enumerate(batch):
                answer = passages[index].answer
                states[index] = last[row].cpu()
                tokens[index] = answer[-1] if answer else own[row]
        order = range(len(passages))
        return torch.stack([states[i] for i in order]), torch.tensor([tokens[i] for i in order])


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not to be had"
        raise expected(
            "`path_or_repo`",
            "a folder with a scorer, or a hub repository that can be reached",
            repr(repository),
            "Run the main job, which writes scorers into outputs/<experiment>/scorers.",
        ) from error


def _question(item: Question | Mapping[str, Any], index: int) -> Question:
    if isinstance(item, Question):
        question = item
    else:
        listed = item.get("options", ())
        options = (listed,) if isinstance(listed, str) else tuple(str(option) for option in listed)
        question = Question(
            id=str(item.get("id", index)),
            subject="",
            text=str(item.get("text", "")),
            options=options,
            accepted=(),
            split="",
            source="",
        )
    if not question.text.strip():
        raise expected(f"question {question.id!r}", "one with a `text`", "none", "Give every question its text.")
    if not 2 <= len(question.options) <= 26:
        raise expected(
            f"`options` of question {question.id!r}", "a list of 2 to 26 texts", len(question.options), "Correct them."
        )
    return question


def _answer_tokens(lm: LanguageModel, questions: Sequence[Question], answers: Sequence[str] | None) -> list[list[int]]:
    if answers is None:
        return [[] for _ in questions]
    if len(answers) != len(questions):
        raise expected("`answers`", f"{len(questions)} texts, one per question", len(answers), "Give one for each.")
    empty = [question.id for question, answer in zip(questions, answers, strict=True) if not answer.strip()]
    if empty:
        raise expected(
            "every answer",
            "a text that is not empty",
            f"nothing for question {', '.join(map(repr, empty[:5]))}",
            "Leave these questions out.",
        )
    return [list(lm.tokenizer(answer.strip(), add_special_tokens=False)["input_ids"]) for answer in answers]
