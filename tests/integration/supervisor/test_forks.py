"""A fork reuses by reference what another run has settled, does the rest again, and says where it comes from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator import RunHandle, RunTrace
from orchestrator.domain import event as events
from orchestrator.domain.fork import Fork
from orchestrator.errors import Conflict, ForkInvalid, NotFound
from orchestrator.store.steps import StepRow
from tests.integration.supervisor.scene import Scene, flow, opened, until
from tests.integration.supervisor.test_child_runs import project

CHAIN = """
  read: {kind: worker, worker: t.say, with: {text: "${{ inputs.word }}"}}
  side: {kind: worker, worker: t.say, with: {text: side}}
  write: {kind: worker, worker: t.say, with: {text: "${{ steps.read.output.text + ' written' }}"}}
  publish: {kind: worker, worker: t.say, with: {text: "${{ steps.write.output.text + ' ' + steps.side.output.text }}"}}
"""
HEAD = "inputs: {word: {type: string, default: a}}\noutputs: {said: '${{ steps.publish.output.text }}'}"


async def ended(scene: Scene, steps: str, head: str = "", inputs: dict[str, Any] | None = None) -> RunHandle:
    """A run of these steps, to its end."""
    handle = await scene.app.submit(flow(steps, head), inputs or {})
    await handle.result(timeout=30)
    return handle


def by_step(trace: RunTrace) -> dict[str, StepRow]:
    """The steps of a run by their names."""
    return {row.step: row for row in trace.steps}


async def kinds(handle: RunHandle) -> list[tuple[str, str]]:
    """The kind and step of each of a run's events."""
    return [(each.event.kind, each.event.step) async for each in handle.events()]


async def test_nothing_before_the_step_is_done_again(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD, {"word": "b"})
        before = dict(scene.calls)
        fork = await source.fork(step="write")
        result = await fork.result(timeout=30)
        old, new = by_step(await source.trace()), by_step(trace := await fork.trace())
        said, before_row = await kinds(fork), await source.row()
    assert (result.status, result.output) == ("succeeded", {"said": "b written side"})
    assert dict(scene.calls) == before | {"b written": 2, "b written side": 2}
    assert [new[step].output for step in new] == [old[step].output for step in old]
    reused = {step: row.reused_from for step, row in new.items()}
    assert reused == {"read": source.id, "side": source.id, "write": None, "publish": None}
    assert {row.step for row in trace.attempts} == {"write", "publish"}
    assert [new[step].attempts for step in new] == [0, 0, 1, 1]
    assert new["read"].reason == f"reused from run {source.id}"
    assert [step for kind, step in said if kind == events.STEP_REUSED] == ["read", "side"]
    row = trace.run
    assert (row.forked_from, row.fork) == (source.id, Fork(("write",)))
    assert (row.workflow_sha256, row.inputs) == (before_row.workflow_sha256, before_row.inputs)


