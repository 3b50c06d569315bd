"""A small project on disk, and its processes: started as a person would, ended by their ids."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator import Orchestrator

PYPROJECT = """
[tool.orchestrator]
workers = ["workers"]
graphs = "graphs"
"""

WORKERS = '''
"""Workers that leave a line for every attempt that they finish."""

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel

from orchestrator import Context, worker

JOURNAL = Path(__file__).parent.parent / "journal.txt"


class Piece(BaseModel):
    number: int
    seconds: float = 0.5


@worker("slow.copy", pool="slow")
async def copy(input: Piece, ctx: Context) -> Piece:
    with JOURNAL.open("a") as journal:
        journal.write(f"begin {os.getpid()} {ctx.step} {ctx.item}\\n")
    await asyncio.sleep(input.seconds)
    with JOURNAL.open("a") as journal:
        journal.write(f"end {os.getpid()} {ctx.step} {ctx.item}\\n")
    return input
'''

FAN = """
api: orchestrator/v1
name: fan
version: 1.0.0
inputs: {pieces: {type: array}}
outputs: {total: "${{ size(steps.second.output) }}"}
steps:
  first:
    kind: worker
    worker: slow.copy
    foreach: {items: "${{ inputs.pieces }}", as: piece}
    with: {number: "${{ piece }}"}
  second:
    kind: worker
    worker: slow.copy
    foreach: {items: "${{ steps.first.output }}", as: piece}
    with: {number: "${{ piece.number }}"}
"""

ENVIRONMENT = {
    "ORCHESTRATOR_WORKER_LEASE": "3",
    "ORCHESTRATOR_SUPERVISOR_DEAD_AFTER": "3",
    "ORCHESTRATOR_SUPERVISOR_HEARTBEAT": "0.5",
}


class Project:
    """A project folder; commands and processes run in it."""

    def __init__(self, root: Path, database_url: str) -> None:
        self.root = root
        self.database_url = database_url
        self.journal = root / "journal.txt"
        for name, text in {
            "pyproject.toml": PYPROJECT,
            "workers/__init__.py": '"""Workers."""\n',
            "workers/slow.py": WORKERS,
            "graphs/fan.yaml": FAN,
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see: ours, without the keys of any model."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "ORCHESTRATOR"))}
        return kept | ENVIRONMENT | {"ORCHESTRATOR_DATABASE_URL": self.database_url}

    def command(self, *arguments: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `orchestrator …` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done

    def submit(self, pieces: int) -> str:
        """Begin a run and leave it to the processes; gives its id."""
        inputs = f"pieces={json.dumps(list(range(pieces)))}"
        return str(
            json.loads(self.command("run", "graphs/fan.yaml", "-i", inputs, "--detach", "--json").stdout)["run_id"]
        )

    @contextmanager
    def process(
        self, *arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A serving process, ended with SIGTERM at the end unless the test has ended it.

        Args:
            arguments: of `orchestrator`.
            prefix: a command that runs it in its own stead.
            environment: wins over the project's.
        """
        log = (self.root / f"{'-'.join(arguments).replace(' ', '')}.log").open("ab")
        running = subprocess.Popen(
            [*prefix, sys.executable, "-m", "orchestrator", *arguments],
            cwd=self.root,
            env=self.environment | dict(environment or {}),
            stdout=log,
            stderr=log,
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
            log.close()

    async def began(self, count: int) -> None:
        """Wait until so many attempts have begun."""
        async with asyncio.timeout(60):
            while not self.journal.exists() or self.journal.read_text().count("begin") < count:  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.05)

    async def holds(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until an attempt is running in a process."""
        async with asyncio.timeout(60):
            while True:
                text = self.journal.read_text() if self.journal.exists() else ""
                if text.count(f"begin {process.pid} ") > text.count(f"end {process.pid} "):
                    return
                await asyncio.sleep(0.02)

    async def finished(self, run_id: str) -> tuple[Any, Any]:
        """Wait for the run's end; its result and its rows."""
        async with Orchestrator.connect(database=self.database_url) as app:
            handle = await app.handle(run_id)
            return await handle.result(timeout=90), await handle.trace()
