"""Deletes checkpoints that are not needed any more, with the writes and channel values that only they had."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection


async def keep_latest(connection: Connection, thread_id: str) -> None:
    """Keep the newest checkpoint of each namespace, and the ancestors that its delta channels are made of.

    A delta channel is stored as its changes: its value is the nearest stored one and all writes since, so that
    whole piece of the chain stays.
    """
    for head in await connection.fetch(query("checkpoint_heads"), thread_id):
        namespace, latest = head["checkpoint_ns"], head["checkpoint_id"]
        kept = {latest}
        if head["delta_channels"]:
            walk = await connection.fetch(
                query("walk_delta_channels"), thread_id, namespace, latest, head["delta_channels"]
            )
            kept |= {row["checkpoint_id"] for row in walk}
        older = await connection.fetch(query("checkpoints_before"), thread_id, namespace, latest)
        gone = [row["checkpoint_id"] for row in older if row["checkpoint_id"] not in kept]
        await delete_checkpoints(connection, thread_id, namespace, gone)


async def delete_checkpoints(connection: Connection, thread_id: str, namespace: str, ids: Collection[str]) -> None:
    """Delete these checkpoints of one namespace, in the caller's transaction."""
    if not ids:
        return
    place = (thread_id, namespace)
    deleted = await connection.fetch(query("delete_checkpoints"), *place, list(ids))
    await connection.execute(query("delete_writes"), *place, list(ids))
    freed = sorted(
        {(channel, str(version)) for row in deleted for channel, version in json.loads(row["versions"]).items()}
    )
    await connection.execute(
        query("delete_channel_values"),
        *place,
        [channel for channel, _ in freed],
        [version for _, version in freed],
    )
