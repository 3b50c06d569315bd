"""`kind: workflow`: a run within a run, typed, counted in, cancelled with its parent, and taken over like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import RunHandle
from orchestrator.domain.identity import RunId
from orchestrator.errors import Conflict, InputError
from tests.integration.supervisor.scene import Scene, opened, until

CHILD = """
api: orchestrator/v1
name: child
version: 1.0.0
inputs: {text: {type: string}, seconds: {type: number, default: 0}}
outputs: {said: "${{ steps.say.output.text }}"}
steps:
  wait: {kind: worker, worker: t.wait, with: {seconds: "${{ inputs.seconds }}", text: waited}}
  say: {kind: worker, worker: t.say, needs: [wait], with: {text: "${{ inputs.text }}"}}
"""

FAILING = """
api: orchestrator/v1
name: failing
steps:
  bad: {kind: worker, worker: t.flaky, with: {failures: 9, error: duplicate}}
"""


def project(folder: Path, steps: str, head: str = "") -> Path:
    """A workflow file beside the two that it may use."""
    (folder / "child.yaml").write_text(CHILD)
    (folder / "failing.yaml").write_text(FAILING)
    path = folder / "parent.yaml"
    path.write_text(f"api: orchestrator/v1\nname: parent\nversion: 1.0.0\n{head}\nsteps:\n{steps}")
    return path


async def child_of(scene: Scene, handle: RunHandle, step: str = "call") -> RunHandle:
    """The child run that a step waits for."""

    async def found() -> list[Any]:
        return [row for row in (await handle.trace()).attempts if row.step == step and row.status == "waiting"]

    return await scene.app.handle(str(RunId((await until(found))[-1].id)))


async def test_a_child_gives_its_outputs_to_the_step(database_url, tmp_path):
    steps = """
  call: {kind: workflow, uses: ./child.yaml, with: {text: "${{ inputs.word }}"}}
  after: {kind: worker, worker: t.say, with: {text: "${{ steps.call.output.said + '!' }}"}}
"""
    head = "inputs: {word: {type: string}}\noutputs: {said: '${{ steps.after.output.text }}'}"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps, head), {"word": "hello"}, priority=3)
        result = await handle.result(timeout=30)
        trace = await handle.trace()
        attempt = next(row for row in trace.attempts if row.step == "call")
        child = await (await scene.app.handle(str(attempt.id))).trace()
    assert (result.status, result.output) == ("succeeded", {"said": "hello!"})
    assert (attempt.status, attempt.worker, attempt.pool) == ("succeeded", "orchestrator.workflow", "")
    assert (child.run.status, child.run.workflow, child.run.version) == ("succeeded", "child", "1.0.0")
    assert (child.run.parent_run, child.run.parent_step, child.run.priority) == (handle.id, "call", 3)
    assert [row.status for row in child.steps] == ["succeeded", "succeeded"]


async def test_children_of_a_foreach_run_side_by_side(database_url, tmp_path):
    steps = """
  call:
    kind: workflow
    uses: ./child.yaml
    foreach: {items: [a, b, c, d], as: word}
    with: {text: "${{ word }}", seconds: 0.5}
"""
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, steps, "outputs: {all: '${{ steps.call.output.map(each, each.said) }}'}")
        result = await (await scene.app.submit(path)).result(timeout=30)
        assert scene.peak["wait"] > 1
    assert result.output == {"all": ["a", "b", "c", "d"]}


async def test_a_failed_child_fails_the_step_with_its_root_error(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, "  call: {kind: workflow, uses: ./failing.yaml, retry: {max_attempts: 3}}\n")
        handle = await scene.app.submit(path)
        result = await handle.result(timeout=30)
        trace = await handle.trace()
    assert (result.status, result.error.code) == ("failed", "duplicate")
    child = trace.attempts[0].id
    assert result.error.message == f"step call: child run {child}: step bad: twice"
    assert len(trace.attempts) == 1, "the child has spent its retries"


async def test_on_error_may_answer_for_a_child(database_url, tmp_path):
    steps = """
  call:
    kind: workflow
    uses: ./failing.yaml
    on_error: [{if: error.code == "duplicate", do: continue, output: {said: instead}}]
"""
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, steps, "outputs: {said: '${{ steps.call.output.said }}'}")
        result = await (await scene.app.submit(path)).result(timeout=30)
    assert (result.status, result.output) == ("succeeded", {"said": "instead"})


async def test_an_output_of_a_child_is_validated_before_it_moves_on(database_url, tmp_path):
    steps = """
  call:
    kind: workflow
    uses: ./child.yaml
    with: {text: hello}
    validate: [{name: long, expr: size(output.said) > 10, message: too short}]
