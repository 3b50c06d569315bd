"""A step whose steps a model writes, and an app whose planner follows a script."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orchestrator import Context, Orchestrator, RunHandle, RunResult, RunTrace, Workflow, worker
from orchestrator.settings import DatabaseSettings, ModelSettings, Settings, SupervisorSettings, WorkerSettings
from orchestrator.testing import ReceivedRequest, ScriptedModel, answer_json

FLOW = """
api: orchestrator/v1
name: scene
version: 1.0.0
inputs: {{folder: {{type: string, default: docs}}}}
outputs: {{report: "${{{{ steps.dig.output.report }}}}"}}
steps:
  dig:
    kind: plan
    goal: Report on ${{{{ inputs.folder }}}}
    with: {{folder: "${{{{ inputs.folder }}}}"}}
    workers: [p.list, p.read, p.join]
    model: {model}
    output: {{type: object, required: [report], properties: {{report: {{type: string}}}}}}
    {more}
"""

LIST = {"id": "find", "worker": "p.list", "with": {"folder": "${{ inputs.folder }}"}}
READ = {
    "id": "read",
    "worker": "p.read",
    "with": {"path": "${{ path }}"},
    "foreach": {"items": "${{ steps.find.output.paths }}", "as": "path"},
}
JOIN = {"id": "join", "worker": "p.join", "with": {"texts": "${{ steps.read.output.map(one, one.text) }}"}}
GOOD = {"steps": [LIST, READ, JOIN], "outputs": {"report": "${{ steps.join.output.report }}"}}


def plan(*steps: dict[str, Any], report: str = "${{ steps.join.output.report }}") -> dict[str, Any]:
    """A plan of these steps."""
    return {"steps": list(steps), "outputs": {"report": report}}


class Folder(BaseModel):
    """Where to look."""

    folder: str


class Paths(BaseModel):
    """What is there."""

    paths: list[str]


class Place(BaseModel):
    """What to read."""

    path: str


class Content(BaseModel):
    """What stands there."""

    text: str


class Contents(BaseModel):
    """What to join."""

    texts: list[str]
    title: str = ""


class Report(BaseModel):
    """All of it."""

    report: str


@dataclass
class Office:
    """An opened app; `plans` are what the planner's model answers, in order, `asked` what it was asked.

    `failures` says how often a worker fails before it works; `calls` counts them; `held` ones wait.
    """

    plans: list[Any]
    asked: list[ReceivedRequest] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    held: dict[str, bool] = field(default_factory=dict)
    app: Orchestrator = field(init=False)

    def reply(self, request: ReceivedRequest) -> object:
        """The next plan; each costs a dollar."""
        self.asked.append(request)
        said = self.plans.pop(0)
        return answer_json(said, input_tokens=1_000_000, output_tokens=0) if isinstance(said, dict) else said

    async def at_work(self, name: str) -> bool:
        """Whether a worker was called."""
        return self.calls[name] > 0

    async def meet(self, name: str) -> None:
        """Count a call, hold it, and fail it where it is to fail."""
        self.calls[name] += 1
        while self.held.get(name):  # noqa: ASYNC110 - a test lets it go
            await asyncio.sleep(0.02)
        if self.calls[name] <= self.failures[name]:
            raise ValueError(f"{name} is out of order")

    async def submit(self, more: str = "", model: str = "small") -> RunHandle:
        """Begin a run of the step."""
        return await self.app.submit(Workflow.from_yaml(FLOW.format(more=more, model=model)), {})

    async def run(self, more: str = "", model: str = "small") -> tuple[RunResult, RunTrace]:
        """Run it to its end."""
        handle = await self.submit(more, model)
        result = await handle.result(timeout=60)
        return result, await handle.trace()

    async def below(self, handle: RunHandle | RunTrace, step: str) -> RunTrace:
        """The run that the newest attempt of a step carried out."""
        trace = await handle.trace() if isinstance(handle, RunHandle) else handle
        attempt = [row for row in trace.attempts if row.step == step][-1]
        return await (await self.app.handle(str(attempt.id))).trace()

    async def said(self, trace: RunTrace, kind: str) -> list[dict[str, Any]]:
        """The data of a run's events of one kind."""
        handle = await self.app.handle(str(trace.run.id))
        return [stored.event.data async for stored in handle.events() if stored.event.kind == kind]


def staff(office: Office) -> list[object]:
    """The workers that plans may call, and one that they may not."""

    @worker("p.list", pool="test")
    async def find(input: Folder) -> Paths:
        """List what is in a folder."""
        await office.meet("p.list")
        return Paths(paths=[f"{input.folder}/a", f"{input.folder}/b"])

    @worker("p.read", pool="test")
    async def read(input: Place) -> Content:
        """Read one path."""
        await office.meet("p.read")
        return Content(text=f"text of {input.path}")

    @worker("p.join", pool="test")
    async def join(input: Contents, ctx: Context) -> Report:
        """Join texts to a report."""
        await office.meet("p.join")
        return Report(report=input.title + " + ".join(input.texts))

    @worker("p.secret", pool="test")
    async def secret(input: dict[str, Any]) -> Report:
        """Nobody may call this."""
        await office.meet("p.secret")
        return Report(report="leaked")

    return [find, read, join, secret]


@asynccontextmanager
async def office(url: str, folder: Path, *plans: object, **more: ModelSettings) -> AsyncIterator[Office]:
    """The office with everything running; `more` are further tiers."""
    it = Office(list(plans))
    with ScriptedModel(reply_to=it.reply) as model:
        tiers = {"small": model.settings("small", input_price=1.0, output_price=1.0), **more}
        settings = Settings(
            root=folder,
            database=DatabaseSettings(url=url),
            models=tiers,
            supervisor=SupervisorSettings.model_validate({"heartbeat": 0.5, "dead_after": 2.0, "sweep": 0.3}),
            worker=WorkerSettings(lease=3.0, grace=5.0),
        )
        environ = {"OPENAI_API_KEY": "sk-for-tests"}
        async with Orchestrator.open(folder, settings=settings, workers=staff(it), environ=environ) as app:
            it.app = app
            yield it
