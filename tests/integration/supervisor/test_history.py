"""What the supervisor knew, checkpoint by checkpoint: a fold of all of it is what it knows."""

from typing import Annotated, Any

import pytest
from langgraph.channels.delta import DeltaChannel
from typing_extensions import TypedDict

from orchestrator import Moment, RunHandle
from orchestrator.client import history
from orchestrator.domain.run import Patch, RunState, fold
from orchestrator.errors import NotFound
from orchestrator.store import AsyncpgSaver
from orchestrator.supervisor import graph
from tests.integration.supervisor.scene import flow, opened
from tests.integration.supervisor.test_forks import CHAIN, HEAD, ended

EACH = """
  each: {kind: worker, worker: t.say, foreach: {items: [x, y, z], as: w, max_parallel: 1}, with: {text: "${{ w }}"}}
  after: {kind: worker, worker: t.say, needs: [each], with: {text: after}}
"""


async def moments_of(handle: RunHandle) -> list[Moment]:
    """The whole history of a run."""
    return [moment async for moment in handle.history()]


def folded(moments: list[Moment]) -> RunState:
    """What all the moments say together."""
    return fold(RunState(), [Patch(steps=each.steps, items=each.items) for each in moments])


def stands(state: RunState) -> dict[str, Any]:
    """Where the steps and items of a state stand."""
    return {"steps": dict(state.steps), "items": {step: dict(items) for step, items in state.items.items()}}


async def test_a_history_tells_how_each_step_came_to_its_end(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await ended(scene, CHAIN, HEAD)
        found = await moments_of(handle)
        row = await handle.row()
    assert [moment.number for moment in found] == sorted({moment.number for moment in found})
    assert all(row.started_at - 1 <= moment.at <= row.finished_at + 1 for moment in found)
    reads = [str(step.status) for moment in found for step in moment.steps if step.id == "read"]
    assert reads == ["running", "succeeded"]
    assert folded(found).settled_all


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_the_state_at_a_checkpoint_is_all_that_was_known_by_then(database_url, tmp_path, monkeypatch, page):
    monkeypatch.setattr(history, "PAGE", page)
    async with opened(database_url, tmp_path) as scene:
        handle = await ended(scene, EACH)
        found = await moments_of(handle)
        for place, moment in enumerate(found):
            state = await handle.state_at(moment.number)
            assert stands(state) == stands(folded(found[: place + 1]))
        assert stands(await handle.state_at(10_000)) == stands(folded(found))
        with pytest.raises(NotFound, match="nothing is known"):
            await handle.state_at(-1)


async def test_the_history_of_a_run_whose_first_checkpoints_are_pruned_begins_with_all_of_them(
    database_url, tmp_path, monkeypatch
):
    class Rarely(TypedDict):
        run: Annotated[RunState, DeltaChannel(fold, RunState, snapshot_frequency=2)]

    monkeypatch.setattr(graph, "SupervisorState", Rarely)
    async with opened(database_url, tmp_path) as scene:
        handle = await ended(scene, EACH)
        whole = await moments_of(handle)
        await AsyncpgSaver(scene.app.database).aprune([str(handle.id)])
        rest = await moments_of(handle)
        assert 0 < len(rest) < len(whole)
        assert rest[0].number > 1
        assert stands(folded(rest)) == stands(folded(whole)) == stands(await handle.state_at(10_000))
        with pytest.raises(NotFound, match="its history begins later"):
            await handle.state_at(1)
        assert (await (await handle.fork(step="after")).result(timeout=30)).status == "succeeded"
        assert scene.calls == {"x": 1, "y": 1, "z": 1, "after": 2}


async def test_an_account_and_an_ending_are_part_of_it(database_url, tmp_path):
    steps = """
  one: {kind: worker, worker: t.say, with: {text: one}}
finally:
  tell: {kind: worker, worker: t.say, with: {text: tell}}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps, "budget: {wall: 60s}"))
        await handle.result(timeout=30)
        found = await moments_of(handle)
    assert found[0].account is not None and found[0].account.budget.wall == 60
    assert [str(each.ending.status) for each in found if each.ending] == ["succeeded"]
