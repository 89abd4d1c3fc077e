"""vLLM as an engine. It is an extra (`pip install 'ccps[vllm]'`) and imported only when an answer is to be written."""

import os
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Any

from ccps.core.errors import UserError, expected
from ccps.engines.engine import Continuation, Drawing
from ccps.llm import LanguageModel


class VllmEngine:
    """Writes with vLLM, from the same checkpoint and in the same dtype as the model.

    Nothing of the checkpoint's sampling settings applies, and the turn ends with the model's own end tokens.

    Args:
        lm: the model.
        gpu_memory_utilization: share of the GPU's memory that it may take.

    Raises:
        UserError: the model has no checkpoint, or vLLM cannot load it.
    """

    name = "vllm"

    def __init__(self, lm: LanguageModel, gpu_memory_utilization: float) -> None:
        folder = lm.files.folder
        if folder is None:
            raise expected(f"model `{lm.files.name}`", "a checkpoint", "random weights", "Set engine=transformers.")
        # In one process requests are scheduled in the same order in every run.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        self._end_tokens = lm.end_tokens
        try:
            self._vllm: Any = import_module("vllm")
            self._llm = self._vllm.LLM(
                model=str(folder),
                dtype=lm.files.config.dtype,
                seed=0,
                gpu_memory_utilization=gpu_memory_utilization,
                max_model_len=-1,  # as much of the context window as there is memory for
                enable_prefix_caching=True,
                generation_config="vllm",
                logprobs_mode="raw_logprobs",
            )
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise _refusal(f"load model `{lm.files.name}` from {folder}", error) from error

    def write(self, prompts: Sequence[Sequence[int]], limit: int, drawing: Drawing | None = None) -> list[Continuation]:
        """Continue each prompt, see `ccps.engines.Engine`.

        Raises:
            UserError: vLLM has no room for a prompt, or stops for another reason than the limit or an end token.
        """
        try:
            outputs = self._llm.generate(
                [self._vllm.TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts],
                [self._settings(limit, drawing, index) for index in range(len(prompts))],
                use_tqdm=False,
            )
        except ValueError as error:
            raise _refusal("write", error) from error
        return [continuation_of(output.outputs[0], limit, self._end_tokens) for output in outputs]

    def _settings(self, limit: int, drawing: Drawing | None, index: int) -> Any:
        choice = (
            {"temperature": 0.0}
            if drawing is None
            else {"temperature": drawing.temperature, "top_p": drawing.top_p, "seed": drawing.seeds[index]}
        )
        return self._vllm.SamplingParams(
            max_tokens=limit,
            ignore_eos=True,  # that of the tokenizer: only those named here end a turn
            stop_token_ids=list(self._end_tokens),
            logprobs=0,  # of the chosen token alone
            detokenize=False,
            **choice,
        )

    def close(self) -> None:
        """Free its memory."""
        del self._llm
        import_module("vllm.distributed").cleanup_dist_env_and_memory()


def continuation_of(completion: Any, limit: int, end_tokens: Collection[int]) -> Continuation:
    """A `CompletionOutput` of vLLM, with a log-probability for each token, as what an engine gives.

    Raises:
        UserError: it stopped before the limit without one of these tokens.
    """
    tokens = list(completion.token_ids)
    log_probs = [place[token].logprob for place, token in zip(completion.logprobs, tokens, strict=True)]
    ended = bool(tokens) and tokens[-1] in end_tokens
    reason = completion.finish_reason
    if reason != ("stop" if ended else "length") or not (ended or len(tokens) == limit):
        raise _refusal("write", f"it stopped after {len(tokens)} of {limit} tokens, and called that {reason!r}")
    return Continuation(tokens[:-1] if ended else tokens, log_probs, ended)


def _refusal(what: str, reason: object) -> UserError:
    return UserError(
        f"vLLM cannot {what}: {reason}. If memory is short, change engine.gpu_memory_utilization, the share of the GPU "
        "that it takes beside the model itself; otherwise set engine=transformers."
    )
