"""How answers are graded: the schema behind `conf/grader/*.yaml`.

The dataclasses are not frozen: OmegaConf makes frozen ones read-only, which would refuse every override.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from omegaconf import MISSING

from ccps.core.errors import UserError, expected

_CHANGE = "Change it in its file under conf or on the command line."


@dataclass
class JudgeConfig:
    """A language model behind an OpenAI-compatible endpoint."""

    base_url: str | None = None
    """Where the endpoint is, up to and with /v1. It is written into run.json and must hold no password and no key."""
    model: str | None = None
    """What the endpoint calls the model."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself stands in no setting."""
    concurrency: int = 8
    """Requests under way at once."""
    timeout_s: float = 30.0
    """Seconds of silence after which a request has timed out; a reply that trickles in may take longer."""
    retries: int = 5
    """How often a request that timed out, was turned away (429) or met a fault of the server is sent again."""
    temperature: float | None = 0.0
    """Of the judge's sampling; null sends none, for models that take no temperature."""
    max_tokens: int | None = 16
    """The longest reply, thinking included; null sends no limit, for models that think before they reply."""
    price_prompt: float | None = None
    """USD per million prompt tokens; null where the cost is not to be reckoned."""
    price_completion: float | None = None
    """USD per million tokens of replies."""


@dataclass
class GraderConfig:
    """One way of telling right answers from wrong ones."""

    name: str = MISSING
    """Which one, a name in `ccps.grading.GRADERS`."""
    threshold: float = 0.5
    """`f1` only: the token F1 from which on an answer is right."""
    judge: JudgeConfig | None = None
    """`llm_judge` only: whom to ask."""


def setting_faults(config: GraderConfig) -> Iterator[UserError]:
    """Everything wrong with the settings of a grader whose name is known."""
    if config.name == "f1" and not 0 < config.threshold <= 1:
        yield expected("`threshold`", "above 0 and at most 1", config.threshold, _CHANGE)
    if config.name != "f1" and config.threshold != GraderConfig.threshold:
        yield expected("`threshold`", f"left out for {config.name}", config.threshold, "Remove it.")
    if config.name == "llm_judge" and config.judge is None:
        yield expected("`judge`", "given for llm_judge", None, "See conf/grader/llm_judge.yaml.")
    if config.name != "llm_judge" and config.judge is not None:
        yield expected("`judge`", f"left out for {config.name}", "settings of a judge", "Remove it.")
    if config.judge is not None:
        yield from _endpoint_faults(config.judge)
        yield from _number_faults(config.judge)


def _endpoint_faults(judge: JudgeConfig) -> Iterator[UserError]:
    if not judge.base_url:
        way_out = "Set the environment variable CCPS_JUDGE_BASE_URL, to https://api.openai.com/v1 for instance."
        yield expected("`judge.base_url`", "the address of an OpenAI-compatible endpoint", judge.base_url, way_out)
    elif problem := _address_problem(judge.base_url):
        # The address itself is not repeated: it may hold a password.
        yield expected("`judge.base_url`", "an address such as https://api.openai.com/v1", problem, _CHANGE)
    if not judge.model:
        way_out = "Set the environment variable CCPS_JUDGE_MODEL."
        yield expected("`judge.model`", "the name of a model at that endpoint", judge.model, way_out)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", judge.key_variable):
        way_out = "Put the key into the environment and its variable's name here."
        yield expected("`judge.key_variable`", "the name of an environment variable", "something else", way_out)


def _address_problem(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        return f"an address that cannot be read ({error})"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "one without http:// or https:// and a host"
    if "@" in parts.netloc:
        return "one with a user name or password, which would be written into run.json"
    if parts.query or parts.fragment:
        return "one with a query, which would be written into run.json"
    return None


def _number_faults(judge: JudgeConfig) -> Iterator[UserError]:
    if judge.concurrency < 1:
        yield expected("`judge.concurrency`", "1 or more", judge.concurrency, _CHANGE)
    if not 0 < judge.timeout_s < math.inf:
        yield expected("`judge.timeout_s`", "above 0 and finite", judge.timeout_s, _CHANGE)
    if judge.retries < 0:
        yield expected("`judge.retries`", "0 or more", judge.retries, _CHANGE)
    if judge.temperature is not None and not 0 <= judge.temperature < math.inf:
        yield expected("`judge.temperature`", "0 or more, or null", judge.temperature, _CHANGE)
    if judge.max_tokens is not None and judge.max_tokens < 1:
        yield expected("`judge.max_tokens`", "1 or more, or null", judge.max_tokens, _CHANGE)
    prices = {"price_prompt": judge.price_prompt, "price_completion": judge.price_completion}
    for name, price in prices.items():
        if price is not None and not 0 <= price < math.inf:
            yield expected(f"`judge.{name}`", "0 or more, or null", price, _CHANGE)
    if (judge.price_prompt is None) != (judge.price_completion is None):
        way_out = "Give both, or neither for no cost."
        yield expected("`judge.price_prompt` and `judge.price_completion`", "both given", "one of them", way_out)


def endpoint(base_url: str) -> str:
    """Host, port and path of an address, which say what a cached verdict came from."""
    parts: SplitResult = urlsplit(base_url)
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}"


def judging_cost(config: JudgeConfig, prompt_tokens: float, completion_tokens: float) -> float | None:
    """What tokens cost in USD; None where no prices are set."""
    if config.price_prompt is None or config.price_completion is None:
        return None
    return (prompt_tokens * config.price_prompt + completion_tokens * config.price_completion) / 1e6
