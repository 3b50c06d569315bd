"""What a run's supervisor knew, checkpoint by checkpoint: the patches that its checkpoints are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.identity import RunId
from orchestrator.domain.run import Patch
from orchestrator.store.queries import query
from orchestrator.store.state_format import CHANNEL, STATE, read_patch

if TYPE_CHECKING:
    from orchestrator.store.database import Database


@dataclass(frozen=True, slots=True)
class StoredPatch:
    """What one checkpoint added.

    Attributes:
        checkpoint: its id, to go on reading from.
        number: of the checkpoint, counted from the run's beginning.
        at: when it was made (Unix seconds).
    """

    checkpoint: str
    number: int
    at: float
    patch: Patch


async def read_patches(
    database: Database, run_id: RunId, *, tenant: str, after: str = "", limit: int = 100
) -> list[StoredPatch]:
    """The next patches of a tenant's run, the oldest first.

    Args:
        database: where the run is.
        run_id: the run.
        tenant: whose run it is; that of another has no checkpoints.
        after: the checkpoint of the last one that the reader has, empty at the beginning.
        limit: so many at the most.
    """
    records = await database.fetch(query("read_patches"), run_id, tenant, CHANNEL, after, limit)
    return [
        StoredPatch(record["checkpoint_id"], record["number"], record["at"].timestamp(), read_patch(record["data"]))
        for record in records
    ]


async def oldest_state(database: Database, run_id: RunId, *, tenant: str) -> StoredPatch | None:
    """The whole state at the oldest checkpoint that is left, as one patch; None where none before it was pruned."""
    record = await database.fetchrow(query("oldest_state"), run_id, tenant, CHANNEL, STATE)
    if record is None:
        return None
    patch = read_patch(record["data"])
    return StoredPatch(record["checkpoint_id"], record["number"], record["at"].timestamp(), patch)


async def has_checkpoints(database: Database, run_id: RunId, *, tenant: str) -> bool:
    """Whether it is still known what the supervisor of a tenant's run knew."""
    return await database.fetchval(query("has_checkpoints"), run_id, tenant) is not None
