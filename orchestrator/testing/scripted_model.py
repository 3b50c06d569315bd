"""`ScriptedModel`: an OpenAI-compatible server on loopback whose replies a test writes down beforehand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from orchestrator.settings import ModelSettings
from orchestrator.testing.completions_server import CompletionsServer
from orchestrator.testing.replies import Failure, Reply, as_reply


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request for a completion.

    Attributes:
        body: the request's JSON.
        headers: with lower-case names.
    """

    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation."""
        return list(self.body.get("messages", []))

    @property
    def text(self) -> str:
        """All that the messages say, one a line."""
        return "\n".join(str(message.get("content")) for message in self.messages)


class ScriptedModel:
    """A chat model for tests: the real client talks to it over HTTP, and it says what the script says.

        with ScriptedModel(["Hello", {"points": []}, rate_limit(), answer("there")]) as model:
            async with Orchestrator.open(project, environ=model.environ) as app:
                ...
            assert "Paris" in model.requests[0].text

    Args:
        script: the replies in order. When it is over, every request fails with status 400 and says so.
        reply_to: instead of a script, for requests whose order is not known: gives the reply to each.
    """

    def __init__(
        self, script: Iterable[object] = (), *, reply_to: Callable[[ReceivedRequest], object] | None = None
    ) -> None:
        self._replies = [as_reply(item) for item in script]
        self._reply_to = reply_to
        self._lock = threading.Lock()
        self._requests: list[ReceivedRequest] = []
        self._server = CompletionsServer(self._next)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    @property
    def base_url(self) -> str:
        """Where it listens, `http://127.0.0.1:PORT/v1`."""
        return f"http://127.0.0.1:{self._server.port}/v1"

    @property
    def environ(self) -> dict[str, str]:
        """Environment names that make the tiers with `provider: auto` use this server."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "scripted"}

    def settings(self, model: str = "scripted", **others: Any) -> ModelSettings:
        """A tier that uses this server; `others` are fields of `ModelSettings`."""
        return ModelSettings(model=model, base_url=self.base_url, **others)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """What was asked so far."""
        with self._lock:
            return list(self._requests)

    @property
    def left(self) -> int:
        """How many replies of the script have not been used."""
        with self._lock:
            return len(self._replies)

    def _next(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        request = ReceivedRequest(body, headers)
        with self._lock:
            self._requests.append(request)
            if self._reply_to is None:
                if self._replies:
                    return self._replies.pop(0)
                return Failure(400, f"the script is over: this is request {len(self._requests)}", "script_over")
        return as_reply(self._reply_to(request))
