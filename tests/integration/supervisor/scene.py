"""Workers for the supervisor's tests, and a way to open them on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from orchestrator import Context, Invalid, Orchestrator, RunResult, RunTrace, Workflow, validator, worker
from orchestrator.settings import DatabaseSettings, Settings, SupervisorSettings, WorkerSettings

T = TypeVar("T")


class Said(BaseModel):
    """Some text."""

    text: str


class Timed(BaseModel):
    """Some text after some seconds."""

    seconds: float
    text: str = ""


class Flaky(BaseModel):
    """Fails with `error` so many times before it succeeds."""

    failures: int
    error: str = "connection"


class Duplicate(Exception):
    """The thing exists already."""

    code = "duplicate"


@dataclass
class Scene:
    """An opened app, and what its workers have seen."""

    app: Orchestrator
    calls: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    feedback: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(list))

    async def at_work(self, step: str) -> bool:
        """Whether a worker is at a step that waits."""
        return self.running[step] > 0

    async def called(self, text: str) -> bool:
        """Whether a worker was given a text."""
        return self.calls[text] > 0

    async def run(
        self, steps: str, inputs: dict[str, Any] | None = None, *, head: str = ""
    ) -> tuple[RunResult, RunTrace]:
        """Run a workflow that is given by its steps (and `head`, what stands before them)."""
        handle = await self.app.submit(flow(steps, head), inputs or {})
        result = await handle.result(timeout=60)
        return result, await handle.trace()


async def until(holds: Callable[[], Awaitable[T]]) -> T:
    """What a condition gives once that counts as true, within twenty seconds."""
    async with asyncio.timeout(20):
        while not (found := await holds()):  # noqa: ASYNC110 - rows, and counts of workers
            await asyncio.sleep(0.02)
    return found


def flow(steps: str, head: str = "") -> Workflow:
    """A workflow from its steps."""
    return Workflow.from_yaml(f"api: orchestrator/v1\nname: scene\nversion: 1.0.0\n{head}\nsteps:\n{steps}")


def workers_of(scene: dict[str, Scene]) -> list[object]:
    """Fresh workers that report to `scene["it"]`."""

    @worker("t.say", pool="test")
    async def say(input: Said, ctx: Context) -> Said:
        scene["it"].calls[input.text] += 1
        scene["it"].feedback[ctx.step].append(tuple(ctx.feedback))
        return Said(text=input.text.upper() if ctx.feedback else input.text)

    @worker("t.wait", pool="test")
    async def wait(input: Timed, ctx: Context) -> Said:
        it = scene["it"]
        it.calls[input.text] += 1
        it.running[ctx.step] += 1
        it.peak[ctx.step] = max(it.peak[ctx.step], it.running[ctx.step])
        try:
            await asyncio.sleep(input.seconds)
        finally:
            it.running[ctx.step] -= 1
        return Said(text=input.text)

    @worker("t.flaky", pool="test")
    async def flaky(input: Flaky, ctx: Context) -> Said:
        scene["it"].calls[ctx.step] += 1
        if scene["it"].calls[ctx.step] <= input.failures:
            raise {
                "connection": ConnectionError("gone"),
                "value": ValueError("wrong"),
                "duplicate": Duplicate("twice"),
            }[input.error]
        return Said(text="done")

    @worker("t.rules", pool="rules")
    async def rules(input: dict[str, Any]) -> Said:
        return Said(text="by the rules")

    @worker("t.loose", pool="test")
    async def loose(input: dict[str, Any]) -> Any:
        return input

    @validator("t.upper")
    async def upper(output: Said, ctx: Context) -> bool:
        if output.text != output.text.upper() and output.text != "by the rules":
            raise Invalid("not in upper case")
        return True

    @validator("t.broken")
    async def broken(output: Said) -> bool:
        raise RuntimeError("cannot judge")

    return [say, wait, flaky, rules, loose, upper, broken]


@asynccontextmanager
async def opened(
    database_url: str, folder: Path, *, pool_size: int = 12, more: Sequence[object] = (), **supervisor: float
) -> AsyncIterator[Scene]:
    """The scene with a supervisor, some of whose settings may be given, and workers in this process, `more` besides."""
    holder: dict[str, Scene] = {}
    settings = Settings(
        root=folder,
        database=DatabaseSettings(url=database_url, pool_size=pool_size),
        supervisor=SupervisorSettings.model_validate({"heartbeat": 0.5, "dead_after": 2.0, "sweep": 0.3} | supervisor),
        worker=WorkerSettings(lease=3.0, grace=5.0),
    )
    async with Orchestrator.open(folder, settings=settings, workers=[*workers_of(holder), *more]) as app:
        holder["it"] = Scene(app)
        yield holder["it"]
