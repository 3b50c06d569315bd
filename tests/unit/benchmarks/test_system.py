"""CPU time and memory are read from /proc, also of processes that have ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.system import cpu_seconds, resident_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def test_what_a_child_has_used_counts_while_it_lives_and_after_it() -> None:
    before = cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert cpu_seconds(os.getpid()) - before >= 0.25


def test_a_process_that_is_gone_has_used_nothing_more() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert cpu_seconds(child.pid) == 0.0


def test_memory_is_that_of_a_python_at_least() -> None:
    assert resident_bytes(os.getpid()) > 5_000_000
