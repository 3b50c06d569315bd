"""Bad workers in real processes: the run goes on, nothing runs doubly, and the trace says what was wrong."""

from __future__ import annotations

import asyncio
import time

import pytest

from orchestrator import Orchestrator, Workflow
from orchestrator.store.workers import read_cards
from tests.acceptance.project import Project

pytestmark = pytest.mark.slow

WORKERS = '''
"""What a worker should not do."""

import os
import time
from pathlib import Path
from typing import Any

from orchestrator import Context, worker

JOURNAL = Path(__file__).parent.parent / "journal.txt"


def note(what: str, ctx: Context) -> None:
    with JOURNAL.open("a") as journal:
        journal.write(f"{what} {os.getpid()} {ctx.number} {time.time()}\\n")


@worker("bad.leave", pool="slow")
async def leave(ctx: Context) -> int:
    if ctx.number == 1:
        os._exit(0)
    return ctx.number


@worker("bad.block", pool="slow")
async def block(ctx: Context) -> int:
    note("block", ctx)
    if ctx.number == 1:
        until = time.time() + 40
        while time.time() < until:
            time.sleep(0.05)
            note("alive", ctx)
    return ctx.number


@worker("bad.fifty", pool="slow")
def fifty() -> str:
    return "x" * 50_000_000


@worker("bad.wrong", pool="slow")
def wrong() -> int:
    return "three"
'''

WORKFLOW = """
api: orchestrator/v1
name: misfits
version: 1.0.0
outputs: {left: "${{ steps.leave.output }}", blocked: "${{ steps.block.output }}"}
policies: {again: {retry: {max_attempts: 3, errors: [worker_lost], backoff: {initial: 100ms}}}}
defaults: {policy: again}
steps:
  leave: {kind: worker, worker: bad.leave}
  block: {kind: worker, worker: bad.block, needs: [leave]}
  fifty: {kind: worker, worker: bad.fifty, on_error: [{do: continue, output: null}]}
  wrong: {kind: worker, worker: bad.wrong, on_error: [{do: continue, output: null}]}
"""


async def test_they_cost_their_own_attempts_and_nobody_elses(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    (tmp_path / "workers/bad.py").write_text(WORKERS)
    serving = ("worker", "--pool", "slow", "--concurrency", "1")
    with (
        project.process("supervisor"),
        project.process(*serving) as first,
        project.process(*serving) as second,
        project.process(*serving) as third,
    ):
        async with Orchestrator.connect(database=database_url) as client:
            async with asyncio.timeout(60):
                while "bad.leave" not in await read_cards(client.database):  # noqa: ASYNC110 - another process writes
                    await asyncio.sleep(0.05)
            run = await client.submit(Workflow.from_yaml(WORKFLOW))
            result = await run.result(timeout=90)
            told = [each.event.data.get("message", "") async for each in run.events()]
        ended = [each.poll() for each in (first, second, third)]
        traced = project.command("trace", str(run.id)).stdout
    assert (result.status, result.output) == ("succeeded", {"left": 2, "blocked": 2})
    assert sorted(ended, key=str) == [0, 70, None], "one left by itself, one was ended for blocking, one serves"
    notes = [line.split() for line in project.journal.read_text().splitlines()]
    last_sign = max(float(at) for what, _, number, at in notes if number == "1")
    second_try = next(float(at) for what, _, number, at in notes if (what, number) == ("block", "2"))
    assert last_sign < second_try, "the blocked code still ran when its retry began"
    assert time.time() - last_sign < 60
    traced = " ".join(traced.split())
    assert "output_too_large the output has 50,000,002 bytes; the limit is 10,000,000" in traced
    assert "wrong_type expected int, got str" in traced
    assert "worker_lost the process that held the attempt did not renew its lease" in traced
    assert any("this attempt blocks the event loop of its process, at" in line for line in told), told
    log = (tmp_path / "worker---pool-slow---concurrency-1.log").read_text()
    assert "the event loop has been blocked" in log
    assert "worker: bad.block (step block, attempt 1" in log
