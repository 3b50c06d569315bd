"""`orchestrator worker --on ray`: keeps the policy's number of worker processes on a Ray cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orchestrator.cli import kept_command, loop
from orchestrator.cli.empty_pools import warn_of_empty_pools
from orchestrator.cli.health import healthy
from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.cli.invocation import Invocation
from orchestrator.cli.scaled_pools import shown_autoscaler
from orchestrator.errors import ServiceError
from orchestrator.placement.lifeline import hold_on

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator
    from orchestrator.placement.on_ray import RayCluster
    from orchestrator.settings import RaySettings, Settings

BEYOND_GRACE = 10.0
"""Seconds that a worker process gets besides `worker.grace` before it is killed."""

BEYOND_STOP = 20.0
"""Seconds to see that all have ended, and to sign off."""

EXIT_LOST = 70
"""Ray is gone: whoever keeps this process starts it again."""


@dataclass(frozen=True)
class OnRay:
    """What the command line says.

    Attributes:
        pools: to serve.
        concurrency: attempts at once in one process; the pool's by default.
        address: of the cluster; the settings' by default.
        ship: send the project to the nodes, even if the settings do not say so.
        env: names of the environment besides those of the settings.
        health_file: for a probe.
    """

    pools: Sequence[str]
    concurrency: int | None
    address: str | None
    ship: bool
    env: Sequence[str]
    health_file: Path | None

    def settings(self, project: Settings) -> Settings:
        """The project's settings with these laid over them."""
        said = project.scaling.ray
        ray: RaySettings = said.model_copy(
            update={
                "address": self.address or said.address,
                "ship": self.ship or said.ship,
                "env": tuple(dict.fromkeys((*said.env, *self.env))),
            }
        )
        scaling = project.scaling.model_copy(update={"ray": ray})
        if self.concurrency is not None:
            one = {"concurrency": self.concurrency}
            pools = {name: each.model_copy(update=one) for name, each in scaling.pools.items()}
            scaling = scaling.model_copy(update={"default": scaling.default.model_copy(update=one), "pools": pools})
        return project.model_copy(update={"scaling": scaling})

    def arguments(self, invocation: Invocation) -> list[str]:
        """The command line that says the same."""
        level = ["--log-level", invocation.log_level] if invocation.log_level else []
        given = ["--project", str(invocation.project), *level, "worker", "--on", "ray"]
        for flag, values in {
            "--pool": self.pools,
            "--env": self.env,
            "--ray-address": [self.address] if self.address else [],
            "--concurrency": [str(self.concurrency)] if self.concurrency else [],
            "--health-file": [str(self.health_file)] if self.health_file else [],
        }.items():
            given += [part for value in values for part in (flag, value)]
        return [*given, "--ship"] if self.ship else given


def work(invocation: Invocation, asked: OnRay, lifeline: int | None) -> None:
    """Keep a child process that holds the connection to Ray; with a lifeline, be that child.

    Ray ends the process that holds it when the cluster is gone.
    """
    if lifeline is None:
        code = asyncio.run(kept_command.keep(asked.arguments(invocation)))
        if code:
            raise typer.Exit(code)
        return
    invocation.log()
    hold_on(lifeline, patience=invocation.settings().worker.grace + BEYOND_GRACE + BEYOND_STOP)
    if loop.run(_open(invocation, asked)):
        os._exit(EXIT_LOST)  # Ray's own threads may not end


async def _open(invocation: Invocation, asked: OnRay) -> bool:
    from orchestrator.app import Orchestrator
    from orchestrator.placement.on_ray import RayCluster
    from orchestrator.placement.on_ray.handover import check_reach

    settings = asked.settings(invocation.settings())
    async with AsyncExitStack() as stack:
        cluster = await RayCluster.connect(settings.scaling.ray, settings.root)
        stack.push_async_callback(cluster.close)
        check_reach(settings, await cluster.capacity())
        app = await stack.enter_async_context(Orchestrator.open(invocation.project, settings=settings, serve=False))
        return await _serve(app, invocation, asked, cluster)


async def _serve(app: Orchestrator, invocation: Invocation, asked: OnRay, cluster: RayCluster) -> bool:
    """Scale until SIGTERM; True if the cluster was lost before."""
    from orchestrator.cli.pools_view import pools_view
    from orchestrator.placement import policies_of
    from orchestrator.placement.on_ray import RayPlacement
    from orchestrator.placement.on_ray.handover import kept_back, passed_on

    settings = app.settings
    pools = tuple(dict.fromkeys(asked.pools or app.registry.pools))
    warn_of_empty_pools(pools, app.registry.pools)
    environ = passed_on(settings, os.environ, app.database_url)
    policies = policies_of(settings, list(app.registry.catalogue.values()), pools)
    stop = asyncio.Event()
    view = pools_view(policies, say_where(settings, app.database_url, environ))
    placement = RayPlacement(
        cluster,
        settings,
        {pool: settings.concurrency(pool) for pool in pools},
        environ=environ,
        patience=settings.worker.grace + BEYOND_GRACE,
        tell=view.tell,
        options=("--log-level", invocation.log_level) if invocation.log_level else (),
    )

    def ask() -> None:
        view.tell("stopping; a second signal does not wait for what is held")
        stop.set()

    scaling = shown_autoscaler(app, placement, policies, view)
    with view, on_signals(Interrupts(ask, placement.stop), signal.SIGINT, signal.SIGTERM):
        if names := kept_back(settings, os.environ):
            view.tell(
                f"{', '.join(names)} is set here but not passed on; unless the nodes have it, give --env {names[0]}"
            )
        async with placement, healthy(asked.health_file):
            loop.settle_memory()
            lost = await _until_lost(scaling.run(stop), placement.lost(), view.tell)
        if not lost:
            view.tell("stopped; nothing was left behind")
    return lost


async def _until_lost(
    scaling: Coroutine[Any, Any, None], lost: Coroutine[Any, Any, None], tell: Callable[[str], None]
) -> bool:
    """Go on until the one is done, or the other fails because Ray is gone; True then."""
    tasks = {asyncio.create_task(scaling), asyncio.create_task(lost)}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except ServiceError as error:
        tell(error.message)
        return True
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return False


def say_where(settings: Settings, database_url: str, environ: Mapping[str, str]) -> str:
    """Which cluster and database are used, and what of the environment goes to the nodes."""
    from orchestrator.store.database import place

    ray = settings.scaling.ray
    project = f"{settings.root} is sent to the nodes" if ray.ship else f"the nodes have the project at {settings.root}"
    return (
        f"Ray ({ray.address}); {place(database_url)}; {project}; "
        f"passed to the workers: {', '.join(sorted(environ))}; Ctrl-C stops"
    )
