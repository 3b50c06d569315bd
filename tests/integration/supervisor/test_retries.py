"""Dead letters are seen, and a retry tries again what failed and reuses what did not."""

from __future__ import annotations

import pytest

from orchestrator.client import ALL_TENANTS
from orchestrator.errors import Conflict, NotFound
from tests.integration.supervisor.scene import Scene, flow, opened, until
from tests.integration.supervisor.test_child_runs import project
from tests.integration.supervisor.test_forks import by_step, ended

FLAKY = """
  before: {kind: worker, worker: t.say, with: {text: before}}
  flaky:
    kind: worker
    worker: t.flaky
    needs: [before]
    with: {failures: 2}
    retry: {max_attempts: 2, backoff: {initial: 10ms}}
  after: {kind: worker, worker: t.say, needs: [flaky], with: {text: after}}
  apart: {kind: worker, worker: t.say, with: {text: apart}}
"""


async def dead_runs(scene: Scene) -> list[object]:
    """The ids of the runs with a dead letter."""
    return [row.id for row in await scene.app.list_runs(dead=True)]


async def test_a_retry_reuses_what_went_well_and_tries_again_what_did_not(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, FLAKY)
        old = by_step(await source.trace())
        assert (old["flaky"].dead, old["flaky"].attempts, old["after"].status) == (True, 2, "skipped")
        assert await dead_runs(scene) == [source.id]
        again = await source.retry()
        assert (await again.result(timeout=30)).status == "succeeded"
        new, row = by_step(await again.trace()), await again.row()
        assert scene.calls == {"before": 1, "flaky": 3, "after": 1, "apart": 1}
        assert await dead_runs(scene) == [source.id]
        assert row.fork is not None and (row.fork.steps, row.fork.retry) == (("flaky",), True)
    assert [new[step].reused_from for step in new] == [source.id, None, None, source.id]
    assert not new["flaky"].dead


async def test_an_attempt_that_is_lost_each_time_is_a_dead_letter_with_its_processes(database_url, tmp_path):
    steps = """
  poison: {kind: worker, worker: t.wait, with: {seconds: 60}, retry: {max_attempts: 2, backoff: {initial: 10ms}}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await scene.app.submit(flow(steps))

        async def over() -> bool:
            expire = "UPDATE attempts SET lease_until = now() - interval '1 second' WHERE status = 'running'"
            await scene.app.database.execute(expire)
            return (await source.row()).status == "failed"

        await until(over)
        trace = await source.trace()
        assert await dead_runs(scene) == [source.id]
    assert trace.steps[0].dead and trace.steps[0].error.code == "worker_lost"
    assert [(row.status, row.process is not None) for row in trace.attempts] == [("lost", True), ("lost", True)]


async def test_an_error_of_its_own_is_no_dead_letter_and_is_retried_all_the_same(database_url, tmp_path):
    steps = "  s: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}"
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        assert await dead_runs(scene) == [] == await scene.app.list_runs(tenant=ALL_TENANTS, dead=True)
        assert (await (await source.retry()).result(timeout=30)).status == "succeeded"


async def test_a_cancelled_run_is_retried_where_it_was_broken_off(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  slow: {kind: worker, worker: t.wait, needs: [one], with: {seconds: 1, text: slow}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await scene.app.submit(flow(steps))
        await until(lambda: scene.at_work("slow"))
        with pytest.raises(Conflict, match="is running: it is retried once it has ended"):
            await source.retry()
        await source.cancel()
        await source.result(timeout=20)
        assert (await (await source.retry()).result(timeout=30)).status == "succeeded"
        assert scene.calls == {"one": 1, "slow": 2}


async def test_one_of_several_failures_may_be_tried_again_alone(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}
  two: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}
  well: {kind: worker, worker: t.say, with: {text: well}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        alone = await source.retry(step="one")
        assert (await alone.result(timeout=30)).status == "failed"
        rows = by_step(await alone.trace())
        assert [(row.status, row.reused_from) for row in rows.values()] == [
            ("succeeded", None),
            ("failed", source.id),
            ("succeeded", source.id),
        ]
        assert (await (await alone.retry()).result(timeout=30)).status == "succeeded"
        assert scene.calls == {"one": 2, "two": 2, "well": 1}
        with pytest.raises(Conflict, match=r"step 'well' of run .* has succeeded"):
            await source.retry(step="well")
        with pytest.raises(NotFound, match="no step 'tow'"):
            await source.retry(step="tow")


async def test_a_failure_that_is_accepted_is_kept_unless_it_is_named(database_url, tmp_path):
    steps = """
  maybe: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}
  despite: {kind: worker, worker: t.say, needs: {maybe: [succeeded, failed]}, with: {text: despite}}
  bad: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        again = await source.retry()
        assert (await again.result(timeout=30)).status == "succeeded"
        assert scene.calls == {"maybe": 1, "despite": 1, "bad": 2}
        with pytest.raises(Conflict, match="no step of it is to be tried again"):
            await again.retry()
        assert (await (await again.retry(step="maybe")).result(timeout=30)).status == "succeeded"
        assert scene.calls == {"maybe": 2, "despite": 2, "bad": 2}


async def test_a_dead_letter_of_a_child_run_is_listed_and_the_parent_is_retried(database_url, tmp_path):
    path = project(tmp_path, "  call: {kind: workflow, uses: ./poison.yaml}")
    (tmp_path / "poison.yaml").write_text(
        "api: orchestrator/v1\nname: poison\nsteps:\n"
        "  s: {kind: worker, worker: t.flaky, with: {failures: 1}, retry: {max_attempts: 1}}\n"
    )
    async with opened(database_url, tmp_path) as scene:
        source = await scene.app.submit(path)
        assert (await source.result(timeout=30)).status == "failed"
        assert await dead_runs(scene) == [(await source.trace()).children[0].id]
        assert (await (await source.retry()).result(timeout=30)).status == "succeeded"


async def test_a_run_that_ran_out_of_budget_is_retried_with_an_account_of_its_own(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  slow: {kind: worker, worker: t.wait, needs: [one], with: {seconds: 1, text: slow}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps, "budget: {wall: 500ms, on_exceed: fail}")
        assert (await source.row()).error.code == "budget_exceeded"
        again = await source.fork(step="slow", with_={"seconds": 0})
        assert (await again.result(timeout=30)).status == "succeeded"
        assert scene.calls["one"] == 1
