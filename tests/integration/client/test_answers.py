"""A person's answer through a handle: which question is meant, what is wrong with the value, who is woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrator import Orchestrator, RunHandle
from orchestrator.domain.identity import new_process_id
from orchestrator.errors import AnswerInvalid, Conflict, NotFound
from orchestrator.queue import process_channel
from orchestrator.store import Database, inbox, processes, runs
from tests.integration.client.test_versions import letter
from tests.integration.store.asking import ask, child_of, finish, pause
from tests.integration.store.scene import Scene

YES = {"decision": "approve"}


@pytest.fixture
async def handle(database: Database) -> AsyncIterator[RunHandle]:
    async with Orchestrator.connect(database=database.url, tenant="acme") as app:
        yield await app.submit(letter("dear"))


@pytest.fixture
def scene(database: Database, handle: RunHandle) -> Scene:
    return Scene(database, handle.id)


async def unread(scene: Scene) -> int:
    return len(await inbox.read_inbox(scene.database, scene.run_id))


async def test_the_only_question_needs_no_name(handle: RunHandle, scene: Scene) -> None:
    identity = await ask(scene)
    assert [each.step for each in await handle.questions()] == ["approve"]
    answered = await handle.answer(value=YES, by="bob")
    assert (answered.attempt_id, await handle.questions()) == (identity, [])
    with pytest.raises(Conflict, match="was answered already by bob"):
        await handle.answer(step="approve", value=YES)
    with pytest.raises(NotFound, match="asks nobody anything"):
        await handle.answer(value=YES)


async def test_the_owner_is_told(handle: RunHandle, scene: Scene) -> None:
    process = new_process_id()
    await processes.register(scene.database, process, "supervisor")
    assert await runs.take_ownership(scene.database, scene.run_id, process, 5.0)
    await ask(scene)
    told: asyncio.Queue[str] = asyncio.Queue()
    listening = await scene.database.dedicated_connection()
    await listening.add_listener(process_channel(process), lambda *said: told.put_nowait(str(said[-1])))
    await handle.answer(step="approve", value=YES)
    assert await asyncio.wait_for(told.get(), 10) == str(handle.id)
    await listening.close()


async def test_everything_that_is_wrong_is_named_and_nothing_is_stored(handle: RunHandle, scene: Scene) -> None:
    await ask(scene)
    with pytest.raises(AnswerInvalid) as caught:
        await handle.answer(step="approve", value={"decision": "perhaps", "note": 7})
    error = caught.value
    assert (error.code, error.step) == ("ORC-121", "approve")
    assert error.problems == (
        "decision: 'perhaps' is not one of ['approve', 'reject']",
        "note: 7 is not of type 'string'",
    )
    assert f"the answer to step 'approve' of run {handle.id} does not fit its form:\n  decision: 'per" in str(error)
    assert error.remedy == "the form asks for decision (approve or reject), note (string, may be left out)"
    with pytest.raises(AnswerInvalid, match="'decision' is a required property"):
        await handle.answer(step="approve", value={})
    with pytest.raises(AnswerInvalid, match="not plain JSON"):
        await handle.answer(step="approve", value={"decision": float("nan")})
    assert await unread(scene) == 0
    assert len(await handle.questions()) == 1


async def test_of_several_the_step_and_the_item_have_to_be_said(handle: RunHandle, scene: Scene) -> None:
    for item in (0, 1):
        await ask(scene, "check", item)
    await ask(scene, "sign", form=None)
    with pytest.raises(Conflict, match=r"3 questions of run .* wait:\n  step 'check' item 0 of run") as caught:
        await handle.answer(value=YES)
    assert caught.value.remedy == "say which step is meant"
    with pytest.raises(Conflict, match="2 questions") as caught:
        await handle.answer(step="check", value=YES)
    assert caught.value.remedy == "say which item is meant"
    with pytest.raises(NotFound, match=r"step 'chek' of run .* asks nobody") as missing:
        await handle.answer(step="chek", value=YES)
    assert "step 'sign' of run" in missing.value.remedy
    assert (await handle.answer(step="check", item=1, value=YES)).item == 1
    assert (await handle.answer(step="check", value=YES)).item == 0
    assert (await handle.answer(step="sign", value=[1, "any"])).step == "sign"
    assert await unread(scene) == 3


async def test_the_budget_of_a_paused_run_goes_first(handle: RunHandle, scene: Scene) -> None:
    await ask(scene)
    await pause(scene.database, scene.run_id)
    assert (await handle.row()).status == "paused"
    with pytest.raises(AnswerInvalid, match=r"the budget of run .* does not fit"):
        await handle.answer(value=YES)
    with pytest.raises(AnswerInvalid):
        await handle.answer(step="", value={"decision": "continue", "usd": 0})
    answered = await handle.answer(value={"decision": "continue", "usd": 2.5})
    assert answered.about_budget
    with pytest.raises(Conflict, match="is paused, and its budget was answered already"):
        await handle.answer(step="", value={"decision": "stop"})
    assert (await handle.answer(value=YES)).step == "approve"


async def test_what_runs_below_ask_is_answered_here_too(handle: RunHandle, scene: Scene) -> None:
    child, other = await child_of(scene), await child_of(scene, "again")
    await ask(scene)
    await ask(child)
    assert [each.run_id for each in await handle.questions()] == [handle.id, child.run_id]
    assert (await handle.answer(step="approve", value=YES)).run_id == handle.id
    assert (await handle.answer(value=YES)).run_id == child.run_id
    assert (await unread(scene), await unread(child)) == (1, 1)
    for each in (child, other):
        await ask(each, "twin")
    with pytest.raises(Conflict) as caught:
        await handle.answer(step="twin", value=YES)
    assert caught.value.remedy == "answer the run that asks, by its own id"
    await pause(scene.database, other.run_id)
    assert (await handle.answer(step="", value={"decision": "stop"})).run_id == other.run_id


async def test_an_ended_run_says_how_it_ended(handle: RunHandle, scene: Scene) -> None:
    await ask(scene)
    await finish(scene.database, handle.id, "cancelled")
    for step in (None, "", "approve"):
        with pytest.raises(Conflict, match="has ended already: cancelled"):
            await handle.answer(step=step, value=YES)


async def test_another_tenant_sees_and_answers_nothing(handle: RunHandle, scene: Scene) -> None:
    await ask(scene)
    async with Orchestrator.connect(database=scene.database.url, tenant="evil") as evil:
        forged = RunHandle(handle.id, "evil", scene.database, evil._parts.client._finished)
        assert await forged.questions() == await evil.questions() == []
        with pytest.raises(NotFound):
            await forged.answer(step="approve", value=YES)
        assert [each.run_id for each in await evil.questions(tenant="acme")] == [handle.id]
    assert await unread(scene) == 0


async def test_a_trace_has_the_runs_below_and_what_people_said(handle: RunHandle, scene: Scene) -> None:
    child = await child_of(scene)
    await child_of(child, "deeper")
    await ask(scene)
    await handle.answer(value=YES, by="bob")
    trace = await handle.trace()
    assert [(row.id, row.parent_step) for row in trace.children] == [(child.run_id, "review")]
    (note,) = trace.notes
    assert (note.event.kind, note.event.data["by"], note.event.run_id) == ("human.answered", "bob", handle.id)


async def test_lists_leave_out_what_steps_began(handle: RunHandle, scene: Scene) -> None:
    child = await child_of(scene)
    async with Orchestrator.connect(database=scene.database.url, tenant="acme") as app:
        assert [row.id for row in await app.list_runs()] == [handle.id]
        assert {row.id for row in await app.list_runs(children=True)} == {handle.id, child.run_id}
