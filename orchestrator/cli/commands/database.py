"""`orchestrator db`: bring the database to this version's schema, and tell where it stands."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import FAILED, SUCCEEDED
from orchestrator.cli.invocation import Invocation, reachable_database
from orchestrator.cli.quantities import plural

if TYPE_CHECKING:
    from orchestrator.store.migrations import MigrationStatus

group = typer.Typer(help="Migrate the database, or tell where it stands.", no_args_is_help=True)


@group.command("migrate")
def migrate_schema(context: typer.Context) -> None:
    """Bring the database to this version's schema; several at once do no harm."""
    invocation: Invocation = context.obj
    invocation.log()
    applied = asyncio.run(_migrate(invocation))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do: the schema is current")


async def _migrate(invocation: Invocation) -> list[str]:
    from orchestrator.queue import install
    from orchestrator.store import migrate

    async with reachable_database(invocation.settings()) as url:
        return await migrate(url, [install])


@group.command("status")
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the database's schema version; exit code 1 when migrations are pending."""
    invocation: Invocation = context.obj
    invocation.log()
    place, found = asyncio.run(_status(invocation))
    if as_json:
        shown = {"database": place, "current": found.current, "latest": found.latest, "pending": found.pending}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(f"database  {place}")
        typer.echo(f"schema    version {found.current} of {found.latest}")
        if found.pending:
            typer.echo(f"pending   {plural(len(found.pending), 'migration')}: {', '.join(found.pending)}")
            typer.echo("run `orchestrator db migrate`")
    raise typer.Exit(FAILED if found.pending else SUCCEEDED)


async def _status(invocation: Invocation) -> tuple[str, MigrationStatus]:
    from orchestrator.store.database import place
    from orchestrator.store.migrations import status as migration_status

    settings = invocation.settings()
    async with reachable_database(settings) as url:
        where = place(url) if settings.database.url else f"embedded, {settings.state_dir}"
        return where, await migration_status(url)
