"""`as_worker`: any LangChain Runnable or compiled LangGraph graph as a worker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from orchestrator.domain.worker import DEFAULT_POOL, WorkerKind
from orchestrator.errors import ProjectError
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker, make_card, short_path
from orchestrator.worker.signature import read_signature

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


def as_worker(
    name: str,
    runnable: Runnable[Any, Any],
    *,
    pool: str = DEFAULT_POOL,
    concurrency: int | None = None,
    retry_on: tuple[type[BaseException], ...] = (),
    timeout: str | float | None = None,
    description: str = "",
) -> Worker[..., Any]:
    """Make a worker of a Runnable: its input is the step's `with`, its output whatever it gives, as JSON.

    A LangChain `BaseTool` brings its description and the schema of its input, so it is an agent's tool as well.

    Bind the result to a name at the top of a module, where the registry looks. The attempt's `Context` is in
    `config["configurable"]["orchestrator"]`. The other arguments are those of `worker`.

    Args:
        name: what workflows call it.
        runnable: anything with `ainvoke`.
        pool: the queue it is served from.
        concurrency: attempts of it at once in one process.
        retry_on: exceptions that are worth another try.
        timeout: of one attempt, `"60s"` or seconds.
        description: for the catalogue.

    Raises:
        ProjectError: the declaration cannot work.
    """
    frame = sys._getframe(1)
    place = f"{short_path(frame.f_code.co_filename)}:{frame.f_lineno}"
    if not hasattr(runnable, "ainvoke"):
        raise ProjectError(f"{place}: as_worker({name!r}): {runnable!r} is not a Runnable")
    function = _caller(runnable)
    try:
        signature = read_signature(function)
        if isinstance(runnable, BaseTool):
            signature = replace(signature, input_schema=_takes(runnable))
            description = description or runnable.description
        card = make_card(
            name,
            WorkerKind.WORKER,
            pool=pool,
            signature=signature,
            concurrency=concurrency,
            timeout=timeout,
            description=description,
        )
    except (TypeError, ValueError) as error:
        raise ProjectError(f"{place}: as_worker({name!r}): {error}") from error
    return Worker(function, card, signature, retry_on=retry_on, place=place)


def _takes(tool: BaseTool) -> dict[str, Any]:
    """What a tool's caller gives it, without what LangChain puts in by itself."""
    schema: dict[str, Any] = convert_to_openai_tool(tool)["function"]["parameters"]
    return schema


def _caller(runnable: Runnable[Any, Any]) -> Callable[..., Any]:
    async def call(input: Any, ctx: Context) -> Any:
        return await runnable.ainvoke(input, config={"configurable": {"orchestrator": ctx}})

    return call
