"""Workflows and runs: who owns a run, where it stands, and how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.budget import Budget
from orchestrator.domain.fork import Fork
from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import RunStatus
from orchestrator.errors import Conflict, NotFound
from orchestrator.store.jsonb import from_jsonb, to_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row, digest, write_budget, write_error, write_fork

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database

_PREFIX_MATCHES: Final = 20


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run as it is submitted. Its inputs' blob and its workflow are stored in the same transaction, before it.

    A child run has the id of the attempt that it carries out for `parent_run`, and the `budget` that the step gives it.
    A fork says what it does again of the run `forked_from`.
    """

    id: RunId
    tenant: str
    workflow_sha256: str
    workflow: str
    version: str
    inputs: PayloadRef
    priority: int = 0
    idempotency_key: str | None = None
    parent_run: RunId | None = None
    parent_step: str | None = None
    budget: Budget | None = None
    forked_from: RunId | None = None
    fork: Fork | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row of `runs`: times in Unix seconds, digests in hex."""

    id: RunId
    tenant: str
    workflow_sha256: str
    workflow: str
    version: str
    status: str
    inputs: str
    output: str | None
    error: ErrorInfo | None
    priority: int
    idempotency_key: str | None
    parent_run: RunId | None
    parent_step: str | None
    budget: Budget | None
    forked_from: RunId | None
    fork: Fork | None
    owner: ProcessId | None
    epoch: int
    parked: bool
    wake_at: float | None
    traceparent: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class Ownership:
    """That this process owns `run` from now on; every write of it goes through `Database.fenced(run.id, epoch)`."""

    run: RunRow
    epoch: int


async def insert_workflow(
    connection: Connection, *, sha256: str, name: str, version: str, definition: dict[str, Any], source: str
) -> bool:
    """Store a compiled workflow unless it is stored already.

    Args:
        connection: in the caller's transaction.
        sha256: hex; of the definition.
        name: of the workflow.
        version: of the workflow.
        definition: plain JSON.
        source: the YAML text or where it came from, for people.

    Returns:
        Whether it is new.
    """
    tag = await connection.execute(
        query("insert_workflow"), bytes.fromhex(sha256), name, version, to_jsonb(definition), source
    )
    return tag.endswith(" 1")


async def get_workflow(database: Database, sha256: str) -> dict[str, Any] | None:
    """The definition that was stored under `sha256` (hex)."""
    found: dict[str, Any] | None = from_jsonb(await database.fetchval(query("get_workflow"), bytes.fromhex(sha256)))
    return found


async def last_submitted_workflow(database: Database, name: str, *, tenant: str) -> dict[str, Any] | None:
    """The definition of the workflow `name` that the tenant's newest run of it has."""
    found: dict[str, Any] | None = from_jsonb(await database.fetchval(query("last_submitted_workflow"), tenant, name))
    return found


async def insert_run(connection: Connection, run: NewRun) -> tuple[RunId, bool]:
    """Insert a run, unless its id or the tenant's idempotency key is taken.

    Returns:
        The id of the run that is stored now, and whether it is the new one.
    """
    inserted = await connection.fetchval(
        query("insert_run"),
        run.id,
        run.tenant,
        bytes.fromhex(run.workflow_sha256),
        run.workflow,
        run.version,
        bytes.fromhex(run.inputs.sha256),
        run.priority,
        run.idempotency_key,
        run.parent_run,
        run.parent_step,
        write_budget(run.budget),
        run.forked_from,
        write_fork(run.fork),
        run.traceparent,
    )
    if inserted is not None:
        return RunId(inserted), True
    first = await connection.fetchval(query("first_run"), run.id, run.tenant, run.idempotency_key)
    return RunId(first), False


async def take_ownership(
    database: Database, run_id: RunId, process_id: ProcessId, dead_after: float
) -> Ownership | None:
    """Make `process_id` the run's owner, if the run is unfinished and has no owner, or a dead one.

    Args:
        database: where the run is.
        run_id: the run.
        process_id: of this process, which has registered itself.
        dead_after: seconds without a heartbeat after which an owner is dead.
    """
    record = await database.fetchrow(query("take_ownership"), run_id, process_id, dead_after)
    return None if record is None else Ownership(as_row(RunRow, record), record["epoch"])


