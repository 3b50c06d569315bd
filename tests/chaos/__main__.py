"""Runs the long form: `python -m tests.chaos [--seed N] [--runs N] [--every S] [--kinds worker,…] [--minutes M]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from orchestrator.testing import ScriptedModel
from tests.chaos.fleet import make_project
from tests.chaos.plan import ALL, Kind, plan
from tests.chaos.server import Server
from tests.chaos.turn import Report, Stage, Work
from tests.chaos.workload import child, flood, shapes

SHAPES = 8
FLOOD = 3_000
FROZEN = 18.0
"""Seconds: longer than a worker's lease and a supervisor's life without heartbeat, with default settings."""

DRAIN = 120.0
GRACE = 90.0
"""Seconds after the time is over in which everything is to be ended; then this process ends itself hard."""


async def both(options: argparse.Namespace, folder: Path, model_url: str) -> list[Report]:
    """The same work undisturbed and disturbed."""
    graphs = make_project(folder / "project", model_url)
    files = [shape.write(graphs) for shape in shapes(options.seed, SHAPES)]
    child().write(graphs)
    work = Work(files, flood().write(graphs), options.runs, options.flood)
    with Server.opened(folder) as server:
        stage = Stage(server, folder / "project", {}, FROZEN, DRAIN, all_jobs=True, say=say)
        async with asyncio.timeout(options.minutes * 60):
            reports = []
            for disturbed in (False, True):
                say("disturbed:" if disturbed else "undisturbed:")
                steps = plan(options.seed, options.kinds, every=options.every) if disturbed else None
                reports.append(await stage.turn(work, steps))
                say(told(reports[-1]))
            return reports


def told(report: Report) -> str:
    """A turn in a few lines."""
    counts = ", ".join(f"{name} {number}" for name, number in report.counts.items())
    kinds = ", ".join(f"{kind} {times}" for kind, times in sorted(report.disturbances.items())) or "none"
    lines = [
        f"  {report.seconds:.1f} s; {counts}",
        f"  disturbances: {kinds}; processes started again {report.restarts}; client refused {report.refusals} times",
        *(f"  BROKEN: {problem}" for problem in report.problems),
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, flush=True)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    by_chance = random.SystemRandom().randrange(10_000)
    parser.add_argument("--seed", type=int, default=by_chance, help="of work and disturbances; by chance if left out")
    parser.add_argument("--runs", type=int, default=200, help="of twenty steps each")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two disturbances")
    parser.add_argument("--flood", type=int, default=FLOOD, help="attempts that fill the queue")
    parser.add_argument("--minutes", type=float, default=20.0, help="after which everything is ended")
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    parser.add_argument(
        "--kinds",
        type=lambda text: [Kind(name) for name in text.split(",")],
        default=list(ALL),
        help=f"some of {', '.join(ALL)}",
        metavar="KIND,…",
    )
    return parser.parse_args()


def main() -> int:
    """Run both turns and compare them."""
    options = read_options()
    logging.basicConfig(level=logging.CRITICAL)  # that the database is away is what we wanted
    # As Ctrl-C does, also where a shell has switched that off: with the processes that were started, and the server.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    last_resort = threading.Timer(options.minutes * 60 + GRACE, lambda: os._exit(70))
    last_resort.daemon = True
    last_resort.start()
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-chaos-"))
    say(f"seed {options.seed}, {options.runs} runs, {', '.join(options.kinds)} every {options.every:g} s, in {folder}")
    begun, problems = time.monotonic(), True
    try:
        with ScriptedModel(reply_to=lambda _: "Yes") as model:
            calm, rough = asyncio.run(both(options, folder, model.base_url))
        problems = bool(calm.problems or rough.problems)
        say(f"{rough.seconds / calm.seconds:.2f} times the undisturbed time; {time.monotonic() - begun:.0f} s in all")
        say("promises were broken" if problems else "all promises were kept")
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except TimeoutError:
        say(f"not done after {options.minutes:g} minutes; everything was ended")
    finally:
        if not (options.keep or problems):
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
