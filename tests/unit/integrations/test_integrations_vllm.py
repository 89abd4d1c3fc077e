"""The plugin in a server with an engine of vLLM's signatures, which computes with transformers and writes its files.

What vLLM's documentation says is what the stand-in does: states of the layers that it was started to keep, before the
final norm, of all tokens but the last, in a file beside a lock, whose path comes with the last output.
"""

import asyncio
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.core.errors import UserError
from ccps.integrations import vllm as plugin
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.scorer.elsewhere import Elsewhere
from tests.unit.engines.conftest import CompletionOutput, Logprob, TokensPrompt, one_by_one

ROOT = Path(__file__).parents[3]
TEXTS = [f"What is {place} times {place}?" for place in range(40)]
CHOICES = [{"text": text, "options": [str(place * place), "7", "x"]} for place, text in enumerate(TEXTS)]
LAYERS = 2


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int = 16
    ignore_eos: bool = False
    stop_token_ids: list[int] = field(default_factory=list)
    logprobs: int | None = None
    extra_args: dict[str, Any] | None = None


@dataclass
class Engine:
    """As far as `EngineClient` is used."""

    lm: LanguageModel
    folder: Path
    layers: list[int]
    heeds: bool = True
    says_where: bool = True

    @property
    def vllm_config(self) -> Any:
        draft = SimpleNamespace(hf_config=SimpleNamespace(eagle_aux_hidden_state_layer_ids=self.layers))
        return SimpleNamespace(
            kv_transfer_config=SimpleNamespace(kv_connector="ExampleHiddenStatesConnector"),
            speculative_config=SimpleNamespace(method="extract_hidden_states", draft_model_config=draft),
        )

    async def generate(
        self, prompt: TokensPrompt, sampling_params: SamplingParams, request_id: str
    ) -> AsyncIterator[Any]:
        ids, params = prompt["prompt_token_ids"], sampling_params
        assert params.temperature == 0
        assert params.ignore_eos
        steps = one_by_one(self.lm.model, ids, params.max_tokens, params.stop_token_ids, None)
        tokens = [step.token for step in steps]
        yield SimpleNamespace(outputs=[], kv_transfer_params=None)
        include = (params.extra_args or {})["kv_transfer_params"]["include_output_tokens"] and self.heeds
        path = self.folder / f"{request_id}.safetensors"
        self._write(path, [*ids, *tokens][:-1] if include else ids)
        reason = "stop" if tokens[-1] in params.stop_token_ids else "length"
        log_probs = [{step.token: Logprob(step.log_prob)} for step in steps]
        yield SimpleNamespace(
            outputs=[CompletionOutput(tokens, log_probs, reason)],
            kv_transfer_params={"hidden_states_path": str(path)} if self.says_where else None,
        )

    @torch.inference_mode()
    def _write(self, path: Path, read: list[int]) -> None:
        caught: list[Any] = []
        decoder = self.lm.model.get_decoder()
        hook = decoder.layers[-1].register_forward_hook(lambda _, __, output: caught.append(output))
        whole = decoder(input_ids=torch.tensor([read]), use_cache=False, output_hidden_states=True)
        hook.remove()
        last = caught[0] if isinstance(caught[0], torch.Tensor) else caught[0][0]
        between = {place: states[0] for place, states in enumerate(whole.hidden_states)} | {LAYERS: last[0]}
        states = torch.stack([between[layer] for layer in self.layers], dim=1)
        path.with_name(f"{path.name}.lock").touch()
        save_file({"hidden_states": states.contiguous(), "token_ids": torch.tensor(read)}, path)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_hidden_states(path: str) -> dict[str, torch.Tensor]:
        Path(f"{path}.lock").read_bytes()
        return load_file(path)

    modules = {"vllm": {"SamplingParams": SamplingParams, "TokensPrompt": TokensPrompt}}
    for module, content in (modules | {plugin._FILES: {"load_hidden_states": load_hidden_states}}).items():
        made = ModuleType(module)
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, module, made)


@pytest.fixture(scope="module")
def model(tiny_config: Callable[..., ModelConfig]) -> ModelConfig:
    return tiny_config("llama", max_position_embeddings=1024)