async def release_run(database: Database, run_id: RunId, epoch: int) -> bool:
    """Hand an unfinished run back, so that anybody may take it; False if it was not ours any more."""
    return await database.fetchval(query("release_run"), run_id, epoch) is not None


async def strays(database: Database, process_id: ProcessId, hosted: Collection[RunId]) -> list[tuple[RunId, int]]:
    """Unfinished runs that `process_id` owns and that are not among those it hosts, each with its epoch."""
    records = await database.fetch(query("strays"), process_id, list(hosted))
    return [(RunId(record["id"]), record["epoch"]) for record in records]


async def get_run(database: Database, run_id: RunId, *, tenant: str | None = None) -> RunRow | None:
    """A run, if there is one (of that tenant)."""
    record = await database.fetchrow(query("get_run"), run_id, tenant)
    return None if record is None else as_row(RunRow, record)


async def run_statuses(database: Database, asked: Sequence[tuple[RunId, str]]) -> list[str | None]:
    """How several runs stand, each given with its tenant; None for one that is not there."""
    records = await database.fetch(query("run_statuses"), *map(list, zip(*asked, strict=True)))
    found = {record["id"]: record["status"] for record in records}
    return [found.get(run_id) for run_id, _ in asked]


async def find_runs(database: Database, prefix: str, *, tenant: str) -> list[RunRow]:
    """At most twenty runs of a tenant whose id begins with `prefix` (hyphens are optional), the newest first."""
    digits = prefix.replace("-", "").lower()
    if not digits or len(digits) > 32 or not set(digits) <= set("0123456789abcdef"):
        return []
    low, high = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    return _rows(await database.fetch(query("find_runs"), low, high, tenant, _PREFIX_MATCHES))


async def list_runs(
    database: Database, *, tenant: str | None, status: str | None = None, limit: int = 50
) -> list[RunRow]:
    """The newest runs of a tenant (None: of all), of one status or of all."""
    return _rows(await database.fetch(query("list_runs"), tenant, status, limit))


async def set_status(connection: Connection, run_id: RunId, status: RunStatus) -> None:
    """Show that the run is paused, goes on, or is being cancelled, unless it has ended."""
    await connection.execute(query("set_status"), run_id, status.value)


async def finish_run(
    connection: Connection, run_id: RunId, *, status: str, output: PayloadRef | None, error: ErrorInfo | None
) -> RunRow | None:
    """End a run: its final status, and what all its attempts used together.

    Returns:
        The run as it is now; None if it had ended already, and then nothing was changed.
    """
    record = await connection.fetchrow(
        query("finish_run"), run_id, status, digest(output.sha256 if output else None), write_error(error)
    )
    return None if record is None else as_row(RunRow, record)


async def request_cancel(database: Database, run_id: RunId, *, tenant: str) -> ProcessId | None:
    """Put a cancel into the run's inbox (at most one unread); its owner, who is to be notified, if it has one.

    Raises:
        NotFound: the tenant has no such run.
        Conflict: it has ended already.
    """
    record = await database.fetchrow(query("request_cancel"), run_id, tenant)
    if record is None:
        raise NotFound(f"there is no run {run_id}")
    if record["finished"]:
        raise Conflict(f"run {run_id} has ended already: {record['status']}")
    return None if record["owner"] is None else ProcessId(record["owner"])


async def orphans(database: Database, dead_after: float, limit: int) -> list[tuple[RunId, int]]:
    """Unfinished runs without a live owner that have something to do, each with its priority.

    A parked run has something to do when its inbox is not empty or its `wake_at` is due.
    """
    records = await database.fetch(query("orphans"), dead_after, limit)
    return [(RunId(record["id"]), record["priority"]) for record in records]


def _rows(records: Iterable[Any]) -> list[RunRow]:
    return [as_row(RunRow, record) for record in records]
