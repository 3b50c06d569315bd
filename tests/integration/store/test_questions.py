"""What waits for people, and their answers: the first one counts, and a refused one leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain import event as kinds
from orchestrator.domain.budget import BUDGET_FORM
from orchestrator.domain.identity import NO_ITEM, ProcessId, new_process_id
from orchestrator.domain.outcome import OutcomeKind
from orchestrator.domain.payload import Payload, decode
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import Database, attempts, blobs, events, inbox, processes, questions, runs
from orchestrator.store.questions import Question, answer_question, open_questions, refusal
from tests.integration.store.asking import FORM, ask, child_of, finish, nobody, pause
from tests.integration.store.scene import Scene, submit

YES = {"decision": "approve"}


async def asked(scene: Scene, **options: Any) -> Question:
    await ask(scene, **options)
    (question,) = await open_questions(scene.database, tenant="acme", run_id=scene.run_id)
    return question


async def owned(scene: Scene) -> ProcessId:
    process = new_process_id()
    await processes.register(scene.database, process, "supervisor")
    assert await runs.take_ownership(scene.database, scene.run_id, process, 5.0)
    return process


async def said(scene: Scene) -> list[tuple[str, Any]]:
    page, _ = await events.read_events(scene.database, scene.run_id, tenant="acme")
    return [(stored.event.kind, stored.event.data) for stored in page]


async def left(scene: Scene, value: Any = YES) -> list[Any]:
    """What an answer would leave behind."""
    digest = Payload.of(value).ref.sha256
    found = await blobs.get_blobs(scene.database, "acme", [digest])
    return [*await inbox.read_inbox(scene.database, scene.run_id), *await said(scene), *found]


async def test_a_question_is_read_as_it_was_asked(scene: Scene) -> None:
    identity = await ask(
        scene, item=3, number=2, expires=99.5, feedback=["too short"], rejected={"decision": "x"}, description="Well?"
    )
    (question,) = await open_questions(scene.database, tenant="acme")
    assert question == Question(
        run_id=scene.run_id,
        tenant="acme",
        workflow="brief",
        step="approve",
        item=3,
        attempt_id=identity,
        number=2,
        assignee="anna",
        form=FORM,
        shown={"text": "hi"},
        description="Well?",
        feedback=("too short",),
        rejected={"decision": "x"},
        asked_at=question.asked_at,
        expires_at=99.5,
    )
    assert question.asked_at > 0 and not question.about_budget


async def test_a_question_for_anybody_may_take_anything(scene: Scene) -> None:
    question = await asked(scene, assignee=None, form=None)
    assert (question.assignee, question.form, question.expires_at, question.item) == (None, None, None, NO_ITEM)


async def test_questions_are_those_of_a_tenant_a_run_and_the_runs_below_it(scene: Scene, database: Database) -> None:
    child = await child_of(scene)
    below = await child_of(child, "deeper")
    other = Scene(database, await submit(database))
    for each in (scene, other, below):
        await ask(each)

    async def of(**scope: Any) -> list[Any]:
        return [found.run_id for found in await open_questions(database, **scope)]

    assert await of(tenant="acme") == [scene.run_id, other.run_id, below.run_id]
    assert await of(tenant="acme", limit=1) == [scene.run_id]
    assert await of(tenant="acme", run_id=scene.run_id) == [scene.run_id, below.run_id]
    assert await of(tenant="acme", run_id=child.run_id) == [below.run_id]
    assert await of(tenant="evil") == await of(tenant="evil", run_id=scene.run_id) == []


async def test_what_was_withdrawn_or_belongs_to_an_ended_run_is_no_question(scene: Scene, database: Database) -> None:
    await ask(scene)
    await ask(scene, "other")
    async with database.transaction() as connection:
        await attempts.cancel_attempts(connection, scene.run_id, "approve")
    assert [each.step for each in await open_questions(database, tenant="acme")] == ["other"]
    await finish(database, scene.run_id)
    assert await open_questions(database, tenant="acme") == []


async def test_an_answer_settles_the_attempt_and_wakes_the_run(scene: Scene) -> None:
    owner = await owned(scene)
    question = await asked(scene)
    assert await answer_question(scene.database, question, YES, by="bob") == owner
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    assert row.kind == inbox.OUTCOME and row.settled is not None
    assert (row.settled.id, row.settled.outcome.kind) == (question.attempt_id, OutcomeKind.SUCCEEDED)
    assert row.settled.claimed_at is not None and row.settled.finished_at >= row.settled.claimed_at
    output = row.settled.outcome.output
    assert output is not None
    stored = await blobs.get_blobs(scene.database, "acme", [output])
    assert decode(stored[output.sha256]) == YES
    assert await said(scene) == [(kinds.HUMAN_ANSWERED, {"by": "bob", "sha256": output.sha256})]
    assert await open_questions(scene.database, tenant="acme") == []


async def test_of_two_answers_at_once_one_counts(scene: Scene) -> None:
    question = await asked(scene)
    names = ["anna", "bob", "cleo", "dan"]
    done = await asyncio.gather(
        *(answer_question(scene.database, question, {"decision": "approve", "note": by}, by=by) for by in names),
        return_exceptions=True,
    )
    refused = [each for each in done if isinstance(each, Conflict)]
    assert (len(refused), done.count(None)) == (3, 1)
    (won,) = [name for name, each in zip(names, done, strict=True) if each is None]
    assert all(f"step 'approve' of run {scene.run_id} was answered already by {won} at 20" in str(e) for e in refused)
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    assert row.settled is not None and row.settled.outcome.output is not None
    assert len(await said(scene)) == 1


async def test_another_tenant_answers_nothing(scene: Scene) -> None:
    question = await asked(scene)
    before = await left(scene)
    with pytest.raises(NotFound, match="there is no run"):
        await answer_question(scene.database, replace(question, tenant="evil"), YES, by=None)
    assert await left(scene) == before


async def test_a_run_that_has_ended_takes_no_answer(scene: Scene) -> None:
    question = await asked(scene)
    before = await left(scene)
    await finish(scene.database, scene.run_id, "failed")
    with pytest.raises(Conflict, match="has ended already: failed"):
        await answer_question(scene.database, question, YES, by=None)
    assert await left(scene) == before


async def test_a_question_that_was_withdrawn_takes_no_answer(scene: Scene) -> None:
    question = await asked(scene)
    async with scene.database.transaction() as connection:
        await attempts.cancel_attempts(connection, scene.run_id)
    before = await left(scene)
    with pytest.raises(Conflict, match="was withdrawn"):
        await answer_question(scene.database, question, YES, by=None)
    await scene.database.execute("UPDATE attempts SET status = 'waiting', finished_at = NULL")
    with pytest.raises(Conflict, match="being cancelled"):
        await answer_question(scene.database, question, YES, by=None)
    assert await left(scene) == before


async def test_a_question_that_has_expired_says_so(scene: Scene) -> None:
    await ask(scene, expires=time.time() - 1)
    (question,) = await open_questions(scene.database, tenant="acme", run_id=scene.run_id)
    with pytest.raises(Conflict, match="its question expired"):
        await answer_question(scene.database, question, YES, by=None)
    await scene.database.execute("UPDATE attempts SET status = 'cancelled', finished_at = now()")
    with pytest.raises(Conflict, match="its question expired at 20"):
        await answer_question(scene.database, question, YES, by=None)


async def test_only_a_persons_attempt_is_answered(scene: Scene) -> None:
    question = await asked(scene)
    await scene.database.execute("UPDATE attempts SET worker = 'orchestrator.workflow'")
    with pytest.raises(NotFound, match="asks nobody"):
        await answer_question(scene.database, question, YES, by=None)


async def test_a_paused_run_asks_about_its_budget(scene: Scene) -> None:
    await pause(scene.database, scene.run_id, "0.9 of 0.8 USD")
    await pause(scene.database, scene.run_id)
    (question,) = await open_questions(scene.database, tenant="acme", run_id=scene.run_id)
    assert question.about_budget and question.form == BUDGET_FORM
    assert (question.step, question.item, question.attempt_id) == ("", NO_ITEM, None)
    assert question.shown == {"reason": "1.02 of 1 USD", "spent": {}, "budget": {}}
    assert question.description == "the run is paused: 1.02 of 1 USD"


async def test_of_two_answers_about_a_budget_one_counts(scene: Scene) -> None:
    owner = await owned(scene)
    await pause(scene.database, scene.run_id)
    (question,) = await open_questions(scene.database, tenant="acme")
    done = await asyncio.gather(
        *(answer_question(scene.database, question, {"decision": "continue"}, by=by) for by in ("anna", "bob")),
        return_exceptions=True,
    )
    (refused,) = [each for each in done if isinstance(each, Conflict)]
    assert owner in done and "was answered already" in str(refused)
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    won = ("anna", "bob")[done.index(owner)]
    assert (row.kind, row.payload) == ("answer", {"value": {"decision": "continue"}, "by": won})
    assert (await said(scene))[1:] == [(kinds.HUMAN_ANSWERED, row.payload)]
    assert await open_questions(scene.database, tenant="acme") == []


async def test_a_run_that_goes_on_again_takes_no_answer_about_its_budget(scene: Scene) -> None:
    await pause(scene.database, scene.run_id)
    (question,) = await open_questions(scene.database, tenant="acme")
    with pytest.raises(NotFound):
        await answer_question(scene.database, replace(question, tenant="evil"), {"decision": "stop"}, by=None)
    await scene.database.execute("UPDATE runs SET status = 'running'")
    with pytest.raises(Conflict, match="is running, not paused"):
        await answer_question(scene.database, question, {"decision": "stop"}, by=None)
    await finish(scene.database, scene.run_id)
    with pytest.raises(Conflict, match="has ended already: succeeded"):
        await answer_question(scene.database, question, {"decision": "stop"}, by=None)
    assert await inbox.read_inbox(scene.database, scene.run_id) == []


async def test_a_refusal_knows_runs_and_steps(scene: Scene, database: Database) -> None:
    await ask(scene, item=0)
    assert "there is no run" in str(await refusal(database, nobody(), tenant="acme", step="approve"))
    assert "step 'other' of run" in str(await refusal(database, scene.run_id, tenant="acme", step="other"))
    assert "'approve' item 5 of" in str(await refusal(database, scene.run_id, tenant="acme", step="approve", item=5))
    assert questions.MOST_QUESTIONS >= 1_000
