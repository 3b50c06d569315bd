"""`orchestrator pools`: how much waits in each pool and for how long, who serves it, and what limits hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.invocation import Invocation, reachable_database

if TYPE_CHECKING:
    from orchestrator.domain.worker import Catalogue
    from orchestrator.settings import Settings
    from orchestrator.store.pool_figures import PoolFigures


def pools(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how each pool stands: depth, waits of the last five minutes, processes and limits; over all tenants."""
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    figures, catalogue = asyncio.run(_read(settings))
    limits = {each.pool: limits_of(each.pool, settings, catalogue) for each in figures}
    if as_json:
        shown = [{**asdict(each), "limits": limits[each.pool]} for each in figures]
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    if not figures:
        typer.echo("no pool has attempts, and no process serves one; see `orchestrator worker`", err=True)
        return
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.pools_table import pools_table

    stdout_console().print(pools_table(figures, limits))


async def _read(settings: Settings) -> tuple[list[PoolFigures], Catalogue]:
    from orchestrator.queue import install
    from orchestrator.store import Database, migrate
    from orchestrator.store.pool_figures import pool_figures
    from orchestrator.store.workers import read_cards

    async with reachable_database(settings) as url:
        await migrate(url, [install])  # as every command but `db` and `doctor` does
        database = await Database.connect(url, size=2)
        try:
            catalogue = await read_cards(database)
            homes = {card.pool for card in catalogue.values() if card.pool} | set(settings.sharing.pools)
            dead_after = settings.supervisor.worker_dead_after
            return await pool_figures(database, dead_after=dead_after, also=homes), catalogue
        finally:
            await database.close()


def limits_of(pool: str, settings: Settings, catalogue: Catalogue) -> Mapping[str, Any]:
    """What holds for a pool over all machines, and for the workers that are at home in it."""
    own = settings.sharing.pools.get(pool)
    workers = {
        name: {"max_running": card.max_running, "rate": card.rate}
        for name, card in sorted(catalogue.items())
        if card.pool == pool and (card.max_running is not None or card.rate is not None)
    }
    return {"max_running": own.max_running if own else None, "workers": workers}
