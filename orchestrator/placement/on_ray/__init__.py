"""Worker processes on the nodes of a Ray cluster, one actor each. Only `cluster.py` imports Ray, once it connects."""

from __future__ import annotations

from orchestrator.placement.on_ray.cluster import RayCluster
from orchestrator.placement.on_ray.placement import RayPlacement
from orchestrator.placement.on_ray.worker_actor import Order

__all__ = ["Order", "RayCluster", "RayPlacement"]
