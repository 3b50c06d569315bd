"""LangGraph's checkpoints in Postgres, over asyncpg: one statement a write, and fenced by the run's epoch if asked."""

from __future__ import annotations

import secrets
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from orchestrator.errors import Fenced
from orchestrator.store.checkpoint_format import (
    Address,
    missing_values,
    read_checkpoint,
    write_checkpoint,
    write_metadata,
    write_writes,
)
from orchestrator.store.checkpoint_history import fetch_checkpoint, read_history
from orchestrator.store.checkpoint_pruning import delete_checkpoints, keep_latest
from orchestrator.store.database import Database
from orchestrator.store.migrations import SCHEMA_LOCK
from orchestrator.store.queries import query
from orchestrator.store.sync_saver import SyncBridge

if TYPE_CHECKING:
    from orchestrator.store.database import Pool, Record

_PAGE: Final = 100


class AsyncpgSaver(SyncBridge):
    """A checkpoint saver for any LangGraph graph.

    With `configurable.epoch` (an int) in the config, the thread is one of our runs: every write then happens only
    while the run has that epoch, else it raises Fenced. Without it nothing of the runs is looked at.
    """

    def __init__(self, database: Database | Pool, *, serde: SerializerProtocol | None = None) -> None:
        """Use a database, or any asyncpg pool.

        Args:
            database: where the tables are; see `setup`.
            serde: for channel values and writes; LangGraph's own by default.
        """
        super().__init__(serde=serde)
        self._database = database if isinstance(database, Database) else Database("", database)

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls, url: str, *, serde: SerializerProtocol | None = None
    ) -> AsyncIterator[AsyncpgSaver]:
        """A saver with a pool of its own, closed at the end of the block.

        Raises:
            DatabaseUnavailable: the server does not answer.
        """
        database = await Database.connect(url)
        try:
            yield cls(database, serde=serde)
        finally:
            await database.close()

    async def setup(self) -> None:
        """Create the schema `orchestrator` with the three checkpoint tables, where they are not there yet."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
            await connection.execute(query("create_checkpoint_tables"))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, and the values of the channels in `new_versions`; the config that names it.

        Raises:
            Fenced: the config has an epoch, and the run has another.
        """
        address = Address.of(config)
        rows = write_checkpoint(checkpoint, new_versions, self.serde)
        await self._write(
            "put_checkpoint",
            config,
            address.thread_id,
            address.namespace,
            checkpoint["id"],
            address.checkpoint_id,
            rows.text,
            write_metadata(get_serializable_checkpoint_metadata(config, metadata)),
            [channel for channel, _, _, _ in rows.values],
            [version for _, version, _, _ in rows.values],
            [kind for _, _, kind, _ in rows.values],
            [data for _, _, _, data in rows.values],
        )
        return address.config(checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote after the checkpoint of `config`.

        Raises:
            Fenced: the config has an epoch, and the run has another.
        """
        address = Address.of(config)
        columns, replace = write_writes(writes, self.serde)
        await self._write(
            "put_writes",
            config,
            address.thread_id,
            address.namespace,
            address.checkpoint_id,
            task_id,
            task_path,
            *columns,
            replace,
        )

    async def _write(self, name: str, config: RunnableConfig, *values: Any) -> None:
        epoch = config["configurable"].get("epoch")
        if epoch is None:
            await self._database.execute(query(name), *values)
            return
        thread_id = config["configurable"]["thread_id"]
        run_id = uuid.UUID(str(thread_id))
        if await self._database.fetchval(query(f"{name}_fenced"), *values, run_id, epoch) is None:
            raise Fenced(f"run {thread_id} is no longer owned with epoch {epoch}")

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread and namespace."""
        address = Address.of(config)
        record = await fetch_checkpoint(self._database, address)
        return None if record is None else (await self._complete([record]))[0]

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, the newest first, read in pages.

        Args:
            config: a thread, and its namespace and checkpoint if it names them; None for all threads.
            filter: what the metadata must contain.
            before: only checkpoints older than the one that it names.
            limit: how many at the most.
        """
        configurable = config["configurable"] if config else {}
        narrowed = (
            configurable.get("thread_id"),
            configurable.get("checkpoint_ns"),
            get_checkpoint_id(config) if config else None,
            write_metadata(filter) if filter else None,
            get_checkpoint_id(before) if before else None,
        )
        last: list[str] | None = None
        while limit is None or limit > 0:
            size = _PAGE if limit is None else min(limit, _PAGE)
            records = await self._database.fetch(query("list_checkpoints"), *narrowed, last, size)
            for found in await self._complete(records):
                yield found
            if len(records) < size:
                return
            last = [records[-1][name] for name in ("checkpoint_id", "thread_id", "checkpoint_ns")]
            limit = None if limit is None else limit - size

    async def _complete(self, records: Sequence[Record]) -> list[CheckpointTuple]:
        """Add to checkpoints what is stored apart from them, with two queries for all together."""
        wanted = {
            (record["thread_id"], record["checkpoint_ns"], channel, version): None
            for record in records
            for channel, version in missing_values(record)
        }
        stored: dict[tuple[str, ...], Any] = {}
        if wanted:
            for row in await self._database.fetch(query("get_channel_values"), *map(list, zip(*wanted, strict=True))):
                key = (row["thread_id"], row["checkpoint_ns"], row["channel"], row["version"])
                stored[key] = (row["type"], row["data"])
        writes = await self._writes_of(records)
        tuples = []
        for record in records:
            place = (record["thread_id"], record["checkpoint_ns"])
            # Loaded afresh for each checkpoint: two that have the same version must not share one object.
            values = {
                channel: self.serde.loads_typed(stored[(*place, channel, version)])
                for channel, version in missing_values(record)
                if (*place, channel, version) in stored
            }
            tuples.append(read_checkpoint(record, values, writes[(*place, record["checkpoint_id"])]))
        return tuples

    async def _writes_of(self, records: Sequence[Record]) -> dict[tuple[str, ...], list[PendingWrite]]:
        names = ("thread_id", "checkpoint_ns", "checkpoint_id")
        writes: dict[tuple[str, ...], list[PendingWrite]] = defaultdict(list)
        if records:
            places = [[record[name] for record in records] for name in names]
            for row in await self._database.fetch(query("get_writes"), *places):
                value = self.serde.loads_typed((row["type"], row["data"]))
                writes[tuple(row[name] for name in names)].append((row["task_id"], row["channel"], value))
        return writes

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What each channel's value is made of: the nearest stored value, and the writes since, the oldest first.

        Args:
            config: the checkpoint whose ancestors are walked.
            channels: names of delta channels.
        """
        return await read_history(self._database, Address.of(config), channels, self.serde)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete everything of a thread."""
        await self._database.execute(query("delete_threads"), [str(thread_id)])

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything of a thread, all ancestors included, into another."""
        await self._database.execute(query("copy_thread"), str(source_thread_id), str(target_thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata names one of these LangGraph runs, with their writes and values."""
        if not run_ids:
            return
        async with self._database.transaction() as connection:
            groups: dict[tuple[str, str], list[str]] = defaultdict(list)
            for row in await connection.fetch(query("checkpoints_of_runs"), [str(run_id) for run_id in run_ids]):
                groups[row["thread_id"], row["checkpoint_ns"]].append(row["checkpoint_id"])
            for (thread_id, namespace), ids in groups.items():
                await delete_checkpoints(connection, thread_id, namespace, ids)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete what is not needed any more.

        Args:
            thread_ids: of the threads.
            strategy: `keep_latest` keeps the newest checkpoint of each namespace, and those ancestors that its
                delta channels are made of; `delete` keeps nothing.

        Raises:
            ValueError: there is no such strategy.
        """
        if strategy == "delete":
            await self._database.execute(query("delete_threads"), [str(thread_id) for thread_id in thread_ids])
        elif strategy == "keep_latest":
            for thread_id in thread_ids:
                async with self._database.transaction() as connection:
                    await keep_latest(connection, str(thread_id))
        else:
            raise ValueError(f"there is no strategy {strategy!r}; there are 'keep_latest' and 'delete'")

    def get_next_version(self, current: str | None, channel: None) -> str:
        """The version after `current`: text that sorts by its number.

        The random tail tells apart what two forks of a thread write as the same number.
        """
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:012d}.{secrets.token_hex(4)}"
