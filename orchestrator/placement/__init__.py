"""Where pools' processes run, and the loop that grows and shrinks them by one policy."""

from __future__ import annotations

from orchestrator.placement.autoscaler import Autoscaler, PoolState, policies_of
from orchestrator.placement.contract import Placement
from orchestrator.placement.local import LocalPlacement

__all__ = ["Autoscaler", "LocalPlacement", "Placement", "PoolState", "policies_of"]
