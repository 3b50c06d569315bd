"""`orchestrator db`: bring the database to this version's schema, tell where it stands, and delete what is old."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import FAILED, SUCCEEDED
from orchestrator.cli.invocation import Invocation, reachable_database
from orchestrator.cli.quantities import bytes_text, plural

if TYPE_CHECKING:
    from orchestrator.store.migrations import MigrationStatus
    from orchestrator.store.retention import Removed

group = typer.Typer(help="Migrate the database, tell where it stands, or delete what is old.", no_args_is_help=True)


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


@group.command("prune")
def prune(
    context: typer.Context,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Runs that ended longer ago go: 30d, 12h …", metavar="DURATION")
    ],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's; everybody's by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete runs that ended long ago with all that is recorded of them, and values that nothing refers to any more.

    Child runs and forks go with the run that they hang on, once all of them have ended. Values follow a day later.
    """
    invocation: Invocation = context.obj
    invocation.log()
    removed = asyncio.run(_prune(invocation, _seconds(older_than), tenant, dry_run=dry_run))
    if as_json:
        shown = {kind: {"rows": rows, "bytes": removed.bytes[kind]} for kind, rows in removed.rows.items()}
        typer.echo(json.dumps({"dry_run": dry_run, "deleted": shown}))
        return
    for kind, rows in removed.rows.items():
        if rows:
            typer.echo(f"{kind:<18} {rows:>12,}  {bytes_text(removed.bytes[kind]):>10}")
    verb = "would be deleted" if dry_run else "deleted"
    typer.echo(f"{verb}: {plural(removed.rows.total(), 'row')}, {bytes_text(removed.bytes.total())}")


def _seconds(text: str) -> float:
    from orchestrator.workflow.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from error


async def _prune(invocation: Invocation, older_than: float, tenant: str | None, *, dry_run: bool) -> Removed:
    from orchestrator.store import Database, require_current
    from orchestrator.store.retention import Removed, prune_runs, prune_spans, sweep_blobs

    settings, removed, before = invocation.settings(), Removed(), time.time() - older_than
    async with reachable_database(settings) as url:
        database = await Database.connect(url, size=settings.database.pool_size)
        try:
            await require_current(database)
            await prune_runs(database, removed, before=before, tenant=tenant, dry_run=dry_run)
            await prune_spans(database, removed, before=before, tenant=tenant, dry_run=dry_run)
            await sweep_blobs(database, removed, tenant=tenant, dry_run=dry_run)
        finally:
            await database.close()
    return removed
