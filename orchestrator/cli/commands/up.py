"""`orchestrator up`: supervisor and workers on this machine, each pool with as many processes as it needs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import loop
from orchestrator.cli.empty_pools import warn_of_empty_pools
from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.cli.invocation import Invocation
from orchestrator.cli.quantities import plural
from orchestrator.cli.scaled_pools import shown_autoscaler

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator

BEYOND_GRACE = 10.0
"""Seconds that a process gets besides `worker.grace` before it is killed."""


def up(
    context: typer.Context,
    pools: Annotated[
        list[str] | None,
        typer.Option("--pool", "-p", help="A pool to serve; may be given again. All by default.", metavar="NAME"),
    ] = None,
    supervisors: Annotated[
        int, typer.Option("--supervisors", min=0, help="Supervisor processes; 0 where others run them.", metavar="N")
    ] = 1,
) -> None:
    """Run everything on this machine until Ctrl-C: supervisor, and for each pool as many workers as `scaling` says."""
    invocation: Invocation = context.obj
    invocation.log()
    loop.run(_up(invocation, pools, supervisors))


async def _up(invocation: Invocation, pools: Sequence[str] | None, supervisors: int) -> None:
    from orchestrator.app import Orchestrator

    settings = invocation.settings()
    async with Orchestrator.open(invocation.project, settings=settings, serve=False) as app:
        known = (*app.registry.pools, *(each for each in settings.scaling.pools if each not in app.registry.pools))
        chosen = tuple(dict.fromkeys(pools or known))
        warn_of_empty_pools(chosen, app.registry.pools)
        await _serve(app, invocation, chosen, supervisors)


async def _serve(app: Orchestrator, invocation: Invocation, pools: Sequence[str], supervisors: int) -> None:
    from orchestrator.cli.pools_view import pools_view
    from orchestrator.placement import LocalPlacement, policies_of

    settings = app.settings
    policies = policies_of(settings, list(app.registry.catalogue.values()), pools)
    stop = asyncio.Event()
    view = pools_view(policies, say_where(app, supervisors))
    patience = settings.worker.grace + BEYOND_GRACE
    options = ("--log-level", invocation.log_level) if invocation.log_level else ()
    placement = LocalPlacement(settings, policies, patience=patience, tell=view.tell, options=options)

    def ask() -> None:
        view.tell("stopping; a second signal does not wait for what is held")
        stop.set()

    scaling = shown_autoscaler(app, placement, policies, view)
    with view, on_signals(Interrupts(ask, placement.stop), signal.SIGINT, signal.SIGTERM):
        async with placement:
            for number in range(1, supervisors + 1):
                placement.keep(f"supervisor-{number}", "supervisor")
            loop.settle_memory()
            await scaling.run(stop)
        view.tell("stopped; nothing was left behind")


def say_where(app: Orchestrator, supervisors: int) -> str:
    """What is served, and where its logs are."""
    from orchestrator.store.database import place

    where = "the embedded Postgres" if app.settings.database.url is None else place(app.settings.database.url)
    return f"{plural(supervisors, 'supervisor')} on {where}; logs in {app.settings.state_dir / 'logs'}; Ctrl-C stops"
