"""A Ray cluster of three nodes on the loopback, in processes of its own, all of which end with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.2"
"""Loopback, but none of the names for which Ray takes the address of the network."""

CLUSTER = f'''
import os, sys
from ray.cluster_utils import Cluster
common = dict(node_ip_address="{HOST}", object_store_memory=80_000_000)
cluster = Cluster(initialize_head=True, head_node_args=dict(common, num_cpus=1, include_dashboard=False))
more = [cluster.add_node(num_cpus=2, num_gpus=gpus, resources=dict(bench=2 + 2 * gpus), **common) for gpus in (0, 1)]
cluster.wait_for_nodes()
raylets = [node.all_processes["raylet"][0].process.pid for node in (cluster.head_node, *more)]
print("cluster", cluster.address, *raylets)
sys.stdout.flush()
sys.stdin.read()
cluster.shutdown()
'''


class RayNodes:
    """A head and two nodes that have the resource `bench`, in processes of their own."""

    def __init__(self, address: str, raylets: list[int], cluster: int, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.cluster = cluster
        self.raylets = raylets

    def processes(self, node: int) -> set[int]:
        """A node's raylet and everything below it."""
        return descendants(self.raylets[node])


def parents() -> dict[int, int]:
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (each / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(each.name)] = int(parent)
    return found


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def environment_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


def descendants(pid: int) -> set[int]:
    below, parent_of = {pid}, parents()
    while more := {child for child, parent in parent_of.items() if parent in below} - below:
        below |= more
    return below


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a short path: sockets lie below it
    environ = os.environ | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "RAY_TMPDIR": str(folder),
        # A dead node is noticed in 3 s, not in 15.
        "RAY_health_check_initial_delay_ms": "0",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
    }
    log = (folder / "cluster.log").open("ab")
    running = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ
    )
    assert running.stdin is not None and running.stdout is not None
    started: set[int] = set()
    try:
        words = next(line for line in running.stdout if line.startswith(b"cluster ")).decode().split()
        started = descendants(running.pid)
        yield RayNodes(words[1], [int(pid) for pid in words[2:]], running.pid, folder)
    finally:
        started |= descendants(running.pid)
        running.stdin.close()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stdout.close()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
        for pid in started & set(parents()):
            os.kill(pid, signal.SIGKILL)
