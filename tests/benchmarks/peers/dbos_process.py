"""A process of the peer DBOS: `python -m tests.benchmarks.peers.dbos_process URL ROLE`; reads orders as JSON lines.

Each step is a workflow of its own on a DBOS queue, as DBOS wants steps that other processes may carry out; the run
is a workflow that enqueues them and waits. Functions are plain ones: their coroutines were no faster when tried.
"""

from __future__ import annotations

import json
import sys
import time

from dbos import DBOS, DBOSConfig

QUEUE = "steps"
QUEUE_POLL = 0.02
"""Seconds; the default is 1. The fastest of 0.02, 0.05, 0.1 and 1."""
RESULT_POLL = 0.1
"""Seconds between two looks for the end of a step; the default is 1. The fastest of 0.1, 0.3 and 1, and faster than
`send` and `recv`; hundreds of runs look at once."""
READY_AFTER = 1.5
"""DBOS looks once a second for queues that it does not serve yet."""


@DBOS.workflow()
def nothing() -> bool:
    """One step."""
    return True


@DBOS.workflow()
def chain(steps: int) -> None:
    """Steps one after the other."""
    for _ in range(steps):
        DBOS.enqueue_workflow(QUEUE, nothing).get_result(polling_interval_sec=RESULT_POLL)


@DBOS.workflow()
def fan_out(steps: int) -> None:
    """Steps all at once."""
    handles = [DBOS.enqueue_workflow(QUEUE, nothing) for _ in range(steps)]
    for handle in handles:
        handle.get_result(polling_interval_sec=RESULT_POLL)


def carry_out(order: dict[str, object]) -> float:
    """Seconds that so many runs of a shape take."""
    shape = {"chain": chain, "fan_out": fan_out}[str(order["shape"])]
    runs, steps = int(str(order["runs"])), int(str(order["steps"]))
    begun = time.perf_counter()
    handles = [DBOS.start_workflow(shape, steps) for _ in range(runs)]
    for handle in handles:
        handle.get_result(polling_interval_sec=RESULT_POLL)
    return time.perf_counter() - begun


def serve(url: str, role: str) -> None:
    """Until stdin ends.

    Args:
        url: the system database.
        role: `all`, or `runs` for a process that leaves the queue to others, or `steps` for one that serves only it.
    """
    config = DBOSConfig(name="peer", system_database_url=url, application_version="1", executor_id=role)
    config["log_level"] = "ERROR"
    DBOS(config=config)
    if role != "all":
        DBOS.listen_queues([QUEUE] if role == "steps" else [])
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=QUEUE_POLL)
    time.sleep(READY_AFTER)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": carry_out(json.loads(line))}), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
