"""Runs the benchmarks: `python -m tests.benchmarks [--only NAME,…] [--quick] [--write docs/benchmarks.md]`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

import uvloop

from tests.benchmarks.measure import Figure, json_lines, table
from tests.benchmarks.registry import BENCHMARKS
from tests.benchmarks.report import write
from tests.benchmarks.stage import Stage
from tests.benchmarks.system import Watch


def run(names: list[str], *, quick: bool, report: Path | None) -> bool:
    """Run them one after the other; a failed one does not stop the rest. Whether all went well."""
    figures: list[Figure] = []
    failed: list[str] = []
    with Stage.opened(quick=quick) as stage:
        for name in names:
            say(f"{name} …")
            watch, begun = Watch.begin(stage.postmaster), time.monotonic()
            try:
                found = uvloop.run(BENCHMARKS[name](stage))
            except Exception:  # noqa: BLE001 - the figures of the others are wanted all the same
                traceback.print_exc()
                failed.append(name)
                continue
            warning = watch.warning()
            say(f"{name} took {time.monotonic() - begun:.0f} s" + (f"; {warning}" if warning else ""))
            print(f"{table(found)}\n", flush=True)
            figures += found
            if report is not None:
                write(report, name, found, remark=warning)
    print(json_lines(figures))
    if failed:
        say(f"failed: {', '.join(failed)}")
    return not failed


def say(text: str) -> None:
    """Tell whoever waits; the figures go to stdout."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Read the command line, and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", help=f"some of {', '.join(BENCHMARKS)}", metavar="NAME,…")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--write", type=Path, help="the report to put the tables into", metavar="FILE")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if options.quick and options.write:
        parser.error("the figures of --quick mean nothing, so they are not written anywhere")
    # As Ctrl-C does, also where a shell has switched that off: with the processes that were started, and the server.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        return 0 if run(names, quick=options.quick, report=options.write) else 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
