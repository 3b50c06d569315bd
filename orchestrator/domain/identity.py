"""Ids. Attempt and span ids are deterministic, so that a repeated enqueue or export changes nothing."""

from __future__ import annotations

import hashlib
import uuid
from typing import NewType

import uuid_utils

RunId = NewType("RunId", uuid.UUID)
AttemptId = NewType("AttemptId", uuid.UUID)
ProcessId = NewType("ProcessId", uuid.UUID)

NO_ITEM = -1
"""The item index of a step without `foreach`."""


def new_run_id() -> RunId:
    """A time-ordered id (UUID version 7), so that index pages stay warm."""
    return RunId(uuid.UUID(bytes=uuid_utils.uuid7().bytes))


def new_process_id() -> ProcessId:
    """An id for a process that holds runs or claims attempts; never used again after it is declared dead."""
    return ProcessId(uuid.UUID(bytes=uuid_utils.uuid7().bytes))


def attempt_id(run_id: RunId, step: str, item: int, number: int, validator: str = "") -> AttemptId:
    """The id of try `number` (from 1) of a step's item, or of its validator `validator`."""
    return AttemptId(uuid.uuid5(run_id, f"{step}/{item}/{number}/{validator}"))


def trace_id(run_id: RunId) -> int:
    """The 128-bit OpenTelemetry trace id of a run: the run id itself."""
    return run_id.int


def span_id(run_id: RunId, *path: object) -> int:
    """A 64-bit span id for a place in the run: nothing for the run, a step, or a step and an attempt."""
    text = "/".join([str(run_id), *map(str, path)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1


def traceparent(run_id: RunId, *path: object) -> str:
    """The W3C `traceparent` header that makes the span at `path` the parent of what comes next."""
    return f"00-{trace_id(run_id):032x}-{span_id(run_id, *path):016x}-01"


def sha_label(sha256: str) -> str:
    """A workflow's digest (hex) as people see it beside its version: `#3fa9c1d2`."""
    return f"#{sha256[:8]}"
