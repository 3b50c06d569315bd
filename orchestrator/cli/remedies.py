"""What a person can do about an error that ended a step, by its class."""

from __future__ import annotations

from orchestrator.domain.outcome import ErrorInfo

_BY_CLASS = {
    "rate_limit": "wait, lower `foreach.max_parallel` or the worker's concurrency, or raise `retry.max_attempts`",
    "timeout": "raise the step's `timeout`, or find out with the trace what took so long",
    "connection": "check that what the worker calls can be reached from here; `orchestrator doctor` tries the models",
    "server_error": "the service the worker calls answered with an error of its own; try again later",
    "worker_lost": "the worker's process died or lost its lease; see its log, then `orchestrator runs retry RUN`",
    "secret_missing": "set the variable in the environment of the worker's process",
    "unknown_worker": "start a worker process that has this worker registered, or check the project's `workers`",
    "invalid": "every remedy of `on_invalid` was used up; the verdicts in the trace say what was wrong",
    "invalid_output": "every remedy of `on_invalid` was used up; the verdicts in the trace say what was wrong",
    "in_doubt": "look whether the effect happened, then handle `in_doubt` in the step's `on_error`",
}


def remedy_for(error: ErrorInfo) -> str:
    """What to do about an error, or an empty string where nothing general can be said."""
    return _BY_CLASS.get(error.error_class, "")
