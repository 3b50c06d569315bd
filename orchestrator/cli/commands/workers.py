"""`orchestrator workers`: what a workflow of this project can call."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.invocation import Invocation, read_registry

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from orchestrator.worker import Worker

group = typer.Typer(help="List and show what workflows can call.", invoke_without_command=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.callback()
def default(context: typer.Context) -> None:
    """List and show what workflows can call."""
    if context.invoked_subcommand is None:
        list_workers(context)


@group.command("list")
def list_workers(
    context: typer.Context,
    as_json: JsonOption = False,
    pool: Annotated[str | None, typer.Option("--pool", "-p", help="Only those of one pool.", metavar="NAME")] = None,
) -> None:
    """List the project's workers, validators and tools."""
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    found = [each for each in read_registry(settings) if pool in (None, each.card.pool)]
    if as_json:
        typer.echo(json.dumps([worker_json(each) for each in _by_name(found)], ensure_ascii=False))
        return
    if found:
        from orchestrator.cli.consoles import stdout_console
        from orchestrator.cli.tables import workers_table

        stdout_console().print(workers_table([each.card for each in found]))
    else:
        where = "the project has no workers" if pool is None else f"the project has no workers in the pool {pool!r}"
        typer.echo(f"{where}; see `workers` under [tool.orchestrator]", err=True)
    _tell_of_packs(settings)


@group.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A worker's name.")],
    as_json: JsonOption = False,
) -> None:
    """Show one worker: where it is declared, its limits, and the schemas of its input and output."""
    invocation: Invocation = context.obj
    invocation.log()
    shown = worker_json(read_registry(invocation.settings()).get(name))
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    for key, value in shown.items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            typer.echo("\n".join(f"  {line}" for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()))
        elif isinstance(value, list):
            typer.echo(f"{key}: {', '.join(map(str, value))}") if value else None
        elif value not in (None, "", False):
            typer.echo(f"{key}: {value}")


def worker_json(worker: Worker[..., Any]) -> dict[str, object]:
    """A worker as plain JSON. `timeout` is in seconds, `concurrency` is of one process."""
    card = worker.card
    return {
        "name": card.name,
        "kind": card.kind.value,
        "pool": card.pool,
        "description": card.description,
        "place": worker.place,
        "concurrency": card.concurrency,
        "max_running": card.max_running,
        "rate": card.rate,
        "timeout": card.timeout,
        "retry_on": [error.__qualname__ for error in worker.retry_on],
        "process": card.process,
        "memory_mb": card.memory_mb,
        "input_schema": card.input_schema,
        "output_schema": card.output_schema,
    }


def _by_name(workers: Iterable[Worker[..., Any]]) -> list[Worker[..., Any]]:
    return sorted(workers, key=lambda each: each.name)


def _tell_of_packs(settings: Settings) -> None:
    """Packs that are installed and not used: nothing is imported because it is installed."""
    from orchestrator.project.packs import installed_packs

    unused = [name for name in installed_packs() if name not in settings.worker_packs]
    if unused:
        line = f"installed and not used: {', '.join(unused)}; add them to `worker_packs` under [tool.orchestrator]"
        typer.secho(line, err=True, dim=True)