"""
    async with opened(database_url, tmp_path) as scene:
        result = await (await scene.app.submit(project(tmp_path, steps))).result(timeout=30)
    assert (result.status, result.error.message) == ("failed", "step call: long: too short")


async def test_a_cancel_goes_down_and_is_confirmed_when_nothing_runs(database_url, tmp_path):
    steps = "  call: {kind: workflow, uses: ./child.yaml, with: {text: a, seconds: 60}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))
        child = await child_of(scene, handle)
        await until(lambda: scene.at_work("wait"))
        await handle.cancel()
        assert (await handle.result(timeout=20)).status == "cancelled"
        assert scene.running["wait"] == 0
        assert (await child.row()).status == "cancelled"


async def test_a_child_that_a_person_cancels_fails_the_step(database_url, tmp_path):
    steps = "  call: {kind: workflow, uses: ./child.yaml, with: {text: a, seconds: 60}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))
        child = await child_of(scene, handle)
        await child.cancel()
        result = await handle.result(timeout=20)
    assert (result.status, result.error.code) == ("failed", "cancelled")
    assert str(child.id) in result.error.message


async def test_a_total_timeout_cancels_the_child(database_url, tmp_path):
    steps = "  call: {kind: workflow, uses: ./child.yaml, with: {text: a, seconds: 60}, timeout: {total: 1s}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))
        child = await child_of(scene, handle)
        result = await handle.result(timeout=20)
        assert (result.status, result.error.code) == ("failed", "total_timeout")
        assert (await child.result(timeout=20)).status == "cancelled"
        assert scene.running["wait"] == 0


async def test_a_child_repeats_until_it_is_good_enough(database_url, tmp_path):
    steps = """
  call:
    kind: workflow
    uses: ./child.yaml
    with: {text: a}
    repeat: {until: size(output.said) > 2, max: 4, with: {text: "${{ previous.output.said + 'a' }}"}}
"""
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, steps, "outputs: {said: '${{ steps.call.output.said }}'}")
        handle = await scene.app.submit(path)
        result = await handle.result(timeout=30)
        assert len((await handle.trace()).attempts) == 3
    assert result.output == {"said": "aaa"}


async def test_the_definition_of_a_child_is_pinned_with_its_parent(database_url, tmp_path):
    steps = """
  first: {kind: worker, worker: t.wait, with: {seconds: 1}}
  call: {kind: workflow, uses: ./child.yaml, needs: [first], with: {text: pinned}}
"""
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, steps, "outputs: {said: '${{ steps.call.output.said }}'}")
        handle = await scene.app.submit(path)
        before = await scene.app.load(path)
        (tmp_path / "child.yaml").write_text(CHILD.replace("inputs.text }}", "inputs.text + ' edited' }}"))
        assert (await scene.app.load(path)).sha256 != before.sha256
        assert (await handle.result(timeout=30)).output == {"said": "pinned"}


async def test_wrong_inputs_that_only_running_shows_fail_the_step(database_url, tmp_path):
    steps = """
  first: {kind: worker, worker: t.loose, with: {number: 7}}
  call: {kind: workflow, uses: ./child.yaml, with: {text: "${{ steps.first.output.number }}"}}
"""
    async with opened(database_url, tmp_path) as scene:
        result = await (await scene.app.submit(project(tmp_path, steps))).result(timeout=30)
    assert (result.status, result.error.code) == ("failed", "inputs_invalid")
    assert "text" in result.error.message


async def test_a_child_that_has_ended_takes_no_cancel(database_url, tmp_path):
    steps = "  call: {kind: workflow, uses: ./child.yaml, with: {text: a}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))
        await handle.result(timeout=30)
        child = await scene.app.handle(str((await handle.trace()).attempts[0].id))
        with pytest.raises(Conflict):
            await child.cancel()


async def test_on_error_answers_for_inputs_that_do_not_fit(database_url, tmp_path):
    steps = """
  first: {kind: worker, worker: t.loose, with: {number: 7}}
  call:
    kind: workflow
    uses: ./child.yaml
    with: {text: "${{ steps.first.output.number }}"}
    on_error: [{if: error.code == "inputs_invalid", do: continue, output: {said: instead}}]
"""
    async with opened(database_url, tmp_path) as scene:
        path = project(tmp_path, steps, "outputs: {said: '${{ steps.call.output.said }}'}")
        result = await (await scene.app.submit(path)).result(timeout=30)
    assert (result.status, result.output) == ("succeeded", {"said": "instead"})


async def test_a_run_ends_only_after_what_it_called_back(database_url, tmp_path):
    """The child has a `finally`, so that it takes a while to end after its parent's step has timed out."""
    tidy = "finally:\n  tidy: {kind: worker, worker: t.wait, with: {seconds: 1, text: tidied}}\n"
    (tmp_path / "slow.yaml").write_text(CHILD.replace("name: child", "name: slow") + tidy)
    steps = "  call: {kind: workflow, uses: ./slow.yaml, with: {text: a, seconds: 60}, timeout: {total: 1s}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))
        child = await child_of(scene, handle)
        result = await handle.result(timeout=30)
        ended = await child.row()
        assert (ended.status, scene.calls["tidied"]) == ("cancelled", 1)
        assert ended.finished_at <= (await handle.row()).finished_at
    assert (result.status, result.error.code) == ("failed", "total_timeout")


async def test_a_person_who_takes_over_a_child_run_is_asked_for_its_outputs(database_url, tmp_path):
    steps = """
  call:
    kind: workflow
    uses: ./failing.yaml
    on_error: [{do: escalate, to: human}]
  other:
    kind: workflow
    uses: ./child.yaml
    with: {text: a}
    validate: [{expr: output.said == "b"}]
    on_invalid: [{do: escalate, to: human}]
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(project(tmp_path, steps))

        async def asked() -> Any:
            return [one for one in await handle.questions() if one.step == "other"]

        (question,) = await until(asked)
        assert question.form["required"] == ["said"] and question.form["additionalProperties"] is False
        with pytest.raises(InputError):
            await handle.answer(step="other", value={"sadi": "b"})
        await handle.answer(step="other", value={"said": "b"})
        await handle.answer(step="call", value={})
        assert (await handle.result(timeout=20)).status == "succeeded"
