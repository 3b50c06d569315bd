"""An exception as the `ErrorInfo` that is stored, shown, and seen by `on_error`."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.errors import AttemptError, OrchestratorError, ServiceError
from orchestrator.llm.errors import classify
from orchestrator.worker.failures import RemoteFailure

MAX_MESSAGE = 4_000
MAX_DETAIL = 16_000
_HERE = str(Path(__file__).parent)


def describe(
    error: BaseException,
    *,
    retry_on: tuple[type[BaseException], ...] = (),
    clean: Callable[[str], str] = str,
) -> ErrorInfo:
    """What `error` means for the step.

    The class is `retryable` for what the worker's `retry_on` lists, else what a model call's or the network's
    error is classed as, else the error's own, else `error`. The code is the exception's `code` if that is text,
    else its class in snake case.

    Args:
        error: what the attempt raised.
        retry_on: the worker's declaration.
        clean: redacts secrets.
    """
    info = ErrorInfo.from_json(error.error) if isinstance(error, RemoteFailure) else _read(error, retry_on)
    return ErrorInfo(
        info.code,
        info.error_class,
        clean(info.message)[:MAX_MESSAGE],
        clean(info.detail)[-MAX_DETAIL:],
    )


def _read(error: BaseException, retry_on: tuple[type[BaseException], ...]) -> ErrorInfo:
    known = _known(error)
    code = known.code if known else code_of(error)
    message = known.message if known else message_of(error)
    if isinstance(error, retry_on):
        error_class = "retryable"
    elif known is not None:
        error_class = known.error_class
    elif isinstance(error, AttemptError):
        error_class = error.error_class
    else:
        error_class = "connection" if isinstance(error, ServiceError) else "error"
    detail = (known.detail + "\n\n" if known and known.detail else "") + trace_of(error)
    return ErrorInfo(code, error_class, message, detail)


def _known(error: BaseException) -> ErrorInfo | None:
    """What a model call's or the network's error is classed as; None for every other error."""
    try:
        return classify(error)
    except Exception:  # noqa: BLE001 - it reads the message, and a user's __str__ may raise anything
        return None


def code_of(error: BaseException) -> str:
    """The exception's own `code` if that is text, else its class in snake case."""
    own = getattr(error, "code", None)
    if isinstance(own, str) and own:
        return own
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__)
    return words.lower().removesuffix("_error") or "error"


def message_of(error: BaseException) -> str:
    """One sentence for people."""
    if isinstance(error, SystemExit):
        return f"the worker called sys.exit({error.code!r})"
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        text = f"(its __str__ raised {type(broken).__name__})"
    return text or type(error).__name__


def trace_of(error: BaseException) -> str:
    """The traceback, from the first frame that is not this room's; none of what this room says on purpose."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next and _is_here(trace):
        trace = trace.tb_next
    on_purpose = isinstance(error, OrchestratorError) and error.__cause__ is None
    if on_purpose and trace is not None and _is_here(trace):
        return "\n".join(getattr(error, "__notes__", ()))  # the last words of a child that died
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception as broken:  # noqa: BLE001 - formatting calls a user's __str__ and __repr__
        return f"{type(error).__name__} (no traceback: {type(broken).__name__})"


def _is_here(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_HERE)
