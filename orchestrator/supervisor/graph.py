"""The supervisor: a LangGraph graph, `begin → advance ⟲ → finish`, with `close` before the steps of `finally`.

`begin` admits a run, plans its first steps and dispatches them. `advance` settles what has come and dispatches what is
ready: one superstep for everything that came together. It never calls a model, a tool or user code: it is a function of
its state and its inbox. What a node changes is written with the checkpoint that follows it, all or nothing. One
compiled graph drives all runs of a process; what belongs to one run comes in as the runtime's context.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from orchestrator.domain.identity import RunId
from orchestrator.domain.run import RunState
from orchestrator.supervisor.admission import admit
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.dispatch import dispatch
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.draining import drain, quiet
from orchestrator.supervisor.finish import conclude
from orchestrator.supervisor.finish import finish as end
from orchestrator.supervisor.settlement import settle
from orchestrator.supervisor.state import SupervisorState

NO_RECURSION_LIMIT = 2**31 - 1
Next = Literal["advance", "close", "finish"]


def compile_graph(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, RunContext, Any, Any]:
    """The supervisor graph over `saver`."""
    graph = StateGraph(SupervisorState, context_schema=RunContext)
    graph.add_node("begin", begin)
    graph.add_node("advance", advance)
    graph.add_node("close", close)
    graph.add_node("finish", finish)
    graph.add_edge(START, "begin")
    return graph.compile(checkpointer=saver, name="supervisor")


async def state_of(graph: CompiledStateGraph[Any, RunContext, Any, Any], run_id: RunId) -> RunState | None:
    """What the newest checkpoint of a run knows of it, wherever it lives; None where it has none."""
    found = await graph.aget_state({"configurable": {"thread_id": str(run_id)}})
    state: RunState | None = found.values["run"] if found.metadata is not None else None
    return state


async def begin(state: SupervisorState, runtime: Runtime[RunContext]) -> Command[Next]:
    """Make the run known, and start the steps that need nothing."""
    draft = Draft(runtime.context, state["run"])
    await admit(draft)
    await dispatch(draft)
    return _go_on(draft)


async def advance(state: SupervisorState, runtime: Runtime[RunContext]) -> Command[Next]:
    """Wait until something has come, fold it in, and start what is ready now."""
    run = state["run"]
    draft = Draft(runtime.context, run)
    if run.breaking_off:
        await drain(draft)
        return _go_on(draft)
    if run.candidates and not run.paused:  # a large `foreach` was put off
        draft.candidates += run.candidates
        draft.agenda += run.agenda
    else:
        await settle(draft)
    await dispatch(draft)
    return _go_on(draft)


async def close(state: SupervisorState, runtime: Runtime[RunContext]) -> Command[Next]:
    """The steps have settled: fix what the run came to, and start `finally`."""
    draft = Draft(runtime.context, state["run"])
    if state["run"].recalled:
        await quiet(runtime.context)
    draft.put(ending=await conclude(draft), agenda=(), candidates=())
    draft.candidates += [spec.id for spec in runtime.context.workflow.finally_.values() if not spec.needs]
    await dispatch(draft)
    return _go_on(draft)


async def finish(state: SupervisorState, runtime: Runtime[RunContext]) -> Command[Literal["__end__"]]:
    """End the run once nothing of it runs any more, and with it the attempt that it carried out for a parent."""
    draft = Draft(runtime.context, state["run"])
    if state["run"].recalled:
        await quiet(runtime.context)
    end(draft, state["run"].ending or await conclude(draft))
    runtime.context.draft = draft
    return Command(update={"run": draft.patch()}, goto="__end__")


def _go_on(draft: Draft) -> Command[Next]:
    """Leave the draft to the checkpoint, and go where the state asks for."""
    draft.context.draft = draft
    after = draft.state()
    going: Next = "advance"
    if after.over:
        going = "finish"
    elif after.settled_all and after.ending is None:
        going = "close"
    return Command(update={"run": draft.patch()}, goto=going)
