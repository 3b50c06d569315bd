"""The autoscaler of a command: over the project's settings, shown to whoever started the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator
    from orchestrator.cli.pools_view import PoolsView
    from orchestrator.domain.scaling import ScalingPolicy
    from orchestrator.placement import Autoscaler, Placement, PoolState


def shown_autoscaler(
    app: Orchestrator, placement: Placement, policies: Mapping[str, ScalingPolicy], view: PoolsView
) -> Autoscaler:
    """Keeps a placement's processes at what the policies want, and shows every look.

    Args:
        app: opened.
        placement: starts and stops the processes.
        policies: by pool.
        view: shows how the pools stand.
    """
    from orchestrator.placement import Autoscaler

    settings = app.settings

    def on_look(states: Sequence[PoolState]) -> None:
        view.show(states, {pool: len(placement.members(pool)) for pool in policies})

    return Autoscaler(
        app.database,
        placement,
        policies,
        interval=settings.scaling.interval,
        dead_after=settings.supervisor.worker_dead_after,
        grace=settings.worker.grace,
        on_look=on_look,
    )
