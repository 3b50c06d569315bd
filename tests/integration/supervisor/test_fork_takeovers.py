"""A fork's admission is written whole or not at all, and its source is read for nothing else."""

from __future__ import annotations

import pytest

from orchestrator import Orchestrator
from orchestrator.domain import event as events
from orchestrator.domain.identity import new_process_id
from orchestrator.errors import Conflict
from orchestrator.store import runs
from tests.integration.supervisor.scene import opened, until
from tests.integration.supervisor.test_forks import CHAIN, HEAD, ended, kinds


async def test_a_fork_whose_source_is_gone_fails_and_says_so(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
    async with Orchestrator.connect(database=database_url) as client:
        fork = await (await client.handle(source.id)).fork(step="write")
        await client.database.execute("DELETE FROM checkpoints WHERE thread_id = $1", str(source.id))
        with pytest.raises(Conflict, match="nothing of it can be reused"):
            await (await client.handle(source.id)).fork(step="write")
    async with opened(database_url, tmp_path) as scene:
        result = await (await scene.app.handle(fork.id)).result(timeout=30)
        assert not scene.calls
    assert result.status == "failed"
    assert result.error is not None and result.error.code == "fork_source_gone"


async def test_an_admission_that_was_cut_off_is_repeated_whole(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
    async with Orchestrator.connect(database=database_url) as client:
        fork = await (await client.handle(source.id)).fork(step="write")
        # A supervisor that died after it had taken the run, before anything was written.
        assert await runs.take_ownership(client.database, fork.id, new_process_id(), 2.0) is not None
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.handle(fork.id)
        assert (await handle.result(timeout=30)).status == "succeeded"
        assert scene.calls == {"a written": 1, "a written side": 1}
        said, row = await kinds(handle), await handle.row()
    assert [step for kind, step in said if kind == events.STEP_REUSED] == ["read", "side"]
    assert row.epoch == 2


async def test_a_fork_that_is_taken_over_does_not_read_its_source_again(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  slow: {kind: worker, worker: t.wait, needs: [one], with: {seconds: 0.2, text: slow}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        fork = await source.fork(step="slow", with_={"seconds": 2})
        await until(lambda: scene.at_work("slow"))
        await scene.app.database.execute("DELETE FROM checkpoints WHERE thread_id = $1", str(source.id))
        await scene.app.database.execute("UPDATE runs SET owner = NULL, epoch = epoch + 1 WHERE id = $1", fork.id)
        assert (await fork.result(timeout=30)).status == "succeeded"
        assert scene.calls == {"one": 1, "slow": 2}
        said, row = await kinds(fork), await fork.row()
    assert said.count((events.STEP_REUSED, "one")) == 1
    assert row.epoch >= 3
