"""A scorer inside vLLM's own server: answers with a confidence, out of the pass that wrote them.

vLLM finds the plugin by the entry point `ccps` of the group `vllm.endpoint_plugins` if `VLLM_PLUGINS` names it. The
states of the tokens come through its connector of hidden states, as files; the final norm, the head and the methods are
the scorer's.
docs/vllm.md says how the server is started, and what of this vLLM promises.
"""

import asyncio
import os
import uuid
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from ccps.core.errors import UserError, expected
from ccps.engines import Continuation
from ccps.engines.vllm_engine import continuation_of
from ccps.scorer import ConfidenceScorer
from ccps.scorer.elsewhere import Elsewhere, OtherModelError, Wanted
from ccps.serve.judge import Judge
from ccps.serve.replies import Envelope, Kind, error
from ccps.serve.requests import ChatRequest, CompletionRequest

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "/plugins/ccps/v1"
SCORER, DEVICE = "CCPS_VLLM_SCORER", "CCPS_VLLM_DEVICE"
CONNECTOR = "ExampleHiddenStatesConnector"
_FILES = "vllm.distributed.kv_transfer.kv_connector.v1.example_hidden_states_connector"


class StatesError(UserError):
    """vLLM gave no states of the answer."""


class Plugin:
    """What `vllm.plugins.endpoint_plugins.interface.EndpointPlugin` asks for."""

    name = "ccps"
    required_tasks: tuple[str, ...] | None = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add both of OpenAI's endpoints under `/plugins/ccps/v1`."""

        @app.post(f"{PREFIX}/chat/completions")
        async def chat(request: ChatRequest, raw: Request) -> JSONResponse:
            return await _reply(raw, request, "chat.completion")

        @app.post(f"{PREFIX}/completions")
        async def completions(request: CompletionRequest, raw: Request) -> JSONResponse:
            return await _reply(raw, request, "text_completion")

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Load the scorer that `CCPS_VLLM_SCORER` names, beside the engine.

        Raises:
            UserError: there is none, it cannot be used so, or the server keeps no states of the last layer.
        """
        folder = os.environ.get(SCORER)
        if not folder:
            raise expected(f"the variable `{SCORER}`", "the folder of a scorer", "nothing", "Set it.")
        scorer = ConfidenceScorer.load(folder, device=os.environ.get(DEVICE, "cpu"))
        elsewhere = await asyncio.to_thread(Elsewhere, scorer)
        state.ccps = Answering(engine_client, elsewhere, place_of_states(engine_client.vllm_config, elsewhere.layer))


def place_of_states(config: Any, layer: int) -> int:
    """Where among the states that vLLM keeps those after the last layer stand.

    Args:
        config: its `VllmConfig`.
        layer: how many layers the model has.

    Raises:
        UserError: the server was not started so that it keeps them.
    """
    transfer, speculative = config.kv_transfer_config, config.speculative_config
    method = getattr(speculative, "method", None)
    draft = getattr(getattr(speculative, "draft_model_config", None), "hf_config", None)
    kept = list(getattr(draft, "eagle_aux_hidden_state_layer_ids", None) or [])
    connector = getattr(transfer, "kv_connector", None)
    if connector != CONNECTOR or method != "extract_hidden_states" or layer not in kept:
        raise expected(
            "vLLM",
            f"started with the connector `{CONNECTOR}` and the speculative method `extract_hidden_states`, which keeps "
            f"the states of layer {layer}, the last",
            f"the connector {connector!r}, the method {method!r} and the layers {kept}",
            "docs/vllm.md has the whole command.",
        )
    return kept.index(layer)


class Answering:
    """Has vLLM write an answer and the scorer judge it.

    Args:
        engine: vLLM's `EngineClient`.
        elsewhere: the scorer.
        place: where the states after the last layer stand among those that are kept.
    """

    def __init__(self, engine: Any, elsewhere: Elsewhere, place: int) -> None:
        self._engine, self._elsewhere, self._place = engine, elsewhere, place
        self._judge = Judge(elsewhere.scorer)
        self._vllm: Any = import_module("vllm")
        self._one_at_a_time = asyncio.Lock()  # the arithmetic of several would only share the same cores

    async def reply(self, request: ChatRequest | CompletionRequest, kind: Kind) -> dict[str, Any]:
        """The answer to a request, with its confidence.

        Raises:
            UserError: it asks for what cannot be honoured.
            StatesError: no states of the answer came.
            OtherModelError: vLLM computes another model than the scorer's.
        """
        request.check_single()
        request.check_greedy()
        if request.stream:
            raise expected("`stream`", "false", "true", "The states come when the answer is whole: leave it out.")
        wanted = self._elsewhere.wanted(request.question, request.limit)
        written, path = await self._written(wanted)
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._judged, wanted, written, path)
        confidence = self._judge.confidence(found, say=request.say)
        return Envelope(kind, self._judge.model).whole(found.answer, is_cut=found.is_cut, confidence=confidence)

    async def _written(self, wanted: Wanted) -> tuple[Continuation, str]:
        """What vLLM writes, and where its states lie."""
        settings = self._vllm.SamplingParams(
            temperature=0.0,
            max_tokens=wanted.limit,
            ignore_eos=True,  # that of the tokenizer: only those named here end an answer
            stop_token_ids=list(wanted.end_tokens),
            logprobs=0,  # of the chosen token alone
            extra_args={"kv_transfer_params": {"include_output_tokens": True}},
        )
        prompt = self._vllm.TokensPrompt(prompt_token_ids=wanted.prompt)
        last: Any = None
        async for output in self._engine.generate(prompt, settings, f"ccps-{uuid.uuid4().hex}"):
            last = output
        path = (getattr(last, "kv_transfer_params", None) or {}).get("hidden_states_path")
        if path is None:
            raise StatesError("Expected vLLM to say where the states of the answer lie, but got nothing.")
        return continuation_of(last.outputs[0], wanted.limit, wanted.end_tokens), path

    def _judged(self, wanted: Wanted, written: Continuation, path: str) -> Any:
        return self._elsewhere.judge(wanted, written, self._states(wanted, written, path))

    def _states(self, wanted: Wanted, written: Continuation, path: str) -> "Tensor":
        """The states before each written token, out of the file, which is then removed."""
        try:
            kept = import_module(_FILES).load_hidden_states(path)
        except OSError as fault:
            raise StatesError(f"Expected the states of the answer in {path}, but got: {fault}.") from fault
        finally:
            for file in (Path(path), Path(f"{path}.lock")):
                file.unlink(missing_ok=True)
        count = len(written.tokens) + written.ended
        # The last token is written and never read.
        read = [*wanted.prompt, *written.tokens][: len(wanted.prompt) + count - 1]
        if kept["token_ids"].tolist() != read:
            got = f"those of {len(kept['token_ids'])}"
            raise StatesError(f"Expected states of the {len(read)} tokens of prompt and answer, but got {got}.")
        states: Tensor = kept["hidden_states"][len(wanted.prompt) - 1 :, self._place]
        return states


async def _reply(raw: Request, request: ChatRequest | CompletionRequest, kind: Kind) -> JSONResponse:
    answering: Answering | None = getattr(raw.app.state, "ccps", None)
    if answering is None:
        return JSONResponse(error("This server has no engine.", "server_error", "no_engine"), 503)
    try:
        return JSONResponse(await answering.reply(request, kind))
    except (StatesError, OtherModelError) as fault:
        return JSONResponse(error(str(fault), "server_error", "no_confidence"), 502)
    except UserError as fault:
        return JSONResponse(error(str(fault), code="invalid_request"), 400)
