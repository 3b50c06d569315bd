"""What a supervisor writes when a person is to be asked, or when a run pauses."""

from __future__ import annotations

from typing import Any

from orchestrator.domain import event as kinds
from orchestrator.domain.event import Event
from orchestrator.domain.identity import NO_ITEM, AttemptId, RunId, attempt_id, new_run_id
from orchestrator.domain.payload import Payload
from orchestrator.domain.worker import HUMAN_WORKER
from orchestrator.store import Database, blobs, runs
from orchestrator.store.events import append_events
from orchestrator.store.superstep import write_superstep
from tests.integration.store.scene import INPUTS, SHA, Scene

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["decision"],
    "properties": {"decision": {"enum": ["approve", "reject"]}, "note": {"type": "string"}},
}


async def ask(
    scene: Scene,
    step: str = "approve",
    item: int = NO_ITEM,
    number: int = 1,
    *,
    expires: float | None = None,
    **asks: Any,
) -> AttemptId:
    """A step asks a person; what it asks is as in `FORM` unless said otherwise."""
    payload = Payload.of(
        {"form": FORM, "with": {"text": "hi"}, "assignee": "anna", "feedback": [], "rejected": None, "description": ""}
        | asks
    )
    order = scene.order(
        step, number, item=item, worker=HUMAN_WORKER, pool="", input=payload.ref, options={"expires_at": expires}
    )
    await write_superstep(scene.database, await scene.superstep(payloads=[payload], orders=[order]))
    return order.id


async def pause(database: Database, run_id: RunId, reason: str = "1.02 of 1 USD") -> None:
    """A run's budget is used up."""
    paused = Event(run_id, "acme", kinds.RUN_PAUSED, data={"reason": reason, "spent": {}, "budget": {}})
    async with database.transaction() as connection:
        await connection.execute("UPDATE runs SET status = 'paused' WHERE id = $1", run_id)
        await append_events(connection, [paused])


async def child_of(scene: Scene, step: str = "review") -> Scene:
    """A step of the scene's run begins a run of its own."""
    child = runs.NewRun(
        id=RunId(attempt_id(scene.run_id, step, NO_ITEM, 1)),
        tenant="acme",
        workflow_sha256=SHA,
        workflow="check",
        version="1.0.0",
        inputs=INPUTS.ref,
        parent_run=scene.run_id,
        parent_step=step,
    )
    async with scene.database.transaction() as connection:
        await runs.insert_workflow(connection, sha256=SHA, name="check", version="1.0.0", definition={}, source="x")
        await blobs.put_blobs(connection, "acme", [INPUTS])
        stored, _ = await runs.insert_run(connection, child)
    return Scene(scene.database, stored)


async def finish(database: Database, run_id: RunId, status: str = "succeeded") -> None:
    async with database.transaction() as connection:
        await runs.finish_run(connection, run_id, status=status, output=None, error=None)


def nobody() -> RunId:
    """The id of no run."""
    return new_run_id()
