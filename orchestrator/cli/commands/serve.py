"""`orchestrator supervisor` and `orchestrator worker`: processes that serve until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import loop
from orchestrator.cli.empty_pools import warn_of_empty_pools
from orchestrator.cli.health import healthy
from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.cli.invocation import Invocation, read_registry
from orchestrator.cli.quantities import plural
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator

EXIT_STUCK = 70
"""Like EX_SOFTWARE: whoever supervises the process starts it again."""

_MOST_NAMED = 10


class Place(StrEnum):
    """Where a worker command's processes run."""

    HERE = "here"
    RAY = "ray"


Serve = Callable[["Orchestrator", asyncio.Event], Awaitable[Sequence[object]]]
HealthOption = Annotated[
    Path | None,
    typer.Option("--health-file", help="Touched every second while this process works, for a probe.", metavar="FILE"),
]
LifelineOption = Annotated[int | None, typer.Option("--lifeline", hidden=True)]


def supervisor(context: typer.Context, health_file: HealthOption = None, lifeline: LifelineOption = None) -> None:
    """Hold runs until SIGTERM or Ctrl-C; then hand them back."""
    invocation: Invocation = context.obj
    _hold_on(invocation, lifeline)
    invocation.log("info")

    async def serve(app: Orchestrator, stop: asyncio.Event) -> Sequence[object]:
        return await app.serve_supervisor(stop)

    loop.run(_serve(invocation, "supervisor", "run", serve, health_file))


def worker(
    context: typer.Context,
    *,
    pools: Annotated[
        list[str] | None,
        typer.Option("--pool", "-p", help="A pool to serve; may be given again. All by default.", metavar="NAME"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", min=1, help="Attempts at once in this process.", metavar="N"),
    ] = None,
    on: Annotated[
        Place, typer.Option("--on", help="`ray`: as many processes as `scaling` says, on the nodes of a Ray cluster.")
    ] = Place.HERE,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="With --on ray: the cluster, or `auto`.", metavar="HOST:PORT")
    ] = None,
    ship: Annotated[bool, typer.Option("--ship", help="With --on ray: send the project to the nodes.")] = False,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", help="With --on ray: a variable that the workers get from here.", metavar="NAME"),
    ] = None,
    health_file: HealthOption = None,
    lifeline: LifelineOption = None,
) -> None:
    """Carry out the attempts of some pools until SIGTERM or Ctrl-C; then finish or hand back what is held."""
    invocation: Invocation = context.obj
    if on is Place.RAY:
        from orchestrator.cli.commands import worker_on_ray

        asked = worker_on_ray.OnRay(pools or (), concurrency, ray_address, ship, env or (), health_file)
        worker_on_ray.work(invocation, asked, lifeline)
        return
    if ray_address is not None or ship or env:
        raise InputError("--ray-address, --ship and --env say how workers run on Ray", remedy="give --on ray, too")
    _hold_on(invocation, lifeline)
    invocation.log("info")
    registry = read_registry(invocation.settings())
    chosen = tuple(dict.fromkeys(pools or registry.pools))
    warn_of_empty_pools(chosen, registry.pools)

    async def serve(app: Orchestrator, stop: asyncio.Event) -> Sequence[object]:
        return await app.serve_workers(stop, pools=chosen, concurrency=concurrency, on_stuck=_leave)

    loop.run(_serve(invocation, f"worker of {', '.join(chosen)}", "attempt", serve, health_file))


def _hold_on(invocation: Invocation, lifeline: int | None) -> None:
    """Do not outlive whoever started this process and handed it a lifeline."""
    if lifeline is not None:
        from orchestrator.placement.lifeline import hold_on

        hold_on(lifeline, patience=invocation.settings().worker.grace + 10.0)


def _leave(label: str) -> None:
    """End at once: code that was told to stop and does not must not outlive its lease."""
    typer.echo(f"worker: {label} does not stop; ending the process", err=True)
    os._exit(EXIT_STUCK)


async def _serve(invocation: Invocation, what: str, held: str, serve: Serve, health_file: Path | None) -> None:
    from orchestrator.app import Orchestrator

    stop = asyncio.Event()
    serving = asyncio.current_task()
    assert serving is not None

    def ask() -> None:
        typer.echo(f"{what}: stopping; a second signal does not wait for what is held", err=True)
        stop.set()

    def insist() -> None:
        serving.cancel()

    with on_signals(Interrupts(ask, insist), signal.SIGINT, signal.SIGTERM):
        async with Orchestrator.open(invocation.project, settings=invocation.settings(), serve=False) as app:
            loop.settle_memory()
            typer.echo(f"{what}: serving; Ctrl-C stops it", err=True)
            async with healthy(health_file):
                handed_back = await serve(app, stop)
        typer.echo(f"{what}: stopped; {handed_back_text(handed_back, held)}", err=True)


def handed_back_text(handed_back: Sequence[object], held: str) -> str:
    """What a process gave up unfinished when it stopped; others go on with it.

    Args:
        handed_back: the names of what was held.
        held: what it is, `run` or `attempt`.
    """
    if not handed_back:
        return "nothing was left unfinished"
    named = ", ".join(str(each) for each in handed_back[:_MOST_NAMED])
    more = f" and {len(handed_back) - _MOST_NAMED} more" if len(handed_back) > _MOST_NAMED else ""
    return f"handed back {plural(len(handed_back), held)}: {named}{more}"
