"""What clients send: the parts of OpenAI's requests that a scorer can honour; what it cannot is refused."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ccps.core.errors import expected

_UNHEARD = ("tools", "functions", "tool_choice", "response_format", "logprobs", "top_logprobs", "logit_bias", "stop")
"""Parts of a request that would change the answer, or add to it, and that no scorer knows of."""
GREEDY = "the model answers with its likeliest tokens, as it did when its confidence was fitted"


class _Generated(BaseModel):
    """What requests for an answer have in common."""

    model_config = ConfigDict(extra="allow")
    model: str = ""
    stream: bool = False
    n: int = 1
    temperature: float | None = None
    top_p: float | None = None
    say: bool = False

    def check_single(self) -> None:
        """Refuse what would make an answer other than one text.

        Raises:
            UserError: it does.
        """
        if self.n != 1:
            raise expected("`n`", "1", self.n, "Ask once for each answer.")
        extra = self.model_extra or {}
        unheard = [name for name in _UNHEARD if extra.get(name) not in (None, False, [], {}, "none", "text")]
        if unheard:
            raise expected(f"`{unheard[0]}`", "left out", "given", "A scorer judges one text, and knows nothing of it.")

    def check_greedy(self) -> None:
        """Refuse what would make the model answer otherwise than it did when its confidence was fitted.

        Raises:
            UserError: it does.
        """
        for name, usual in (("temperature", 0), ("top_p", 1)):
            value = getattr(self, name)
            if value not in (None, usual):
                raise expected(f"`{name}`", f"{usual}", value, f"Leave it out: {GREEDY}.")


class ChatRequest(_Generated):
    """`POST /v1/chat/completions`. `options` (ours) makes it multiple choice; `say` (ours) asks for a sentence."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    options: list[str] | None = None

    @property
    def limit(self) -> int | None:
        """Most tokens of the answer, under either of its names."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def question(self) -> dict[str, Any]:
        """As a scorer reads it."""
        if self.options is None:
            return {"messages": self.messages}
        return {"text": self.messages[-1].get("content", ""), "options": self.options}


class CompletionRequest(_Generated):
    """`POST /v1/completions`: one prompt, put as a question."""

    prompt: str
    max_tokens: int | None = Field(None, ge=1)
    echo: Literal[False] = False

    @property
    def limit(self) -> int | None:
        """Most tokens of the answer."""
        return self.max_tokens

    @property
    def question(self) -> dict[str, Any]:
        """As a scorer reads it."""
        return {"text": self.prompt}


class ScoreItem(BaseModel):
    """A question and an answer to it: `prompt` (a text), or `messages`, with `options` where it is multiple choice."""

    model_config = ConfigDict(extra="forbid")
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    options: list[str] | None = None
    answer: str

    @model_validator(mode="after")
    def _has_one(self) -> "ScoreItem":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("Expected either `prompt` or `messages`, but got both or neither. Give one.")
        if self.messages is not None and self.options is not None:
            raise ValueError("Expected `options` beside a `prompt`, but got them beside `messages`.")
        return self

    @property
    def question(self) -> dict[str, Any]:
        """As a scorer reads it."""
        if self.messages is not None:
            return {"messages": self.messages}
        return {"text": self.prompt} | ({"options": self.options} if self.options is not None else {})


class ScoreRequest(BaseModel):
    """`POST /v1/score`: one item, or a list of them under `items`."""

    model_config = ConfigDict(extra="forbid")
    model: str = ""
    items: list[ScoreItem] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: Any) -> Any:
        if isinstance(value, dict) and "items" not in value:
            return {"model": value.get("model", ""), "items": [{k: v for k, v in value.items() if k != "model"}]}
        return value