async def test_an_overlay_replaces_what_the_step_was_given(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
        fork = await source.fork(step="write", with_={"text": "${{ literally }}"})
        result = await fork.result(timeout=30)
        assert scene.calls["${{ literally }}"] == 1
    assert result.output == {"said": "${{ literally }} side"}


async def test_an_overlay_mends_an_expression_that_does_not_evaluate(database_url, tmp_path):
    steps = """
  list: {kind: worker, worker: t.loose, with: {words: []}}
  first: {kind: worker, worker: t.say, with: {text: "${{ steps.list.output.words[0] }}"}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        assert (await source.row()).status == "failed"
        fork = await source.fork(step="first", with_={"text": "mended"})
        assert (await fork.result(timeout=30)).status == "succeeded"
        assert scene.calls["mended"] == 1


async def test_an_overlay_is_laid_over_every_item(database_url, tmp_path):
    steps = """
  each: {kind: worker, worker: t.wait, foreach: {items: [x, y], as: w}, with: {seconds: 0, text: "${{ w }}"}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps, "outputs: {all: '${{ steps.each.output }}'}")
        result = await (await source.fork(step="each", with_={"seconds": 0.01})).result(timeout=30)
        rows = (await (await scene.app.handle(result.run_id)).trace()).attempts
    assert result.output == {"all": [{"text": "x"}, {"text": "y"}]}
    assert len({row.input for row in rows}) == 2


@pytest.mark.parametrize("options", ["", ", on_item_error: collect"])
async def test_a_foreach_is_reused_with_its_items(database_url, tmp_path, options):
    steps = f"""
  each:
    kind: worker
    worker: t.say
    foreach: {{items: [a, "far too long", c], as: w{options}}}
    with: {{text: "${{{{ w }}}}"}}
    {'validate: [{name: short, expr: "size(output.text) < 4"}]' if options else ""}
  after: {{kind: worker, worker: t.say, needs: [each], with: {{text: after}}}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps, "outputs: {all: '${{ steps.each.output }}'}")
        fork = await source.fork(step="after")
        first, second = await source.result(), await fork.result(timeout=30)
        row = by_step(await fork.trace())["each"]
        assert (scene.calls["a"], scene.calls["c"], scene.calls["after"]) == (1, 1, 2)
        again = await (await fork.fork(step="after")).result(timeout=30)
    assert first.status == second.status == again.status == "succeeded"
    assert first.output == second.output == again.output
    assert (row.items_total, row.items_done, row.items_failed) == (3, 3, 1 if options else 0)


async def test_failed_and_skipped_steps_are_reused_as_they_are(database_url, tmp_path):
    steps = """
  bad: {kind: worker, worker: t.flaky, with: {failures: 9, error: value}}
  unless: {kind: worker, worker: t.say, needs: [bad], with: {text: unless}}
  never: {kind: worker, worker: t.say, when: "inputs.go", with: {text: never}}
  despite: {kind: worker, worker: t.say, needs: {bad: [failed]}, with: {text: despite}}
  other: {kind: worker, worker: t.say, with: {text: other}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps, "inputs: {go: {type: boolean, default: false}}")
        fork = await source.fork(step="other")
        result = await fork.result(timeout=30)
        old, new = by_step(await source.trace()), by_step(await fork.trace())
        assert (scene.calls["bad"], scene.calls["despite"], scene.calls["other"]) == (1, 1, 2)
    assert result.status == "succeeded"  # the failure is accepted, as in the source
    assert {step: row.status for step, row in new.items()} == {step: row.status for step, row in old.items()}
    assert new["bad"].error == old["bad"].error
    assert new["unless"].reason == f"reused from run {source.id}: {old['unless'].reason}"


async def test_a_step_that_was_skipped_or_failed_may_be_done_again(database_url, tmp_path):
    steps = """
  flaky: {kind: worker, worker: t.flaky, with: {failures: 1, error: value}}
  after: {kind: worker, worker: t.say, needs: [flaky], with: {text: after}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        skipped = await source.fork(step="after")
        assert (await skipped.result(timeout=30)).status == "failed"
        assert by_step(await skipped.trace())["after"].status == "skipped"
        failed = await source.fork(step="flaky")
        assert (await failed.result(timeout=30)).status == "succeeded"
        assert scene.calls["after"] == 1


async def test_a_fork_of_a_fork_names_the_run_that_did_the_work(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
        first = await source.fork(step="write", with_={"text": "once"})
        await first.result(timeout=30)
        second = await first.fork(step="publish")
        result = await second.result(timeout=30)
        rows = by_step(await second.trace())
        assert (scene.calls["a"], scene.calls["once"], scene.calls["once side"]) == (1, 1, 2)
    assert result.output == {"said": "once side"}
    assert [row.reused_from for row in rows.values()] == [source.id, source.id, first.id, None]
    assert rows["write"].reason == f"reused from run {first.id}"


async def test_a_running_run_is_forked_and_goes_on(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  two: {kind: worker, worker: t.say, needs: [one], with: {text: two}}
  slow: {kind: worker, worker: t.wait, with: {seconds: 1.5, text: slow}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await scene.app.submit(flow(steps))

        async def settled() -> bool:
            return by_step(await source.trace())["two"].status == "succeeded"

        await until(lambda: scene.at_work("slow"))
        await until(settled)
        with pytest.raises(Conflict, match=r"step 'slow' of run .* has not settled: it is running"):
            await source.fork(step="slow")
        fork = await source.fork(step="two")
        results = await asyncio.gather(source.result(timeout=30), fork.result(timeout=30))
        rows = by_step(await fork.trace())
    assert [result.status for result in results] == ["succeeded", "succeeded"]
    assert scene.calls == {"one": 1, "two": 2, "slow": 2}
    assert [row.reused_from for row in rows.values()] == [source.id, None, None]


async def test_a_cancelled_run_is_forked_at_what_was_cancelled(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  slow: {kind: worker, worker: t.wait, needs: [one], with: {seconds: 60, text: slow}}
  other: {kind: worker, worker: t.wait, needs: [slow], with: {seconds: 0, text: other}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await scene.app.submit(flow(steps))
        await until(lambda: scene.at_work("slow"))
        await source.cancel()
        assert (await source.result(timeout=20)).status == "cancelled"
        fork = await source.fork(step="slow", with_={"seconds": 0})
        assert (await fork.result(timeout=30)).status == "succeeded"
        assert scene.calls == {"one": 1, "slow": 2, "other": 1}


async def test_finally_is_always_done_anew(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
  two: {kind: worker, worker: t.say, with: {text: two}}
finally:
  tell: {kind: worker, worker: t.say, with: {text: "run ${{ run.status }}"}}
"""
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, steps)
        await (await source.fork(step="two")).result(timeout=30)
        assert scene.calls == {"one": 1, "two": 2, "run succeeded": 2}
        with pytest.raises(ForkInvalid, match="belongs to `finally`") as caught:
            await source.fork(step="tell")
    assert (caught.value.code, caught.value.step) == ("ORC-122", "tell")


