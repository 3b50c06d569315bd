"""What users test their workers and workflows with."""

from orchestrator.testing.replies import (
    Answer,
    BrokenBody,
    DroppedConnection,
    Failure,
    Hang,
    Reply,
    answer,
    answer_json,
    broken_body,
    dropped_connection,
    hang,
    rate_limit,
    server_error,
    truncated,
)
from orchestrator.testing.scripted_model import ReceivedRequest, ScriptedModel

__all__ = [
    "Answer",
    "BrokenBody",
    "DroppedConnection",
    "Failure",
    "Hang",
    "ReceivedRequest",
    "Reply",
    "ScriptedModel",
    "answer",
    "answer_json",
    "broken_body",
    "dropped_connection",
    "hang",
    "rate_limit",
    "server_error",
    "truncated",
]
