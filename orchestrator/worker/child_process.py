"""What runs inside a `process=True` child: `python -m orchestrator.worker.child_process FD`."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.identity import RunId
from orchestrator.worker.context import Assignment, Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.describe import describe
from orchestrator.worker.failures import NotInChild
from orchestrator.worker.frames import read_frame, write_frame
from orchestrator.worker.invocation import as_payload, invoke
from orchestrator.worker.journal import Journal, plain_json
from orchestrator.worker.threads import Stop


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
    """Sends to the parent's journal, which counts and redacts."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def heartbeat(self, details: Mapping[str, Any]) -> None:
        self._link.send({"say": "heartbeat", "details": plain_json(dict(details))})

    def progress(self, fraction: float, text: str) -> None:
        self._link.send({"say": "progress", "fraction": fraction, "text": text})

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        plain = plain_json(dict(fields))
        self._link.send({"say": "log", "level": level, "message": str(message), "fields": plain})


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
    try:
        sys.path[:] = job["path"]
        worker = _import(job["module"], job["attribute"])
        retry_on = worker.retry_on
        facts = job["assignment"]
        facts |= {"run_id": RunId(uuid.UUID(facts["run_id"])), "feedback": tuple(facts["feedback"])}
        stop = Stop()
        ctx = Context(
            Assignment(**facts),
            journal=_RemoteJournal(link),
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
    except BaseException as error:  # noqa: BLE001 - user code; the parent is told what it raised
        return {"end": "error", "error": describe(error, retry_on=retry_on).as_json()}


def _import(module: str, attribute: str) -> Worker[..., Any]:
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Worker):
        raise NotInChild(f"{module}.{attribute} is not a worker when the child process imports it")
    return found


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
