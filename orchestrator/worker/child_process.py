"""What runs inside a `process=True` child: `python -m orchestrator.worker.child_process FD`."""

from __future__ import annotations

import asyncio
import importlib
import os
import resource
import socket
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.event import ATTEMPT_PROGRESS
from orchestrator.domain.identity import RunId
from orchestrator.worker.context import Assignment, Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.describe import describe
from orchestrator.worker.failures import NotInChild, OutOfMemory
from orchestrator.worker.frames import read_frame, write_frame
from orchestrator.worker.invocation import as_payload, invoke
from orchestrator.worker.journal import Journal
from orchestrator.worker.threads import Stop

SAY_EVERY = 0.1
"""Seconds between two times that what the function says is sent."""


@dataclass(frozen=True, slots=True)
class _Row:
    state: str
    result: Any


class _Link:
    """The child's end of the socket pair; `send` may be called from any thread."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message to the parent."""
        self._loop.call_soon_threadsafe(write_frame, self._writer, message)

    async def ask(self, message: dict[str, Any]) -> _Row:
        """Send a question and wait for its answer."""
        async with self._turn:
            self.send(message)
            answer = await self._answers.get()
            return _Row(answer["state"], answer["result"])

    async def listen(self) -> None:
        """Sort in the parent's answers; when the parent is gone, end at once."""
        while (message := await read_frame(self._reader)) is not None:
            self._answers.put_nowait(message)
        os._exit(1)


class _RemoteJournal(Journal):
    """Bounds and gathers what is said here, and sends it to the parent's journal, which redacts."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._sending = threading.Lock()
        self._told = 0

    def heartbeat(self, details: Mapping[str, Any]) -> None:
        super().heartbeat(details)
        self._soon()

    def progress(self, fraction: float, text: str) -> None:
        super().progress(fraction, text)
        self._soon()

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        super().log(level, message, fields)
        if self.dirty:
            self._soon()

    def _soon(self) -> None:
        """Send from the event loop, a few times a second however often something is said."""
        if self._sending.acquire(blocking=False):
            self._loop.call_soon_threadsafe(self._first)

    def _first(self) -> None:
        self.send()
        self._loop.call_later(SAY_EVERY, self._again)

    def _again(self) -> None:
        self._sending.release()
        if self.dirty:
            self._soon()

    def send(self) -> None:
        """Send what has been said since the last time; call it on the event loop."""
        pulse = self.take()
        if pulse.beat:
            self._link.send({"say": "heartbeat", "details": pulse.details})
        for entry in pulse.entries:
            if entry.kind == ATTEMPT_PROGRESS:
                self._link.send({"say": "progress", **entry.data})
            else:
                self._link.send({"say": "log", "fields": {}, **entry.data})
        dropped = self.dropped  # read once: another thread may be counting
        if dropped > self._told:
            self._link.send({"say": "dropped", "lines": dropped - self._told})
            self._told = dropped


class _RemoteLedger:
    """The parent's effect ledger."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    async def claim(self, key: str) -> _Row:
        return await self._link.ask({"ask": "claim", "key": key})

    async def confirm(self, key: str, result: Any) -> None:
        await self._link.ask({"ask": "confirm", "key": key, "result": result})


class _NoModels:
    """Model calls belong to the event loop of the worker process, where they are traced and priced."""

    async def chat(self, tier: str, **options: Any) -> Any:
        raise NotInChild(
            "a process=True worker cannot call models",
            remedy="call the model in a step of its own, or without process=True",
        )


async def serve(descriptor: int) -> None:
    """Do the one job that the parent sends, and answer with how it ended."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor), limit=2**20)
    job = await read_frame(reader)
    if job is None:
        return
    link = _Link(reader, writer)
    listening = asyncio.create_task(link.listen())
    try:
        link.send(await _attempt(job, link))
        await asyncio.sleep(0)  # let what was queued from threads be written first
        await writer.drain()
    finally:
        listening.cancel()
        writer.close()
    await writer.wait_closed()


async def _attempt(job: dict[str, Any], link: _Link) -> dict[str, Any]:
    retry_on: tuple[type[BaseException], ...] = ()
    journal = _RemoteJournal(link)
    try:
        sys.path[:] = job["path"]
        _limit_memory(job["memory_mb"])
        worker = _import(job["module"], job["attribute"])
        retry_on = worker.retry_on
        facts = job["assignment"]
        facts |= {"run_id": RunId(uuid.UUID(facts["run_id"])), "feedback": tuple(facts["feedback"])}
        stop = Stop()
        ctx = Context(
            Assignment(**facts),
            journal=journal,
            ledger=_RemoteLedger(link),
            models=_NoModels(),
            secrets=job["secrets"],
            database_url=job["database_url"],
            stopped=stop.requested,
            loop=asyncio.get_running_loop(),
        )
        result = await invoke(worker, job["value"], ctx, stop)
        payload = as_payload(worker, result, max_bytes=job["max_bytes"])
        return {"end": "output", "sha256": payload.ref.sha256, "data": payload.data.decode()}
    except MemoryError as error:
        limit = OutOfMemory(f"the child process needed more than its memory_mb={job['memory_mb']}")
        return {"end": "error", "error": describe(limit if job["memory_mb"] else error, retry_on=retry_on).as_json()}
    except BaseException as error:  # noqa: BLE001 - user code; the parent is told what it raised
        return {"end": "error", "error": describe(error, retry_on=retry_on).as_json()}
    finally:
        journal.send()


def _limit_memory(megabytes: int | None) -> None:
    """Bound the address space: an allocation beyond it raises MemoryError here instead of costing a neighbour his."""
    if megabytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, resource.RLIM_INFINITY))


def _import(module: str, attribute: str) -> Worker[..., Any]:
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Worker):
        raise NotInChild(f"{module}.{attribute} is not a worker when the child process imports it")
    return found


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