async def test_a_child_run_is_forked_without_its_parent(database_url, tmp_path):
    path = project(tmp_path, "  call: {kind: workflow, uses: ./child.yaml, with: {text: hello}}")
    async with opened(database_url, tmp_path) as scene:
        parent = await scene.app.submit(path)
        await parent.result(timeout=30)
        child = parent.child((await parent.trace()).children[0].id)
        fork = await child.fork(step="say", with_={"text": "again"})
        result = await fork.result(timeout=30)
        row = await fork.row()
        assert (scene.calls["waited"], scene.calls["hello"], scene.calls["again"]) == (1, 1, 1)
        redone = await parent.fork(step="call", with_={"text": "other"})
        assert (await redone.result(timeout=30)).status == "succeeded"
        assert scene.calls["other"] == 1
        with pytest.raises(ForkInvalid, match=r"workflow 'child' takes no 'txt' \(did you mean 'text'\?\)"):
            await parent.fork(step="call", with_={"txt": "other"})
    assert (result.status, result.output) == ("succeeded", {"said": "again"})
    assert (row.parent_run, row.parent_step, row.forked_from) == (None, None, child.id)


async def test_the_effects_of_what_is_done_again_are_the_new_runs_own(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
        fork = await source.fork(step="write")
        await fork.result(timeout=30)
        keys = {row.idempotency_key for row in (await fork.trace()).attempts}
    assert keys == {f"{fork.id}/write", f"{fork.id}/publish"}


async def test_what_cannot_be_forked_is_refused_before_anything_is_written(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
        with pytest.raises(NotFound, match="has no step 'wirte'") as caught:
            await source.fork(step="wirte")
        assert "did you mean 'write'?" in str(caught.value)
        for with_, problem in [
            ({"txt": "x"}, r"worker 't.say' takes no 'txt' \(did you mean 'text'\?\)"),
            ({"text": 1}, "'text': 1 is not of type 'string'"),
            (["text"], "must be a JSON object"),
        ]:
            with pytest.raises(ForkInvalid, match=problem):
                await source.fork(step="write", with_=with_)
        foreign = RunHandle(source.id, "evil", source._database, source._finished)
        for call in (foreign.fork(step="write"), foreign.retry(), foreign.overlay("write"), foreign.state_at(1)):
            with pytest.raises(NotFound):
                await call
        with pytest.raises(NotFound):
            await anext(foreign.history())
        assert len(await scene.app.list_runs()) == 1


async def test_a_fork_is_not_what_a_name_stands_for(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        source = await ended(scene, CHAIN, HEAD)
        newer = await ended(scene, CHAIN.replace("side}", "aside}"), HEAD)
        await (await source.fork(step="publish")).result(timeout=30)
        assert (await scene.app.load("scene")).sha256 == (await newer.row()).workflow_sha256
