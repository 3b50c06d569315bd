"""Checks the promises when all is over: on the rows, on the effects' file, and on the checkpoints."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from orchestrator.domain.run import RunState
from orchestrator.store import AsyncpgSaver, Database
from orchestrator.store.runs import get_workflow
from orchestrator.store.state_serializer import StateSerializer
from orchestrator.supervisor.graph import compile_graph
from orchestrator.workflow import Workflow

SHOWN = 3
_QUERIES = Path(__file__).with_name("promises.sql")
_AT_ONCE = 8

STEPS = """
SELECT run_id, step, status, attempts, items_total, items_done, items_failed, encode(output, 'hex') AS output,
       extract(epoch FROM started_at)::float8 AS started, extract(epoch FROM finished_at)::float8 AS finished
FROM steps
"""
COMPARED = ("status", "attempts", "items_total", "items_done", "items_failed", "output")
EFFECTS = "SELECT run_id, step, item, key, state FROM effects"


async def broken_promises(url: str, effects: Path, *, top_runs: int) -> list[str]:
    """What is wrong, one line each; nothing where all is well.

    Args:
        url: of the database, in which nothing works any more.
        effects: the file that the effects were written into.
        top_runs: how many runs were submitted.
    """
    connection = await asyncpg.connect(url, server_settings={"search_path": "orchestrator, public"})
    try:
        problems = [line for name, sql in promises() for line in _lines(name, await connection.fetch(sql))]
        found = await connection.fetchval("SELECT count(*) FROM runs WHERE parent_run IS NULL")
        if found != top_runs:
            problems.append(f"{top_runs} runs were submitted, and there are {found}")
        problems += _effects(await connection.fetch(EFFECTS), _done(effects))
        steps = await connection.fetch(STEPS)
        runs = await connection.fetch("SELECT id, encode(workflow_sha256, 'hex') AS workflow FROM runs")
    finally:
        await connection.close()
    return problems + await _checkpoints(url, runs, steps)


def promises() -> Iterator[tuple[str, str]]:
    """The queries of `promises.sql`, each with its name."""
    parts = re.split(r"^-- name: (.+)$", _QUERIES.read_text(), flags=re.MULTILINE)
    return zip(parts[1::2], parts[2::2], strict=True)


def _lines(name: str, rows: list[Any]) -> Iterator[str]:
    if rows:
        shown = "; ".join(str(dict(row)) for row in rows[:SHOWN])
        yield f"{name} ({len(rows)}): {shown}"


def _done(file: Path) -> Counter[tuple[str, ...]]:
    """How often each effect happened."""
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(tuple(line.split()[:4]) for line in lines)


def _effects(rows: list[Any], done: Counter[tuple[str, ...]]) -> list[str]:
    """Each effect happened once if it was confirmed, and once at the most if it is in doubt."""
    ledger = {(str(row["run_id"]), row["step"], str(row["item"]), row["key"]): row["state"] for row in rows}
    twice = [f"{times} times {' '.join(place)}" for place, times in done.items() if times > 1]
    unknown = [" ".join(place) for place in done if place not in ledger]
    missing = [" ".join(place) for place, state in ledger.items() if state == "confirmed" and not done[place]]
    kinds = {"happened again": twice, "is not in the ledger": unknown, "was confirmed and did not happen": missing}
    return [f"an effect {name} ({len(found)}): {'; '.join(found[:SHOWN])}" for name, found in kinds.items() if found]


async def _checkpoints(url: str, runs: list[Any], steps: list[Any]) -> list[str]:
    """Every thread folds to an ended run whose steps are those of the table, and which began them in their order."""
    database = await Database.connect(url, size=_AT_ONCE)
    try:
        saver = AsyncpgSaver(database, serde=StateSerializer())
        graph = compile_graph(saver)
        rows: dict[uuid.UUID, dict[str, Any]] = {run["id"]: {} for run in runs}
        for step in steps:
            rows[step["run_id"]][step["step"]] = step
        workflows = {sha: await _workflow(database, sha) for sha in {run["workflow"] for run in runs}}
        gate = asyncio.Semaphore(_AT_ONCE)

        async def check(run: Any) -> list[str]:
            async with gate:
                snapshot = await graph.aget_state({"configurable": {"thread_id": str(run["id"])}})
            state: RunState = snapshot.values.get("run", RunState())
            problems = _order(workflows[run["workflow"]], rows[run["id"]])
            problems += _differences(state, rows[run["id"]])
            if snapshot.next or not state.over:
                problems.append(f"its thread has not ended (next: {snapshot.next})")
            return [f"run {run['id']}: {problem}" for problem in problems]

        checked = await asyncio.gather(*(check(run) for run in runs))
        return [problem for problems in checked for problem in problems]
    finally:
        await database.close()


async def _workflow(database: Database, sha256: str) -> Workflow:
    definition = await get_workflow(database, sha256)
    assert definition is not None, "a run's workflow is stored"
    return Workflow.from_json(definition)


def _differences(state: RunState, rows: dict[str, Any]) -> list[str]:
    if state.steps.keys() != rows.keys():
        return [f"the checkpoint's steps are not those of the table: {sorted(state.steps.keys() ^ rows.keys())}"]
    problems = []
    for name, step in state.steps.items():
        output = step.output.sha256 if step.output else None
        ours = (str(step.status), step.attempts, step.total, step.done, step.failed, output)
        theirs = tuple(rows[name][key] for key in COMPARED)
        if ours != theirs:
            problems.append(f"step {name} is {ours} in the checkpoint and {theirs} in the table")
    return problems


def _order(workflow: Workflow, rows: dict[str, Any]) -> list[str]:
    """No step has started before all that it needs had finished."""
    problems = []
    for spec in workflow.all_steps.values():
        started = rows[spec.id]["started"] if spec.id in rows else None
        for needed in spec.needs:
            finished = rows[needed]["finished"] if needed in rows else None
            if started is not None and (finished is None or finished > started + 1e-6):
                problems.append(f"step {spec.id} began at {started}, and {needed} finished at {finished}")
    return problems
