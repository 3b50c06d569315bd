"""`orchestrator run`: submit a workflow, do its work in this process, show it, and say how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import loop
from orchestrator.cli.failures import FAILED, INTERRUPTED, SUCCEEDED
from orchestrator.cli.inputs import gather_inputs
from orchestrator.cli.invocation import Invocation, read_registry, read_workflow

if TYPE_CHECKING:
    from orchestrator.cli.following import Followed
    from orchestrator.cli.progress_view import ProgressView
    from orchestrator.client import RunHandle
    from orchestrator.settings import Settings
    from orchestrator.workflow import Workflow


@dataclass(frozen=True)
class Request:
    """What the person asked for, checked as far as it can be without a database."""

    settings: Settings
    workflow: Workflow
    inputs: dict[str, Any]
    tenant: str | None
    priority: int
    idempotency_key: str | None
    serve: bool
    detach: bool
    as_json: bool


def run(
    context: typer.Context,
    *,
    graph: Annotated[str, typer.Argument(help="A workflow file, or its name in the graphs folder.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="One input, key=value; may be given again.", metavar="KEY=VALUE"),
    ] = None,
    inputs_file: Annotated[
        Path | None, typer.Option("--inputs", help="A JSON file with an object of inputs.", metavar="FILE")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Submit only and print the run's id; other processes do the work.")
    ] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="Do the work in this process, or only watch other processes do it."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end, and no progress.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher goes first.")] = 0,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="A second submit with it returns the first run.")
    ] = None,
) -> None:
    """Run a workflow and show its progress. Ctrl-C cancels the run."""
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    workflow = read_workflow(settings, read_registry(settings), graph)
    values = gather_inputs(workflow.inputs, inputs or [], inputs_file)
    workflow.check_inputs(values)
    request = Request(
        settings, workflow, values, tenant, priority, idempotency_key, serve and not detach, detach, as_json
    )
    raise typer.Exit(loop.run(execute(invocation, request)))


async def execute(invocation: Invocation, request: Request) -> int:
    """Carry a request out and return the exit code."""
    from orchestrator.app import Orchestrator

    async with Orchestrator.open(invocation.project, settings=request.settings, serve=request.serve) as app:
        handle = await app.submit(
            request.workflow,
            request.inputs,
            tenant=request.tenant,
            priority=request.priority,
            idempotency_key=request.idempotency_key,
        )
        if request.detach:
            _print_submitted(handle, request.as_json)
            return SUCCEEDED
        return await _follow(handle, request)


def _print_submitted(handle: RunHandle, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"run_id": str(handle.id), "status": "queued"}))
        return
    typer.echo(str(handle.id))
    typer.echo("it runs as soon as a supervisor and the workers' pools are served", err=True)


async def _follow(handle: RunHandle, request: Request) -> int:
    from orchestrator.cli.consoles import stderr_console
    from orchestrator.cli.following import Follower

    followed = await Follower(handle, _view(handle, request), stderr_console(), request.tenant).follow()
    if followed.result is None:
        return INTERRUPTED
    await _print_end(handle, followed, request)
    if followed.interrupted:
        return INTERRUPTED
    return SUCCEEDED if followed.result.status == "succeeded" else FAILED


def _view(handle: RunHandle, request: Request) -> ProgressView:
    from orchestrator.cli.consoles import stderr_console
    from orchestrator.cli.progress_view import LiveView, PlainView, SilentView

    if request.as_json:
        return SilentView()
    console = stderr_console()
    title = f"{request.workflow.name} {request.workflow.version} · run {handle.id}"
    if console.is_terminal:
        return LiveView(console, title=title, steps=list(request.workflow.all_steps), tenant=request.tenant)
    console.print(title, markup=False, soft_wrap=True)
    return PlainView(console, request.tenant)


async def _print_end(handle: RunHandle, followed: Followed, request: Request) -> None:
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.summary import print_summary, result_json

    assert followed.result is not None
    trace = await handle.trace()
    if request.as_json:
        typer.echo(json.dumps(result_json(followed.result, trace), ensure_ascii=False))
    else:
        print_summary(stdout_console(), followed.result, trace, request.tenant)
