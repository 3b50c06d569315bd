"""`as_worker`: any LangChain Runnable or compiled LangGraph graph as a worker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from orchestrator.domain.worker import DEFAULT_POOL, WorkerKind
from orchestrator.errors import ProjectError
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker, make_card, short_path
from orchestrator.worker.failures import Interrupted, WrongInput
from orchestrator.worker.runnable_schemas import input_schema, output_schema
from orchestrator.worker.signature import read_signature
from orchestrator.workflow.json_schema import value_problems

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig
    from langchain_core.tools import BaseTool

INTERRUPTS = "__interrupt__"
"""Where LangGraph tells of what a graph waits for."""


def as_worker(
    name: str,
    runnable: Runnable[Any, Any],
    *,
    pool: str = DEFAULT_POOL,
    concurrency: int | None = None,
    max_running: int | None = None,
    rate: str | None = None,
    retry_on: tuple[type[BaseException], ...] = (),
    timeout: str | float | None = None,
    description: str = "",
) -> Worker[..., Any]:
    """Make a worker of a Runnable: its input is the step's `with`, its output whatever it gives, as JSON.

    A LangChain `BaseTool` brings its description and the schema of its input, so it is an agent's tool as well.

    Bind the result to a name at the top of a module, where the registry looks. The attempt's `Context` is in
    `config["configurable"]["orchestrator"]`. What it takes and gives is known as far as the Runnable says
    (`with_types` adds it). Its nodes, tools and chat models become spans below the attempt, and what chat models use
    counts on the attempt. A cancellation cancels it. The other arguments are those of `worker`.

    Args:
        name: what workflows call it.
        runnable: anything with `ainvoke`.
        pool: the queue it is served from.
        concurrency: attempts of it at once in one process.
        max_running: attempts of it at once over all processes.
        rate: how often an attempt of it may begin, over all processes.
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
        signature = replace(
            read_signature(function), input_schema=_takes(runnable), output_schema=output_schema(runnable)
        )
        description = description or _tool_says(runnable)
        card = make_card(
            name,
            WorkerKind.WORKER,
            pool=pool,
            signature=signature,
            concurrency=concurrency,
            max_running=max_running,
            rate=rate,
            timeout=timeout,
            description=description,
        )
    except (TypeError, ValueError) as error:
        raise ProjectError(f"{place}: as_worker({name!r}): {error}") from error
    return Worker(function, card, signature, retry_on=retry_on, place=place)


def _is_tool(runnable: object) -> TypeGuard[BaseTool]:
    """Whether it is a LangChain tool; where their module is not imported there is none."""
    if "langchain_core.tools" not in sys.modules:
        return False
    from langchain_core.tools import BaseTool

    return isinstance(runnable, BaseTool)


def _tool_says(runnable: object) -> str:
    return runnable.description if _is_tool(runnable) else ""


def _takes(runnable: Runnable[Any, Any]) -> dict[str, Any] | None:
    """What its caller gives it; a tool's without what LangChain puts in by itself."""
    if not _is_tool(runnable):
        return input_schema(runnable)
    from langchain_core.utils.function_calling import convert_to_openai_tool

    schema: dict[str, Any] = convert_to_openai_tool(runnable)["function"]["parameters"]
    return schema


def _caller(runnable: Runnable[Any, Any]) -> Callable[..., Any]:
    takes = _takes(runnable)

    async def call(input: Any, ctx: Context) -> Any:
        from orchestrator.worker.inner_spans import InnerSpans  # imports LangChain, which the Runnable has done already

        problems = value_problems(takes, input) if takes is not None else []
        if problems:
            raise WrongInput(f"the input does not fit: {'; '.join(problems)}")
        spans = InnerSpans(ctx)
        try:
            given = await runnable.ainvoke(input, config=_config(ctx, spans))
        finally:
            spans.close()
        if isinstance(given, dict) and INTERRUPTS in given:
            raise Interrupted(
                "the graph stopped at an interrupt, and nobody can answer it inside an attempt",
                remedy="ask the person in a step of its own, with `kind: human`",
            )
        return given

    return call


def _config(ctx: Context, spans: Any) -> RunnableConfig:
    """A thread of its own for each attempt, for a graph that has a checkpointer."""
    thread = f"{ctx.idempotency_key}#{ctx.number}"
    return {"configurable": {"orchestrator": ctx, "thread_id": thread}, "callbacks": [spans]}
