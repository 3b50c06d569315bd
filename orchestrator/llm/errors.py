"""What a failed model or network call means for the step: its error class and code."""

from __future__ import annotations

import errno
import json
import re
import socket
import sys
from typing import TYPE_CHECKING, Any

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.errors import ModelUnavailable, OrchestratorError

if TYPE_CHECKING:
    import openai

MAX_DETAIL = 4_000
_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|prompt is too long", re.IGNORECASE
)
_NETWORK = frozenset(
    {
        errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT,
        errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET,
    }
)  # fmt: skip
_HTTP_CLIENTS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2"})
_STATUSES = {
    400: ("bad_request", "error"),
    401: ("authentication", "error"),
    403: ("permission_denied", "error"),
    404: ("model_not_found", "error"),
    408: ("timeout", "timeout"),
    413: ("request_too_large", "error"),
    422: ("bad_request", "error"),
    429: ("rate_limit", "rate_limit"),
}


class MalformedReply(OrchestratorError):
    """The model's server answered with something that is not the protocol's JSON."""

    code = "ORC-221"


def classify(error: BaseException) -> ErrorInfo | None:
    """What an exception from a model or the network means; None for any other.

    Rate limits, timeouts, lost connections and server errors are infrastructure, which `retry` handles. An answer
    that was cut off or refused is `invalid_output`, which `on_invalid` handles. A prompt that is too long, a wrong
    key or model is an `error`: trying again would not help.

    Args:
        error: what was raised; an exception wrapped in another is not looked into.
    """
    if isinstance(error, ModelUnavailable):
        return ErrorInfo("model_unavailable", "error", str(error))
    if isinstance(error, MalformedReply):
        return ErrorInfo("malformed_reply", "server_error", error.message)
    return _client_error(error) or _network_error(error)


def _client_error(error: BaseException) -> ErrorInfo | None:
    """Errors of the model clients. A process that has not imported them cannot have met one, and is not made to."""
    if "langchain_core.exceptions" in sys.modules:
        from langchain_core.exceptions import OutputParserException

        if isinstance(error, OutputParserException):
            return ErrorInfo("malformed_output", "invalid_output", str(error).split("\n", 1)[0])
    return _unfinished(error) or _openai_error(error) if "openai" in sys.modules else None


def _unfinished(error: BaseException) -> ErrorInfo | None:
    import openai

    if isinstance(error, openai.LengthFinishReasonError):
        return ErrorInfo("cut_off", "invalid_output", "the answer was cut off before its JSON was complete")
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return ErrorInfo("content_filter", "invalid_output", "the server's content filter stopped the answer")
    return None


def _openai_error(error: BaseException) -> ErrorInfo | None:
    import openai

    if isinstance(error, openai.APITimeoutError):
        return ErrorInfo("timeout", "timeout", "the model's server did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
        return ErrorInfo("connection", "connection", f"the connection to the model's server failed{cause}")
    if isinstance(error, openai.APIResponseValidationError):
        return ErrorInfo("malformed_reply", "server_error", error.message, _body(error.body))
    if isinstance(error, openai.APIStatusError):
        return _status_error(error)
    if isinstance(error, openai.APIError):
        return ErrorInfo("server_error", "server_error", error.message, _body(error.body))
    return None


def _status_error(error: openai.APIStatusError) -> ErrorInfo:
    detail = _body(error.body)
    if error.status_code in {400, 413} and _CONTEXT.search(f"{error.message} {detail}"):
        return ErrorInfo("context_length", "error", _context_message(error), detail)
    if error.code == "insufficient_quota":
        return ErrorInfo("insufficient_quota", "error", error.message, detail)
    code, error_class = _status_class(error.status_code)
    return ErrorInfo(code, error_class, error.message, detail)


def _status_class(status: int) -> tuple[str, str]:
    if status >= 500:
        return "server_error", "server_error"
    return _STATUSES.get(status, (f"http_{status}", "error"))


def _context_message(error: openai.APIStatusError) -> str:
    body: Any = error.body
    known = body if isinstance(body, dict) else {}
    prompt, size = known.get("n_prompt_tokens"), known.get("n_ctx")
    if prompt and size:
        return f"prompt of {prompt} tokens exceeds the model's context of {size} tokens; give the step less text"
    return f"the prompt exceeds the model's context: {error.message}"


def _network_error(error: BaseException) -> ErrorInfo | None:
    """Errors of sockets and of HTTP clients that user code may hold; the clients are known by name, not imported."""
    lineage = {each.__name__ for each in type(error).__mro__ if each.__module__.split(".")[0] in _HTTP_CLIENTS}
    message = str(error) or type(error).__name__
    if isinstance(error, TimeoutError) or "TimeoutException" in lineage:
        return ErrorInfo("timeout", "timeout", message)
    if "HTTPStatusError" in lineage:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        code, error_class = _status_class(status)
        return ErrorInfo("not_found" if status == 404 else code, error_class, message)
    broken = isinstance(error, ConnectionError | socket.gaierror) or "TransportError" in lineage
    if broken or (isinstance(error, OSError) and error.errno in _NETWORK):
        return ErrorInfo("connection", "connection", message)
    return None


def _body(body: object) -> str:
    if body is None:
        return ""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    return text[:MAX_DETAIL]
