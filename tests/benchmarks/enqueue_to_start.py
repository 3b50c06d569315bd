"""How long an attempt waits for an idle worker: from the insert of its row to its claim, by the database's clock."""

from __future__ import annotations

from orchestrator import Orchestrator
from tests.benchmarks.durable_steps import chain
from tests.benchmarks.measure import Figure, percentile

NAME = "enqueue to start, idle workers"
RUNS = 30
STEPS = 10

WAITS = """
SELECT extract(epoch FROM claimed_at - queued_at) * 1000 AS wait
FROM orchestrator.attempts WHERE run_id = ANY ($1::uuid[])
"""


async def measure(app: Orchestrator) -> list[Figure]:
    """One run at a time, so that a worker is always idle."""
    workflow = await app.load(chain(STEPS))
    ids = []
    for _ in range(RUNS):
        result = await app.run(workflow, {})
        assert result.status == "succeeded"
        ids.append(result.run_id)
    waits = [float(row["wait"]) for row in await app.database.fetch(WAITS, ids)]
    spread = (min(waits), max(waits))
    return [
        Figure(f"{NAME}, p50", "orchestrator", percentile(waits, 0.50), "ms", spread),
        Figure(f"{NAME}, p95", "orchestrator", percentile(waits, 0.95), "ms", spread),
    ]
