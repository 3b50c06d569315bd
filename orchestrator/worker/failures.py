"""What an attempt can run into inside this room, each with the code that `on_error` may test."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import AttemptError


class WrongInput(AttemptError):
    """The step's `with` does not fit the worker's parameters."""

    code = "wrong_input"


class WrongType(AttemptError):
    """The worker returned something else than its annotation promises."""

    code = "wrong_type"


class NotJson(AttemptError):
    """The worker's output cannot be stored as JSON."""

    code = "not_json"


class OutputTooLarge(AttemptError):
    """The worker's output is larger than `worker.max_output_bytes`."""

    code = "output_too_large"


class ChildDied(AttemptError):
    """The child process of a `process=True` worker ended without a result."""

    code = "child_died"


class OutOfMemory(AttemptError):
    """A `process=True` worker needed more than its `memory_mb`."""

    code = "memory"


class EffectUnconfirmed(AttemptError):
    """An `async with ctx.effect(…)` block ended without `confirm(…)`."""

    code = "effect_unconfirmed"


class NotInChild(AttemptError):
    """Something that a `process=True` worker cannot use."""

    code = "not_in_child"


class ExitInTask(AttemptError):
    """A task that the worker started raised SystemExit, which would have ended the whole process."""

    code = "system_exit"


class Interrupted(AttemptError):
    """A graph that runs as a worker waits for a person."""

    code = "interrupted"


class RemoteFailure(AttemptError):
    """An exception from a child process, already described there.

    Args:
        error: the JSON form of an `ErrorInfo`.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error
