"""`python -m tests.fuzz [--seconds N] [--seed N]`: fuzz the loader on one core; the first failure ends it."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.loader import changed_files, documents, load, load_document

ROUND = 1_000
LONGEST = 20.0
"""Seconds of CPU that one example may take."""
MEMORY = 3 * 2**30
TARGETS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "documents": (documents(), load_document),
    "changed files": (changed_files(), load),
    "any text": (st.text(max_size=200), load),
}


class Hang(Exception):
    """One example took too long."""


def main() -> None:
    """Run rounds of every target, each with a seed of its own, until the time is up."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="CPU time")
    parser.add_argument("--seed", type=int, default=0)
    given_ = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, _hang)
    number, examples = given_.seed, 0
    while time.process_time() < given_.seconds:
        for name, (strategy, act) in TARGETS.items():
            _round(strategy, act, number)
            examples += ROUND
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"seed {number}: {name}, {examples:,} in {time.process_time():.0f} s, {peak} MB at most", flush=True)
        number += 1


def _round(strategy: st.SearchStrategy[Any], act: Callable[[Any], None], number: int) -> None:
    @seed(number)
    @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(example: Any) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
        try:
            act(example)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    run()


def _hang(*_: object) -> None:
    raise Hang(f"one example took more than {LONGEST:g} s")


if __name__ == "__main__":
    sys.exit(main())
