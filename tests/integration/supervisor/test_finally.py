"""`finally`: runs once, whatever the run came to, and never changes it."""

from __future__ import annotations

import pytest

from tests.integration.supervisor.scene import flow, opened, until

FINALLY = """
finally:
  tell: {kind: worker, worker: t.say, with: {text: "run ${{ run.status }}"}}
  after: {kind: worker, worker: t.say, with: {text: "${{ steps.tell.output.text + '!' }}"}}
"""


def status_of(trace, step: str) -> str:
    """Where a step stands."""
    return next(row.status for row in trace.steps if row.step == step)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("{kind: worker, worker: t.say, with: {text: hello}}", "succeeded"),
        ("{kind: worker, worker: t.flaky, with: {failures: 9, error: value}}", "failed"),
    ],
)
async def test_it_sees_what_the_run_came_to(database_url, tmp_path, step, status):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(f"  one: {step}\n{FINALLY}")
        assert scene.calls[f"run {status}"] == scene.calls[f"run {status}!"] == 1
    assert result.status == status
    assert (status_of(trace, "tell"), status_of(trace, "after")) == ("succeeded", "succeeded")


async def test_it_runs_after_a_cancel_and_the_run_stays_cancelled(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(
            flow(f"  slow: {{kind: worker, worker: t.wait, with: {{seconds: 60}}}}\n{FINALLY}")
        )
        await until(lambda: scene.at_work("slow"))
        await handle.cancel()
        result = await handle.result(timeout=20)
        trace = await handle.trace()
        assert scene.calls["run cancelled"] == 1
    assert result.status == "cancelled"
    assert (status_of(trace, "slow"), status_of(trace, "after")) == ("cancelled", "succeeded")


async def test_a_second_cancel_does_not_stop_it(database_url, tmp_path):
    steps = """  one: {kind: worker, worker: t.say, with: {text: hello}}
finally:
  tidy: {kind: worker, worker: t.wait, with: {seconds: 1.5, text: tidied}}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps))
        await until(lambda: scene.at_work("tidy"))
        await handle.cancel()
        result = await handle.result(timeout=20)
        assert scene.running["tidy"] == 0 and scene.calls["tidied"] == 1
        trace = await handle.trace()
    assert (result.status, status_of(trace, "tidy")) == ("succeeded", "succeeded")


async def test_its_failure_changes_nothing_but_is_shown(database_url, tmp_path):
    steps = """  one: {kind: worker, worker: t.say, with: {text: hello}}
finally:
  bad: {kind: worker, worker: t.flaky, with: {failures: 9, error: value}}
"""
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(steps, head="outputs: {said: '${{ steps.one.output.text }}'}")
    assert (result.status, result.output, result.error) == ("succeeded", {"said": "hello"}, None)
    assert status_of(trace, "bad") == "failed"


async def test_it_starts_only_when_every_step_has_settled(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        steps = """
  slow: {kind: worker, worker: t.wait, with: {seconds: 0.7}}
  quick: {kind: worker, worker: t.say, with: {text: a}}
"""
        _, trace = await scene.run(steps + FINALLY)
    step = {row.step: row for row in trace.steps}
    assert step["tell"].started_at >= max(step["slow"].finished_at, step["quick"].finished_at)


async def test_it_reads_steps_behind_a_guard(database_url, tmp_path):
    steps = """  one: {kind: worker, worker: t.flaky, with: {failures: 9, error: value}}
finally:
  tell:
    kind: worker
    worker: t.say
    with: {text: "${{ steps.one.status == 'succeeded' ? steps.one.output.text : steps.one.error.code }}"}
"""
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(steps)
        assert scene.calls["value"] == 1
    assert result.status == "failed"


async def test_outputs_that_do_not_evaluate_are_known_before_it(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(
            "  one: {kind: worker, worker: t.loose, with: {}}\n" + FINALLY,
            head="outputs: {x: '${{ steps.one.output.nothing }}'}",
        )
        assert scene.calls["run failed"] == 1
    assert result.status == "failed"
