"""What a scripted model can reply: answers, and everything that goes wrong with real servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class CalledTool:
    """A tool that the model calls: its name as the model knows it, and the arguments as it writes them."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion.

    Attributes:
        text: what the model says.
        finish_reason: `stop`, `tool_calls`, or `length` when it ran into its token limit; empty breaks a stream off.
        input_tokens: as the server counts them.
        output_tokens: as the server counts them; None counts the words of `text`.
        tools: what it calls.
        pieces: how `text` is cut where it is streamed; empty cuts it after every space.
        held: nothing but the first piece is streamed until this is set; what is not streamed waits whole.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 10
    output_tokens: int | None = None
    tools: tuple[CalledTool, ...] = ()
    pieces: tuple[str, ...] = ()
    held: threading.Event | None = None

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


def answer_pieces(*pieces: str, held: threading.Event | None = None) -> Answer:
    """The model says these pieces one by one.

    Args:
        pieces: as they are streamed.
        held: what comes after the first piece waits until it is set, or the server is closed.
    """
    return Answer("".join(pieces), pieces=pieces, held=held)


def broken_stream(*pieces: str) -> Answer:
    """The stream ends after these pieces, in the midst of the answer."""
    return Answer("".join(pieces), finish_reason="", pieces=pieces)


def answer_tool(name: str, arguments: Mapping[str, Any] | str | None = None, *, text: str = "", id: str = "") -> Answer:
    """The model calls a tool.

    Args:
        name: of the tool; dots become what the model sees in their place.
        arguments: as JSON; a text is sent as it is, valid or not.
        text: what it says besides.
        id: of the call; an empty one gets the next of its request.
    """
    written = arguments if isinstance(arguments, str) else json.dumps(dict(arguments or {}))
    return Answer(text, finish_reason="tool_calls", tools=(CalledTool(name.replace(".", "-"), written, id),))


def answer_tools(*answers: Answer) -> Answer:
    """The model calls several tools in one turn: `answer_tools(answer_tool("a"), answer_tool("b"))`."""
    first, *others = answers
    return replace(
        first,
        text=" ".join(each.text for each in answers if each.text),
        tools=(*first.tools, *(tool for each in others for tool in each.tools)),
    )


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
