"""A module with the call signatures of vLLM, and an engine that needs none; both compute with transformers."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any, NamedTuple, TypedDict

import pytest
import torch

from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.engines import Continuation, Drawing
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model, prompt_ids

TEXTS = ("Who?", "What is the longest river of the continent?", "Why is that so?", "How many?", "Where to, then?")


class Step(NamedTuple):
    token: int
    log_prob: float


@torch.inference_mode()
def one_by_one(
    model: Any, prompt: Sequence[int], limit: int, end_tokens: Sequence[int], drawing: tuple[float, float, int] | None
) -> list[Step]:
    """Continue a prompt the slow way: the whole text through the model for each token, the last one included."""
    generator = torch.Generator().manual_seed(drawing[2] if drawing else 0)
    steps: list[Step] = []
    while len(steps) < limit and not (steps and steps[-1].token in end_tokens):
        ids = torch.tensor([[*prompt, *(step.token for step in steps)]])
        logits = model(input_ids=ids, use_cache=False).logits[0, -1].float()
        if drawing is None:
            token = int(logits.argmax())
        else:
            temperature, top_p, _ = drawing
            falling, order = (logits / temperature).softmax(0).sort(descending=True)
            nucleus = falling * (falling.cumsum(0) - falling < top_p)
            token = int(order[torch.multinomial(nucleus, 1, generator=generator)])
        steps.append(Step(token, float(logits.log_softmax(0)[token])))
    return steps


@dataclass
class WrappedModel:
    """An engine that is the model itself, one token at a time; `lie` changes the log-probabilities it reports."""

    lm: LanguageModel
    lie: Callable[[list[float]], list[float]] = list
    name: str = "wrapped"
    calls: list[tuple[int, Drawing | None]] = field(default_factory=list)
    closed: bool = False

    def write(self, prompts: Sequence[Sequence[int]], limit: int, drawing: Drawing | None = None) -> list[Continuation]:
        self.calls.append((len(prompts), drawing))
        return [self._one(prompt, limit, drawing, index) for index, prompt in enumerate(prompts)]

    def _one(self, prompt: Sequence[int], limit: int, drawing: Drawing | None, index: int) -> Continuation:
        how = drawing and (drawing.temperature, drawing.top_p, drawing.seeds[index])
        steps = one_by_one(self.lm.model, prompt, limit, self.lm.end_tokens, how)
        tokens = [step.token for step in steps]
        ended = tokens[-1] in self.lm.end_tokens
        return Continuation(tokens[:-1] if ended else tokens, self.lie([step.log_prob for step in steps]), ended)

    def close(self) -> None:
        self.closed = True


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    logprobs: int | None = None
    detokenize: bool = True


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class Logprob:
    logprob: float


@dataclass
class CompletionOutput:
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]


class LLM:
    """`vllm.LLM` as far as it is used; what it was called with is kept, and memory can be made to be short."""

    made: list["LLM"] = []  # noqa: RUF012
    fails: Exception | None = None
    room: int | None = None

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        seed: int = 0,
        gpu_memory_utilization: float = 0.92,
        max_model_len: int | None = None,
        enable_prefix_caching: bool | None = None,
        generation_config: str = "auto",
        logprobs_mode: str = "raw_logprobs",
    ) -> None:
        self.arguments = {name: value for name, value in locals().items() if name != "self"}
        if self.fails is not None:
            raise self.fails
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        self.eos = AutoTokenizer.from_pretrained(model).eos_token_id
        self.asked: list[SamplingParams] = []
        LLM.made.append(self)

    def generate(
        self, prompts: Sequence[TokensPrompt], sampling_params: Sequence[SamplingParams], *, use_tqdm: bool = True
    ) -> list[RequestOutput]:
        assert not use_tqdm
        self.asked += sampling_params
        return [
            RequestOutput([self._complete(prompt["prompt_token_ids"], params)])
            for prompt, params in zip(prompts, sampling_params, strict=True)
        ]

    def _complete(self, prompt: list[int], params: SamplingParams) -> CompletionOutput:
        assert params.max_tokens is not None
        room = params.max_tokens if self.room is None else self.room - len(prompt)
        if room < 1:
            raise ValueError(
                f"The prompt (length {len(prompt)}) is longer than the maximum model length of {self.room}"
            )
        stops = [*(params.stop_token_ids or []), *([] if params.ignore_eos else [self.eos])]
        how = None if params.temperature == 0 else (params.temperature, params.top_p, params.seed or 0)
        steps = one_by_one(self.model, prompt, min(room, params.max_tokens), stops, how)
        return CompletionOutput(
            [step.token for step in steps],
            None if params.logprobs is None else [{step.token: Logprob(step.log_prob)} for step in steps],
            "stop" if steps[-1].token in stops else "length",
        )


class Installation:
    """The vLLM that seems to be installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.cleaned = 0

    def put(self, version: str | None, *, gpu: bool) -> None:
        real = metadata.version

        def known(package: str) -> str:
            if package != "vllm":
                return real(package)
            if version is None:
                raise metadata.PackageNotFoundError(package)
            return version

        self.monkeypatch.setattr(metadata, "version", known)
        self.monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    def clean(self) -> None:
        self.cleaned += 1


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """A vLLM of version 0.30.1 beside a GPU; `put` changes either."""
    installation = Installation(monkeypatch)
    installation.put("0.30.1", gpu=True)
    vllm, distributed = ModuleType("vllm"), ModuleType("vllm.distributed")
    vllm.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, TokensPrompt=TokensPrompt)
    distributed.__dict__.update(cleanup_dist_env_and_memory=installation.clean)
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.distributed", distributed)
    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING", raising=False)
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    yield installation
    LLM.made.clear()


@pytest.fixture(scope="session")
def checkpoint(tiny_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny model that lies in a folder, as vLLM wants it."""
    random = load_model(find_model("tiny", tiny_config("llama")))
    folder = tmp_path_factory.mktemp("checkpoint")
    random.model.save_pretrained(folder)
    random.tokenizer.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCPS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_model(find_model("tiny", ModelConfig(source="folder", location=str(folder), dtype="float32")))


@pytest.fixture(scope="session")
def wrapped() -> type[WrappedModel]:
    return WrappedModel


@pytest.fixture(scope="session")
def asked(checkpoint: LanguageModel) -> list[list[int]]:
    """Prompts of open-ended questions."""
    questions = [Question(f"q{i}", "s", text, (), ("x",), "test", "s") for i, text in enumerate(TEXTS)]
    return [prompt_ids(checkpoint.tokenizer, chat_messages(question)) for question in questions]
