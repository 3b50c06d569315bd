"""The short form: short leases, each kind of disturbance once, every promise kept. `make chaos` is the long form."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from orchestrator.testing import ScriptedModel
from tests.chaos.fleet import make_project
from tests.chaos.plan import ALL, plan
from tests.chaos.server import Server
from tests.chaos.turn import Stage, Work
from tests.chaos.workload import child, flood, shapes

SEED = 4
RUNS = 8
EVERY = 1.6
PACE = EVERY * (len(ALL) + 0.5) / RUNS
"""Seconds between two submits: the last run comes when each kind has had its turn."""

ENVIRONMENT = {
    "ORCHESTRATOR_WORKER_LEASE": "3",
    "ORCHESTRATOR_SUPERVISOR_DEAD_AFTER": "3",
    "ORCHESTRATOR_SUPERVISOR_HEARTBEAT": "0.5",
}
FROZEN = 4.5

pytestmark = pytest.mark.slow


async def test_nothing_is_lost_and_nothing_is_done_twice(server_folder):
    with ScriptedModel(reply_to=lambda _: "Yes") as model, Server.opened(server_folder) as server:
        graphs = make_project(server_folder / "project", model.base_url)
        files = [shape.write(graphs) for shape in shapes(SEED, 4)]
        child().write(graphs)
        work = Work(files, flood().write(graphs), RUNS, items=400, pace=PACE)
        stage = Stage(server, server_folder / "project", ENVIRONMENT, FROZEN, drain=40.0, all_jobs=False, say=print)
        async with asyncio.timeout(150):
            once = plan(SEED, ALL, every=EVERY, weights=dict.fromkeys(ALL, 1))
            report = await stage.turn(work, islice(once, len(ALL)))
    assert not report.problems, "\n".join(report.problems)
    assert set(report.disturbances) == set(ALL)
