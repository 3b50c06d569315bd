"""What /proc tells: the CPU time and memory of processes, and how much of the machine others use meanwhile."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
OURSELVES = os.getpid()
NOTICED = 0.1
"""Cores that others may use before it is worth a warning."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that it has begun, ended or not; 0 for one that is gone."""
    try:
        # The name in brackets may hold spaces: what counts stands behind it.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    except OSError:
        return 0.0
    own = sum(int(field) for field in fields[11:15]) / TICK
    return own + sum(cpu_seconds(int(child)) for child in children)


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, what it shares with others included."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def postmaster(data_dir: Path) -> int:
    """The process id of the Postgres server of a data folder; its backends are its children."""
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def busy_seconds() -> float:
    """CPU time that the whole machine has used since it was started."""
    line = (PROC / "stat").read_text().splitlines()[0]
    user, nice, system, _, _, irq, softirq, *_ = (int(field) for field in line.split()[1:])
    return (user + nice + system + irq + softirq) / TICK


@dataclass(frozen=True)
class Watch:
    """Tells what others used of the machine since it was made.

    Attributes:
        server: the Postgres server's process id, which counts as ours.
    """

    server: int
    began: float
    busy: float
    ours: float

    @classmethod
    def begin(cls, server: int) -> Watch:
        """From now on."""
        return cls(server, time.monotonic(), busy_seconds(), _ours(server))

    def foreign_cores(self) -> float:
        """How many cores other processes used on average."""
        elapsed = max(time.monotonic() - self.began, 1e-3)
        return max(0.0, busy_seconds() - self.busy - (_ours(self.server) - self.ours)) / elapsed

    def warning(self) -> str:
        """What to say of it, or nothing."""
        cores = self.foreign_cores()
        if cores < NOTICED:
            return ""
        return f"warning: other processes used {cores:.2f} cores meanwhile; the figures are worth less"


def _ours(server: int) -> float:
    return cpu_seconds(OURSELVES) + cpu_seconds(server)
