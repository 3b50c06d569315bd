"""`orchestrator run`: submit a workflow, do its work in this process, show it, and say how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import loop
from orchestrator.cli.failures import SUCCEEDED
from orchestrator.cli.inputs import gather_inputs
from orchestrator.cli.invocation import Invocation, read_registry, read_workflow
from orchestrator.cli.watching import Watch

if TYPE_CHECKING:
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
        watch = Watch(handle, request.workflow, request.tenant, request.as_json)
        if request.detach:
            watch.print_begun()
            return SUCCEEDED
        return await watch.follow()
