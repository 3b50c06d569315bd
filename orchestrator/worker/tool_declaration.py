"""`@tool`: a function that only agents call, declared like a worker."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.worker import NO_POOL, WorkerKind
from orchestrator.worker.declaration import P, R, Worker, declare


def tool(
    name: str,
    *,
    timeout: str | float | None = None,
    process: bool = False,
    description: str | None = None,
) -> Callable[[Callable[P, R]], Worker[P, R]]:
    """Declare a function as a tool, which agents may call and steps may not.

    It is written like a worker's: typed parameters, `Depends`, `ctx` where it wants one. What the model reads is its
    parameters' schema and its docstring. Any worker can be an agent's tool, too.

    Args:
        name: what `tools` of a step calls it: lower-case words joined by dots.
        timeout: of one call, `"5s"` or seconds.
        process: run in a child process that can be killed, for CPU-bound code.
        description: for the model and the catalogue; None takes the docstring.

    Raises:
        ProjectError: the declaration or the function's signature cannot work; names the place.
    """
    return declare(
        WorkerKind.TOOL,
        name,
        pool=NO_POOL,
        concurrency=None,
        max_running=None,
        rate=None,
        retry_on=(),
        timeout=timeout,
        process=process,
        memory_mb=None,
        description=description,
    )
