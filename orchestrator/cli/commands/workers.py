"""`orchestrator workers`: what a workflow of this project can call."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestrator.cli.invocation import Invocation, read_registry
from orchestrator.domain.worker import WorkerCard

group = typer.Typer(help="List and show what workflows can call.", invoke_without_command=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.callback()
def default(context: typer.Context) -> None:
    """List and show what workflows can call."""
    if context.invoked_subcommand is None:
        list_workers(context)


@group.command("list")
def list_workers(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the project's workers and validators."""
    invocation: Invocation = context.obj
    invocation.log()
    cards = list(read_registry(invocation.settings()).catalogue.values())
    if as_json:
        typer.echo(json.dumps([card_json(card) for card in cards], ensure_ascii=False))
        return
    if not cards:
        typer.echo("the project has no workers; see `workers` under [tool.orchestrator]", err=True)
        return
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.tables import workers_table

    stdout_console().print(workers_table(cards))


@group.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A worker's name.")],
    as_json: JsonOption = False,
) -> None:
    """Show one worker with the schemas of its input and output."""
    invocation: Invocation = context.obj
    invocation.log()
    registry = read_registry(invocation.settings())
    card = registry.get(name).card
    if as_json:
        typer.echo(json.dumps(card_json(card), ensure_ascii=False))
        return
    for key, value in card_json(card).items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            typer.echo("\n".join(f"  {line}" for line in json.dumps(value, indent=2).splitlines()))
        elif value not in (None, ""):
            typer.echo(f"{key}: {value}")


def card_json(card: WorkerCard) -> dict[str, object]:
    """A card as plain JSON."""
    return {
        "name": card.name,
        "kind": card.kind.value,
        "pool": card.pool,
        "description": card.description,
        "concurrency": card.concurrency,
        "max_running": card.max_running,
        "rate": card.rate,
        "timeout": card.timeout,
        "process": card.process,
        "input_schema": card.input_schema,
        "output_schema": card.output_schema,
    }
