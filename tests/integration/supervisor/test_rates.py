"""A step's rate, from the YAML file to the times at which its attempts begin."""

from __future__ import annotations

from itertools import pairwise

from orchestrator import Workflow
from tests.integration.supervisor.scene import flow, opened

STEPS = """\
  paced: {kind: worker, worker: t.say, rate: 10/s, foreach: {items: [1, 2, 3, 4, 5, 6], as: n}, with: {text: hello}}
  free: {kind: worker, worker: t.say, foreach: {items: [1, 2, 3, 4, 5, 6], as: n}, with: {text: hello}}
"""


async def test_a_steps_attempts_begin_at_its_rate_in_all_runs_together(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        workflow = flow(STEPS)
        assert Workflow.from_json(workflow.to_json()).steps["paced"].rate == "10/s"
        handles = [await scene.app.submit(workflow) for _ in range(2)]
        rows = []
        for handle in handles:
            assert (await handle.result(timeout=30)).status == "succeeded"
            rows += (await handle.trace()).attempts
    starts = sorted(row.claimed_at for row in rows if row.step == "paced")
    pauses = [after - before for before, after in pairwise(starts)]
    assert len(starts) == 12
    assert min(pauses) > 0.099
    assert starts[-1] - starts[0] < 11 * 0.1 + 1.5
    free = [row.claimed_at for row in rows if row.step == "free"]
    assert max(free) < starts[-1], "what has no rate does not wait for what has one"
