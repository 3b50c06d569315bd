"""Runs the benchmarks on an embedded Postgres of their own: `python -m tests.benchmarks [--write FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg

from orchestrator import Orchestrator
from orchestrator.settings import Settings
from tests.benchmarks import durable_steps, enqueue_to_start
from tests.benchmarks.measure import Figure, json_lines, machine, table

PEER_DATABASE = "peer"
MARK = "<!-- figures -->"


async def run_all() -> list[Figure]:
    """All figures, one benchmark after the other."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as folder:
        settings = Settings(root=Path(folder))
        async with Orchestrator.open(folder, settings=settings, workers=[durable_steps.nothing]) as app:
            peer_url = await _peer_database(app.database_url)
            return [*await durable_steps.measure(app, peer_url), *await enqueue_to_start.measure(app)]


async def _peer_database(url: str) -> str:
    """An empty database for the peer, on the same server."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {PEER_DATABASE}")
    finally:
        await connection.close()
    before, _, query = url.partition("?")
    return f"{before.rsplit('/', 1)[0]}/{PEER_DATABASE}" + (f"?{query}" if query else "")


def write(path: Path, figures: list[Figure]) -> None:
    """Put the figures behind the mark of the report; what stands before it is kept."""
    head = path.read_text().split(MARK)[0]
    about = f"Measured on {time.strftime('%Y-%m-%d')}: {machine()}."
    path.write_text(f"{head}{MARK}\n\n{about}\n\n{table(figures)}\n")


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--write", type=Path, help="the report to put the table into")
    options = parser.parse_args()
    figures = asyncio.run(run_all())
    print(table(figures))
    print()
    print(json_lines(figures))
    if options.write:
        write(options.write, figures)


main()
