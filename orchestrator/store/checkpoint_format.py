"""How a LangGraph checkpoint is laid out in rows: what stands in its JSON, and what is a blob or a write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from orchestrator.store.jsonb import to_jsonb

if TYPE_CHECKING:
    from orchestrator.store.database import Record

_SHORT: Final = 256
"""Characters of a string that may stand in the checkpoint itself, which is written whole every time."""

_NOT_COPIED: Final = ("channel_values", "pending_sends")
"""Values have their own place; `pending_sends` is what LangGraph wrote before it had the channel of tasks."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a checkpoint is: its thread, namespace and id (None: the latest)."""

    thread_id: str
    namespace: str
    checkpoint_id: str | None

    @classmethod
    def of(cls, config: RunnableConfig) -> Address:
        """The address in a LangGraph config."""
        configurable = config["configurable"]
        return cls(
            str(configurable["thread_id"]),
            str(configurable.get("checkpoint_ns") or ""),
            get_checkpoint_id(config),
        )

    def config(self, checkpoint_id: str) -> RunnableConfig:
        """The config of a checkpoint in the same thread and namespace."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": checkpoint_id,
            }
        }


@dataclass(frozen=True, slots=True)
class CheckpointRows:
    """A checkpoint as it is written: its JSON, and one (channel, version, type, data) for each new value."""

    text: str
    values: tuple[tuple[str, str, str, bytes], ...]


def write_checkpoint(
    checkpoint: Checkpoint, new_versions: ChannelVersions, serde: SerializerProtocol
) -> CheckpointRows:
    """Lay a checkpoint out: plain short values stay in it, the others are stored once for each version."""
    plain: dict[str, Any] = {}
    values: list[tuple[str, str, str, bytes]] = []
    for channel, value in checkpoint["channel_values"].items():
        if _stays(value):
            plain[channel] = value
        elif channel in new_versions:
            values.append((channel, str(new_versions[channel]), *serde.dumps_typed(value)))
    rest = {name: value for name, value in checkpoint.items() if name not in _NOT_COPIED}
    text = json.dumps({**rest, "channel_values": plain}, ensure_ascii=False, separators=(",", ":"))
    return CheckpointRows(text, tuple(values))


def _stays(value: Any) -> bool:
    """Whether `jsonb` gives back exactly this value (of a float it may make an integer)."""
    if value is None or type(value) in (bool, int):
        return True
    return type(value) is str and len(value) <= _SHORT and value.isprintable()


def write_writes(
    writes: Sequence[tuple[str, Any]], serde: SerializerProtocol
) -> tuple[tuple[list[int], list[str], list[str], list[bytes]], bool]:
    """One list a column (idx, channel, type, data), and whether they replace what is stored.

    LangGraph's own channels have fixed negative places; of several writes to one of them the last counts.
    """
    replace = all(channel in WRITES_IDX_MAP for channel, _ in writes)
    by_place: dict[int, tuple[str, Any]] = {}
    for index, (channel, value) in enumerate(writes):
        place = WRITES_IDX_MAP.get(channel, index)
        if replace or place not in by_place:
            by_place[place] = (channel, value)
    dumped = [serde.dumps_typed(value) for _, value in by_place.values()]
    columns = (
        list(by_place),
        [channel for channel, _ in by_place.values()],
        [kind for kind, _ in dumped],
        [data for _, data in dumped],
    )
    return columns, replace


def write_metadata(metadata: Any) -> str:
    """The JSON of a checkpoint's metadata, or of a filter for it."""
    return to_jsonb(metadata) or "{}"


def missing_values(record: Record) -> list[tuple[str, str]]:
    """The channels, with their versions, whose values may be stored apart from the checkpoint."""
    checkpoint = json.loads(record["checkpoint"])
    plain = checkpoint["channel_values"]
    versions = checkpoint["channel_versions"]
    return [(channel, str(version)) for channel, version in versions.items() if channel not in plain]


def read_checkpoint(record: Record, values: dict[str, Any], writes: list[PendingWrite]) -> CheckpointTuple:
    """Put a checkpoint together again.

    Args:
        record: its row.
        values: by channel, what was stored apart.
        writes: those that were stored for it, in the order in which they apply.
    """
    address = Address(record["thread_id"], record["checkpoint_ns"], record["checkpoint_id"])
    checkpoint = json.loads(record["checkpoint"])
    checkpoint["channel_values"] |= values
    parent = record["parent_checkpoint_id"]
    return CheckpointTuple(
        config=address.config(record["checkpoint_id"]),
        checkpoint=cast("Checkpoint", checkpoint),
        metadata=json.loads(record["metadata"]),
        parent_config=None if parent is None else address.config(parent),
        pending_writes=writes,
    )
