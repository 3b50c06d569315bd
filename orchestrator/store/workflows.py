"""Which definitions of a workflow are stored, and which of them unfinished runs are pinned to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.identity import RunId
from orchestrator.store.jsonb import from_jsonb
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Pinned:
    """A definition of a workflow, and the unfinished runs that keep it.

    Attributes:
        sha256: hex.
        version: as the definition has it.
        runs: how many.
        ids: the three oldest of them at most.
    """

    sha256: str
    version: str
    runs: int
    ids: tuple[RunId, ...] = ()


async def same_label(connection: Connection, *, name: str, version: str, sha256: str, tenant: str) -> list[Pinned]:
    """The other definitions that are stored under a name and version, the newest first, with the tenant's runs."""
    records = await connection.fetch(query("same_label"), name, version, bytes.fromhex(sha256), tenant)
    return [Pinned(row["sha256"], version, row["runs"], tuple(row["ids"] or ())) for row in records]


async def pinned_by_runs(database: Database, name: str, *, tenant: str | None) -> list[Pinned]:
    """The definitions of a workflow that unfinished runs of a tenant (None: of all) keep, the oldest run's first."""
    records = await database.fetch(query("pinned_by_runs"), name, tenant)
    return [Pinned(row["sha256"], row["version"], row["runs"], tuple(row["ids"] or ())) for row in records]


async def is_stored(connection: Connection, sha256: str) -> bool:
    """Whether a definition (hex) is stored; those that it calls are stored with it."""
    return await connection.fetchval(query("workflow_is_stored"), bytes.fromhex(sha256)) is not None


async def definition(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """What is stored under a digest (hex), read inside the caller's transaction."""
    found: dict[str, Any] | None = from_jsonb(await connection.fetchval(query("get_workflow"), bytes.fromhex(sha256)))
    return found
