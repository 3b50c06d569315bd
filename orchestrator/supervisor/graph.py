"""The supervisor: a LangGraph graph, `admit → plan → dispatch ⇄ settle → finish`, with `close` before `finally`.

It never calls a model, a tool or user code: it is a function of its state and its inbox. One compiled graph drives all
runs of a process; what belongs to one run comes in as the runtime's context.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from orchestrator.domain.run import RunState
from orchestrator.supervisor.admission import admit, plan
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.dispatch import dispatch
from orchestrator.supervisor.finish import close, finish
from orchestrator.supervisor.settlement import settle
from orchestrator.supervisor.state import SupervisorState

NO_RECURSION_LIMIT = 2**31 - 1


def compile_graph(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, RunContext, Any, Any]:
    """The supervisor graph over `saver`."""
    graph = StateGraph(SupervisorState, context_schema=RunContext)
    graph.add_node("admit", admit)
    graph.add_node("plan", plan)
    graph.add_node("dispatch", dispatch)
    graph.add_node("settle", settle)
    graph.add_node("close", close)
    graph.add_node("finish", finish)
    graph.add_edge(START, "admit")
    graph.add_edge("admit", "plan")
    graph.add_edge("plan", "dispatch")
    graph.add_conditional_edges("dispatch", after_dispatch)
    graph.add_conditional_edges("settle", after_settle)
    graph.add_edge("close", "dispatch")
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=saver, name="supervisor")


async def after_dispatch(state: SupervisorState) -> Literal["dispatch", "settle", "close", "finish"]:
    """Wait for outcomes, unless a large `foreach` was put off or every step has settled already."""
    run = state["run"]
    if (end := _end_of(run)) is not None:
        return end
    return "dispatch" if run.candidates and not run.paused else "settle"


async def after_settle(state: SupervisorState) -> Literal["dispatch", "close", "finish"]:
    """Look for what is ready now, unless every step has settled and no attempt must be called back."""
    run = state["run"]
    end = None if run.revoked else _end_of(run)
    return end or "dispatch"


def _end_of(run: RunState) -> Literal["close", "finish"] | None:
    """What follows once the steps have settled: `finally` first, where it has any."""
    if run.over:
        return "finish"
    return "close" if run.settled_all and run.ending is None else None
