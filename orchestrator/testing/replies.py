"""What a scripted model can reply: answers, and everything that goes wrong with real servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion.

    Attributes:
        text: what the model says.
        finish_reason: `stop`, or `length` when it ran into its token limit.
        input_tokens: as the server counts them.
        output_tokens: as the server counts them; None counts the words of `text`.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 10
    output_tokens: int | None = None

    @property
    def usage(self) -> dict[str, int]:
        """The `usage` object of the response."""
        output = len(self.text.split()) if self.output_tokens is None else self.output_tokens
        total = self.input_tokens + output
        return {"prompt_tokens": self.input_tokens, "completion_tokens": output, "total_tokens": total}


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error. `retry_after` is the header's value in seconds."""

    status: int
    message: str
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class DroppedConnection:
    """The connection is closed without a response."""


@dataclass(frozen=True, slots=True)
class BrokenBody:
    """Status 200 with a body that is no JSON."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No response for `seconds`, or until the server is closed; then the connection is dropped."""

    seconds: float = 3600.0


Reply = Answer | Failure | DroppedConnection | BrokenBody | Hang


def answer(text: str, *, input_tokens: int = 10, output_tokens: int | None = None) -> Answer:
    """The model says `text`; a plain string in a script means the same."""
    return Answer(text, input_tokens=input_tokens, output_tokens=output_tokens)


def answer_json(value: Any, *, input_tokens: int = 10, output_tokens: int | None = None) -> Answer:
    """The model says `value` as JSON; a dict or list in a script means the same."""
    return Answer(json.dumps(value), input_tokens=input_tokens, output_tokens=output_tokens)


def truncated(text: str) -> Answer:
    """The model ran into its token limit after `text`."""
    return Answer(text, finish_reason="length")


def rate_limit(retry_after: float | None = None) -> Failure:
    """Status 429.

    Args:
        retry_after: the header's value in seconds; None leaves it out.
    """
    return Failure(429, "too many requests", "rate_limit_exceeded", retry_after)


def server_error(status: int = 500) -> Failure:
    """Status 500, or another one of the kind."""
    return Failure(status, "the server had an error", "server_error")


def dropped_connection() -> DroppedConnection:
    """The connection is closed without a response."""
    return DroppedConnection()


def broken_body() -> BrokenBody:
    """Status 200 with a body that is no JSON."""
    return BrokenBody()


def hang(seconds: float = 3600.0) -> Hang:
    """No response for so long; closing the server ends it."""
    return Hang(seconds)


def as_reply(item: object) -> Reply:
    """One item of a script: a reply, or a plain text, dict or list that the model says.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(item, Answer | Failure | DroppedConnection | BrokenBody | Hang):
        return item
    if isinstance(item, str):
        return answer(item)
    if isinstance(item, dict | list):
        return answer_json(item)
    raise TypeError(f"a script holds replies, texts, dicts and lists, not {type(item).__name__}")
