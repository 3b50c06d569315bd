"""The checkpoints of runs: each is written with the tables that it knows of, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)

from orchestrator.domain.run import RunState
from orchestrator.store import AsyncpgSaver, Database
from orchestrator.store.checkpoint_format import Address, write_checkpoint, write_metadata, write_writes
from orchestrator.store.state_serializer import StateSerializer
from orchestrator.store.superstep import CheckpointWrite
from orchestrator.supervisor.commits import Commits
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft


@dataclass(slots=True)
class _Thread:
    """What LangGraph has given of a run's thread and is not written yet."""

    context: RunContext
    held: list[CheckpointWrite] = field(default_factory=list)
    writes: list[tuple[str, str, str, int, str, str, bytes]] = field(default_factory=list)


class RunSaver(AsyncpgSaver):
    """Writes a run's checkpoint together with the draft of the superstep that it ends.

    So there is no moment in which one is durable and the other is not: a supervisor that dies repeats a superstep whole
    or not at all. The checkpoint of a run's input waits for that of its first superstep.
    """

    def __init__(self, database: Database, commits: Commits) -> None:
        super().__init__(database, serde=StateSerializer())
        self._commits = commits
        self._threads: dict[str, _Thread] = {}

    @contextmanager
    def driving(self, context: RunContext) -> Iterator[None]:
        """While the block lasts, checkpoints of the run's thread take its drafts along."""
        thread_id = str(context.run_id)
        self._threads[thread_id] = _Thread(context)
        try:
            yield
        finally:
            del self._threads[thread_id]

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote for the next checkpoint; LangGraph's own marks, such as an error, are written at once.

        Raises:
            Fenced: this process owns the run no longer.
        """
        thread = self._threads.get(str(config["configurable"]["thread_id"]))
        columns, special = write_writes(writes, self.serde)
        if thread is None or special:
            await super().aput_writes(config, writes, task_id, task_path)
            return
        checkpoint = Address.of(config).checkpoint_id or ""
        thread.writes += [(checkpoint, task_id, task_path, *row) for row in zip(*columns, strict=True)]

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint with the tasks' writes before it, and with all that the superstep has changed.

        Raises:
            Fenced: this process owns the run no longer; nothing is written.
        """
        address = Address.of(config)
        thread = self._threads.get(address.thread_id)
        if thread is None:
            return await super().aput(config, checkpoint, metadata, new_versions)
        rows = write_checkpoint(checkpoint, new_versions, self.serde)
        writes, thread.writes = thread.writes, []
        thread.held.append(
            CheckpointWrite(
                checkpoint["id"],
                address.checkpoint_id,
                rows.text,
                write_metadata(get_serializable_checkpoint_metadata(config, metadata)),
                rows.values,
                writes,
            )
        )
        if metadata.get("source") != "input":
            held, thread.held = thread.held, []
            draft, thread.context.draft = thread.context.draft, None
            await self._commits.commit(draft or Draft(thread.context, RunState()), held)
        return address.config(checkpoint["id"])
