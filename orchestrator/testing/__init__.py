"""What users test their workers and workflows with. Each name's room is imported when the name is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.testing.replies import Answer as Answer
    from orchestrator.testing.replies import BrokenBody as BrokenBody
    from orchestrator.testing.replies import CalledTool as CalledTool
    from orchestrator.testing.replies import DroppedConnection as DroppedConnection
    from orchestrator.testing.replies import Failure as Failure
    from orchestrator.testing.replies import Hang as Hang
    from orchestrator.testing.replies import Reply as Reply
    from orchestrator.testing.replies import answer as answer
    from orchestrator.testing.replies import answer_json as answer_json
    from orchestrator.testing.replies import answer_pieces as answer_pieces
    from orchestrator.testing.replies import answer_tool as answer_tool
    from orchestrator.testing.replies import answer_tools as answer_tools
    from orchestrator.testing.replies import broken_body as broken_body
    from orchestrator.testing.replies import broken_stream as broken_stream
    from orchestrator.testing.replies import dropped_connection as dropped_connection
    from orchestrator.testing.replies import hang as hang
    from orchestrator.testing.replies import rate_limit as rate_limit
    from orchestrator.testing.replies import server_error as server_error
    from orchestrator.testing.replies import truncated as truncated
    from orchestrator.testing.scripted_model import ReceivedRequest as ReceivedRequest
    from orchestrator.testing.scripted_model import ScriptedModel as ScriptedModel
    from orchestrator.testing.throwaway import ThrowawayServer as ThrowawayServer
    from orchestrator.testing.throwaway import app as app
    from orchestrator.testing.throwaway import throwaway_server as throwaway_server
    from orchestrator.testing.worker_trial import LogLine as LogLine
    from orchestrator.testing.worker_trial import Trial as Trial
    from orchestrator.testing.worker_trial import try_worker as try_worker

_MODULES = {
    "LogLine": "worker_trial",
    "ReceivedRequest": "scripted_model",
    "ScriptedModel": "scripted_model",
    "ThrowawayServer": "throwaway",
    "Trial": "worker_trial",
    "app": "throwaway",
    "throwaway_server": "throwaway",
    "try_worker": "worker_trial",
}

__all__ = [
    "Answer",
    "BrokenBody",
    "CalledTool",
    "DroppedConnection",
    "Failure",
    "Hang",
    "LogLine",
    "ReceivedRequest",
    "Reply",
    "ScriptedModel",
    "ThrowawayServer",
    "Trial",
    "answer",
    "answer_json",
    "answer_pieces",
    "answer_tool",
    "answer_tools",
    "app",
    "broken_body",
    "broken_stream",
    "dropped_connection",
    "hang",
    "rate_limit",
    "server_error",
    "throwaway_server",
    "truncated",
    "try_worker",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'replies')}"), name)
