"""The span of a tool call while it is open."""

from __future__ import annotations

from opentelemetry.trace import Span, StatusCode

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.telemetry import names
from orchestrator.telemetry.chat_span import shortened


def tool_attributes(name: str, *, call_id: str, description: str, arguments: str) -> dict[str, str]:
    """What is known of `execute_tool {tool}` when it begins; `arguments` is empty where contents are not recorded."""
    found = {
        names.OPERATION: names.EXECUTE_TOOL,
        names.KIND: "TOOL",
        names.TOOL: name,
        names.TOOL_TYPE: "function",
        names.TOOL_CALL_ID: call_id,
        names.TOOL_DESCRIPTION: description,
        names.TOOL_ARGUMENTS: arguments,
    }
    return {key: value for key, value in found.items() if value}


class ToolSpan:
    """What an agent tells of a tool call.

    Args:
        span: the open span.
        limit: bytes of its result at the most; 0 leaves the result out.
    """

    def __init__(self, span: Span, limit: int) -> None:
        self._span = span
        self._limit = limit

    def gave(self, result: str) -> None:
        """Note what it gave, already redacted."""
        if self._limit:
            self._span.set_attribute(names.TOOL_RESULT, shortened(result, self._limit))
        self._span.set_status(StatusCode.OK)

    def failed(self, error: ErrorInfo) -> None:
        """Note why it gave nothing, already redacted; the message may tell contents."""
        self._span.set_attribute(names.ERROR_TYPE, error.code)
        self._span.set_status(StatusCode.ERROR, error.message if self._limit else None)