@pytest.fixture(scope="module")
def saved(model: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a scorer of each format; right are, with noise, the answers of which the model is surer."""
    folder = tmp_path_factory.mktemp("scorers")
    for name, asked in (("oe", TEXTS), ("mc", CHOICES)):
        manner = Manner(choice="letters", max_new_tokens=6)
        scorer = ConfidenceScorer(model, manner=manner)
        p = scorer.fit(asked, correct=[0, 1] * 20, method="answer_probability").predict_proba(asked)
        right = p > np.median(p)
        right[::8] = ~right[::8]
        scorer.fit(asked, correct=right.astype(int), method="ccps_logistic").save(folder / name)
    return {name: folder / name for name in ("oe", "mc")}


@pytest.fixture
def serving(
    model: ModelConfig, saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TestClient]]:
    """vLLM's server as far as the plugin sees it: routes first, then its state."""
    weights = load_model(find_model("written", model))

    def start(format: str = "oe", lm: LanguageModel = weights, **engine: Any) -> TestClient:
        monkeypatch.setenv(plugin.SCORER, str(saved[format]))
        app, made = FastAPI(), plugin.Plugin()
        made.attach_router(app)
        held = Engine(lm, tmp_path, **{"layers": [1, LAYERS], **engine})
        asyncio.run(made.init_state(held, app.state, SimpleNamespace()))  # type: ignore[arg-type]
        return TestClient(app)

    yield start
    assert not list(tmp_path.iterdir()), "files of states are left"


def chat(question: str = TEXTS[3], **body: Any) -> dict[str, Any]:
    return {"model": "any", "messages": [{"role": "user", "content": question}], **body}


def test_an_answer_has_the_confidence_that_the_scorer_would_give_it(
    serving: Callable[..., TestClient], saved: dict[str, Path]
) -> None:
    scorer, client = ConfidenceScorer.load(saved["oe"]), serving()
    found = []
    for text in TEXTS[:4]:
        [scored] = scorer.score([[{"role": "user", "content": text}]])
        reply = client.post(f"{plugin.PREFIX}/chat/completions", json=chat(text, say=True))
        assert reply.status_code == 200, reply.text
        [choice] = reply.json()["choices"]
        assert choice["message"]["content"] == scored.answer
        assert choice["finish_reason"] == ("length" if scored.is_cut else "stop")
        assert choice["confidence"]["p_correct"] == pytest.approx(scored.p_correct, abs=1e-5)
        assert choice["confidence"]["method"] == "ccps_logistic"
        found.append(scored.p_correct)
    assert max(found) - min(found) > 1e-3, "a scorer that says one thing of all answers shows nothing"
    [scored] = scorer.score([TEXTS[5]], max_new_tokens=2)
    body = {"model": "any", "prompt": TEXTS[5], "max_tokens": 2}
    [choice] = client.post(f"{plugin.PREFIX}/completions", json=body).json()["choices"]
    assert choice["text"] == scored.answer
    assert choice["confidence"]["p_correct"] == pytest.approx(scored.p_correct, abs=1e-5)


def test_of_options_the_likeliest_letter_is_taken(serving: Callable[..., TestClient], saved: dict[str, Path]) -> None:
    scorer, client = ConfidenceScorer.load(saved["mc"]), serving("mc")
    for place in (3, 8):
        [scored] = scorer.score([CHOICES[place]])
        body = chat(TEXTS[place], options=CHOICES[place]["options"])
        [choice] = client.post(f"{plugin.PREFIX}/chat/completions", json=body).json()["choices"]
        assert choice["message"]["content"] == scored.answer
        assert choice["finish_reason"] == "stop"
        assert choice["confidence"]["p_correct"] == pytest.approx(scored.p_correct, abs=1e-5)


def test_another_model_behind_vllm_is_found_out(
    serving: Callable[..., TestClient], tiny_config: Callable[..., ModelConfig]
) -> None:
    other = load_model(find_model("other", tiny_config("llama", seed=1, max_position_embeddings=1024)))
    reply = serving(lm=other).post(f"{plugin.PREFIX}/chat/completions", json=chat())
    assert reply.status_code == 502
    assert "It serves another model" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("engine", "words"),
    [({"heeds": False}, "of prompt and answer, but got those of"), ({"says_where": False}, "but got nothing")],
)
def test_states_that_do_not_come_are_told(
    serving: Callable[..., TestClient], tmp_path: Path, engine: dict[str, bool], words: str
) -> None:
    reply = serving(**engine).post(f"{plugin.PREFIX}/chat/completions", json=chat())
    assert reply.status_code == 502
    assert words in reply.json()["error"]["message"]
    for file in tmp_path.iterdir():  # of the engine that did not say where
        file.unlink()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (chat(stream=True), "`stream`"),
        (chat(temperature=0.7), "`temperature`"),
        (chat(n=2), "`n`"),
        (chat(options=["3", "4"]), "without options"),
        (chat("x " * 600), "at most 1024 tokens"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    serving: Callable[..., TestClient], body: dict[str, Any], words: str
) -> None:
    reply = serving().post(f"{plugin.PREFIX}/chat/completions", json=body)
    assert reply.status_code == 400
    assert words in reply.json()["error"]["message"]


def test_a_server_without_an_engine_says_so() -> None:
    app = FastAPI()
    plugin.Plugin().attach_router(app)
    assert TestClient(app).post(f"{plugin.PREFIX}/chat/completions", json=chat()).status_code == 503


def test_a_server_that_keeps_other_states_is_not_started(serving: Callable[..., TestClient]) -> None:
    with pytest.raises(UserError, match=r"states of layer 2, the last, but got .* the layers \[0, 1\]"):
        serving(layers=[0, 1])
    none = SimpleNamespace(kv_transfer_config=None, speculative_config=None)
    with pytest.raises(UserError, match="the connector None, the method None and the layers"):
        plugin.place_of_states(none, LAYERS)


def test_a_scorer_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(plugin.SCORER, raising=False)
    state: Any = SimpleNamespace()
    with pytest.raises(UserError, match="CCPS_VLLM_SCORER"):
        asyncio.run(plugin.Plugin().init_state(None, state, state))


def test_a_method_that_reads_on_is_refused(model: ModelConfig) -> None:
    scorer = ConfidenceScorer(model).fit(TEXTS, correct=[0, 1] * 20, method="p_true")
    with pytest.raises(UserError, match="`p_true`, which has the model read on"):
        Elsewhere(scorer)


def test_vllm_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [(name, place)] = project["entry-points"]["vllm.endpoint_plugins"].items()
    module, _, attribute = place.partition(":")
    made = getattr(import_module(module), attribute)()
    # What the protocol of vLLM's endpoint plugins asks for.
    assert (name, made.name) == ("ccps", "ccps")
    assert made.required_tasks == ("generate",)
    assert callable(made.attach_router)
    assert asyncio.iscoroutinefunction(made.init_state)
