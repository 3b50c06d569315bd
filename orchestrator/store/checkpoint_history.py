"""Finds a checkpoint, and what its delta channels are made of along the chain of its ancestors."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from langgraph.checkpoint.base import DeltaChannelHistory, PendingWrite
from langgraph.checkpoint.serde.base import SerializerProtocol

from orchestrator.store.checkpoint_format import Address
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Database, Record


async def fetch_checkpoint(database: Database, address: Address) -> Record | None:
    """The row of the checkpoint at `address`."""
    place = (address.thread_id, address.namespace)
    if address.checkpoint_id is None:
        return await database.fetchrow(query("latest_checkpoint"), *place)
    return await database.fetchrow(query("get_checkpoint"), *place, address.checkpoint_id)


async def read_history(
    database: Database, address: Address, channels: Sequence[str], serde: SerializerProtocol
) -> dict[str, DeltaChannelHistory]:
    """For each channel the nearest stored value (`seed`) and the writes since, the oldest first.

    One query walks the ancestors of the checkpoint at `address`, one reads the writes of those that it met.
    """
    history: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    target = address.checkpoint_id
    if channels and target is None:
        head = await fetch_checkpoint(database, address)
        target = None if head is None else head["checkpoint_id"]
    if not channels or target is None:
        return history
    place = (address.thread_id, address.namespace)
    walk = await database.fetch(query("walk_delta_channels"), *place, target, list(channels))
    for row in walk:
        if row["data"] is not None:
            history[row["channel"]]["seed"] = serde.loads_typed((row["type"], row["data"]))
        elif row["plain"] is not None:
            history[row["channel"]]["seed"] = json.loads(row["plain"])
    writes: dict[tuple[str, str], list[PendingWrite]] = defaultdict(list)
    met = [row["checkpoint_id"] for row in walk], [row["channel"] for row in walk]
    for row in await database.fetch(query("get_delta_writes"), *place, *met):
        value = serde.loads_typed((row["type"], row["data"]))
        writes[row["checkpoint_id"], row["channel"]].append((row["task_id"], row["channel"], value))
    for row in reversed(walk):
        history[row["channel"]]["writes"] += writes[row["checkpoint_id"], row["channel"]]
    return history
