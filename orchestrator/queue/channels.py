"""Names of the queue's entrypoints and of the channels that wake their listeners, and what is sent there."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from pgqueuer.domain.models import TableChangedEvent
from pgqueuer.domain.types import Channel

from orchestrator.domain.identity import ProcessId
from orchestrator.queue.settings import QUEUE_SETTINGS

RUN_ENTRYPOINT: Final = "run"
"""The entrypoint of run jobs: a run that wants an owner."""

RUN_CHANNEL: Final = "orchestrator_runs"
"""Wakes the supervisors' consumers of run jobs."""

FINISHED_CHANNEL: Final = "orchestrator_finished"
"""Carries the id of every run that has ended, for clients that wait."""

FREED_CHANNEL: Final = "orchestrator_freed"
"""Carries the name of a limit at which there is room again, for worker processes that wait for it."""

_POOL_PREFIX: Final = "orchestrator_pool_"
_LONGEST_NAME: Final = 63
_PLAIN = re.compile(r"[a-z0-9_.-]+\Z")


def pool_entrypoint(pool: str) -> str:
    """The entrypoint of the permits of `pool`."""
    return f"pool:{pool}"


def pool_channel(pool: str) -> str:
    """The channel that wakes the consumers of `pool`.

    Postgres cuts channel names at 63 bytes, so a pool whose name is long or unusual is named by its hash.
    """
    name = _POOL_PREFIX + pool
    if len(name) <= _LONGEST_NAME and _PLAIN.match(pool):
        return name
    return f"{_POOL_PREFIX}#{hashlib.sha256(pool.encode()).hexdigest()[:40]}"


def emptied_channel(channel: str) -> str:
    """Where the consumers of `channel` tell each other that they have emptied the queue: what each heard before."""
    return f"orchestrator_emptied_{hashlib.sha256(channel.encode()).hexdigest()[:40]}"


def process_channel(process: ProcessId) -> str:
    """The channel on which `process` is told of runs: comma-joined run ids."""
    return f"orchestrator_process_{process.hex}"


def queue_event(channel: str) -> str:
    """The payload that makes a PgQueuer listener on `channel` look at the queue."""
    return TableChangedEvent(
        channel=Channel(channel),
        sent_at=datetime.now(UTC),
        type="table_changed_event",
        operation="insert",
        table=QUEUE_SETTINGS.queue_table,
    ).model_dump_json(exclude={"received_at"})
