"""Where a judge is, and what it costs."""

from urllib.parse import SplitResult, urlsplit

from ccps.settings.grading import JudgeConfig


def endpoint(base_url: str) -> str:
    """Host, port and path of an address, which say what a cached verdict came from."""
    parts: SplitResult = urlsplit(base_url)
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}"


def judging_cost(config: JudgeConfig, prompt_tokens: float, completion_tokens: float) -> float | None:
    """What tokens cost in USD; None where no prices are set."""
    if config.price_prompt is None or config.price_completion is None:
        return None
    return (prompt_tokens * config.price_prompt + completion_tokens * config.price_completion) / 1e6
