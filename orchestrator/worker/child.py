"""`process=True`: runs a worker's function in a child process that can be killed. This is the parent's side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from orchestrator.domain.payload import Payload, PayloadRef
from orchestrator.worker.child_output import MOST, ChildOutput
from orchestrator.worker.context import Assignment
from orchestrator.worker.declaration import Worker
from orchestrator.worker.effects import Ledger
from orchestrator.worker.failures import ChildDied, NotInChild, RemoteFailure
from orchestrator.worker.frames import read_frame, write_frame
from orchestrator.worker.journal import Journal

LAST_WORDS_WITHIN = 0.5
"""Seconds in which what a child printed is read once it has ended."""


async def run_in_child(
    worker: Worker[..., Any],
    value: Any,
    assignment: Assignment,
    *,
    journal: Journal,
    ledger: Ledger,
    secrets: dict[str, str],
    database_url: str,
    max_bytes: int,
    clean: Callable[[str], str] = str,
) -> Payload:
    """Run one attempt in a process of its own. When cancelled, the child and what it started is killed.

    Args:
        worker: declared with `process=True` at the top of an importable module.
        value: the input, plain JSON.
        assignment: what the attempt is.
        journal: gets what the child says.
        ledger: asked when the child claims or confirms an effect.
        secrets: for `ctx.secret`.
        database_url: for `ctx.database_url`.
        max_bytes: of the output.
        clean: redacts secrets in what the child prints.

    Returns:
        The output as it will be stored.

    Raises:
        RemoteFailure: what the function raised, described.
        ChildDied: the child ended without a result.
        NotInChild: the function cannot be imported by the child.
    """
    said = asdict(assignment) | {"run_id": str(assignment.run_id)}
    job = _place(worker) | {"assignment": said, "value": value, "secrets": secrets, "database_url": database_url}
    job |= {"max_bytes": max_bytes, "memory_mb": worker.card.memory_mb}
    ours, theirs = socket.socketpair()
    printed, prints = os.pipe()
    try:
        process = await _start(theirs, prints)
    except BaseException:
        ours.close()
        os.close(printed)
        raise
    finally:
        theirs.close()
        os.close(prints)
    output = ChildOutput(clean)
    reading = asyncio.create_task(output.read(printed), name=f"output of {worker.name}")
    try:
        reader, writer = await asyncio.open_connection(sock=ours, limit=2**20)
        write_frame(writer, job)
        try:
            return await _converse(process, reader, writer, journal, ledger)
        finally:
            writer.close()
    except ChildDied as died:
        await asyncio.wait({reading}, timeout=LAST_WORDS_WITHIN)
        if output.last_words:
            died.add_note(f"what it printed last:\n{output.last_words}")
        raise
    finally:
        await _kill(process)
        await _end(reading, output, journal)


def _place(worker: Worker[..., Any]) -> dict[str, Any]:
    """Where the child imports the worker from."""
    if worker.function.__module__ == "__main__":
        raise NotInChild(
            f"{worker.name} is defined in the script that was started, where a child process cannot import it",
            remedy="move it into a module of the project",
        )
    return {"path": sys.path, "module": worker.function.__module__, "attribute": worker.function.__qualname__}


async def _end(reading: asyncio.Task[None], output: ChildOutput, journal: Journal) -> None:
    """Read what is left; somebody whom the child started may hold the pipe open for ever."""
    await asyncio.wait({reading}, timeout=LAST_WORDS_WITHIN)
    reading.cancel()
    if output.dropped:
        journal.note(
            "warning", f"{output.dropped:,} bytes of what it printed were dropped; the first {MOST:,} are kept"
        )


async def _start(theirs: socket.socket, prints: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.worker.child_process",
        str(theirs.fileno()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=prints,
        stderr=prints,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, not the child's
    )


async def _converse(
    process: asyncio.subprocess.Process,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    journal: Journal,
    ledger: Ledger,
) -> Payload:
    """Answer the child until it says how the attempt ended."""
    while (message := await read_frame(reader)) is not None:
        match message:
            case {"end": "output", "sha256": sha256, "data": data}:
                encoded = str(data).encode()
                return Payload(PayloadRef(sha256, len(encoded)), encoded)
            case {"end": "error", "error": error}:
                raise RemoteFailure(error)
            case {"say": "heartbeat", "details": details}:
                journal.heartbeat(details)
            case {"say": "progress", "fraction": fraction, "text": text}:
                journal.progress(fraction, text)
            case {"say": "log", "level": level, "message": line, "fields": fields}:
                journal.log(level, line, fields)
            case {"say": "dropped", "lines": lines}:
                journal.drop(lines)
            case {"ask": "claim", "key": key}:
                row = await ledger.claim(key)
                write_frame(writer, {"state": row.state, "result": row.result})
            case {"ask": "confirm", "key": key, "result": result}:
                await ledger.confirm(key, result)
                write_frame(writer, {"state": "confirmed", "result": result})
    raise ChildDied(f"the child process ended without a result ({_how(await process.wait())})")


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the child's whole session, and wait for the child itself even while being cancelled."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    waiting = asyncio.ensure_future(process.wait())
    cancelled = False
    while not waiting.done():
        try:
            await asyncio.wait({waiting})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


def _how(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
