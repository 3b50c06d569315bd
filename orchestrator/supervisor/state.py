"""The supervisor graph's state: one channel, stored as patches."""

from __future__ import annotations

from typing import Annotated

from langgraph.channels.delta import DeltaChannel
from typing_extensions import TypedDict

from orchestrator.domain.run import RunState, fold

SNAPSHOT_EVERY = 1000
"""Patches between two whole copies of the state: rare, so that storage grows with the work and not with its square."""


class SupervisorState(TypedDict):
    """The graph's only channel."""

    run: Annotated[RunState, DeltaChannel(fold, RunState, snapshot_frequency=SNAPSHOT_EVERY)]
