"""How answers are graded: `conf/grader/*.yaml`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ccps.core.fields import MISSING, setting
from ccps.core.settings import Fault, fault


@dataclass
class JudgeConfig:
    """A language model behind an OpenAI-compatible endpoint."""

    base_url: str | None = setting(
        None,
        "where the endpoint is, up to and with /v1. It is written into run.json and must hold no password and no key",
    )
    model: str | None = setting(None, "what the endpoint calls the model")
    key_variable: str = setting(
        "OPENAI_API_KEY", "the environment variable that holds the key; the key itself stands in no setting"
    )
    concurrency: int = setting(8, "requests under way at once", at_least=1, at_most=10_000)
    timeout_s: float = setting(
        30.0,
        "seconds of silence after which a request has timed out",
        above=0,
        at_most=86_400,
    )
    total_s: float = setting(
        600.0, "seconds after which a reply or a refusal that trickles in is given up", above=0, at_most=86_400
    )
    retries: int = setting(
        5,
        "how often a request that timed out, was turned away (429) or met a fault of the server is sent again",
        at_least=0,
        at_most=1000,
    )
    temperature: float | None = setting(
        0.0, "of the judge's sampling; null sends none, for models that take no temperature", at_least=0, at_most=100
    )
    max_tokens: int | None = setting(
        16,
        "the longest reply, thinking included; null sends no limit, for models that think before they reply",
        at_least=1,
        at_most=1_000_000,
    )
    price_prompt: float | None = setting(
        None, "USD per million prompt tokens; null where the cost is not to be reckoned", at_least=0, at_most=1e6
    )
    price_completion: float | None = setting(None, "USD per million tokens of replies", at_least=0, at_most=1e6)

    def cross_faults(self) -> Iterator[Fault]:
        """What cannot be asked, and what does not go together."""
        if not self.base_url:
            way_out = "set the environment variable CCPS_JUDGE_BASE_URL, to https://api.openai.com/v1 for instance"
            yield fault("base_url", "the address of an OpenAI-compatible endpoint", self.base_url, way_out)
        elif problem := _address_problem(self.base_url):
            # The address itself is not repeated: it may hold a password.
            yield fault("base_url", "an address such as https://api.openai.com/v1", problem)
        if not self.model:
            way_out = "set the environment variable CCPS_JUDGE_MODEL"
            yield fault("model", "the name of a model at that endpoint", self.model, way_out)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_variable):
            way_out = "put the key into the environment and its variable's name here"
            yield fault("key_variable", "the name of an environment variable", "something else", way_out)
        if (self.price_prompt is None) != (self.price_completion is None):
            name, other = ("price_prompt", "price_completion")[:: 1 if self.price_prompt is None else -1]
            yield fault(name, f"given with `{other}`, or neither for no cost", "one of them")


@dataclass
class GraderConfig:
    """One way of telling right answers from wrong ones."""

    name: str = setting(MISSING, "which one, a name in `ccps.grading.GRADERS`")
    threshold: float = setting(0.5, "`f1` only: the token F1 from which on an answer is right", above=0, at_most=1)
    judge: JudgeConfig | None = setting(None, "`llm_judge` only: whom to ask")

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go with the grader."""
        if self.name != "f1" and self.threshold != GraderConfig.threshold:
            yield fault("threshold", f"left out for {self.name}", self.threshold)
        if self.name == "llm_judge" and self.judge is None:
            yield fault("judge", "given for llm_judge", "null", "see conf/grader/llm_judge.yaml")
        if self.name != "llm_judge" and self.judge is not None:
            yield fault("judge", f"left out for {self.name}", "settings of a judge")


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
