"""`kind: human` and escalation to a person: asked, answered, expired, cancelled, and checked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator import RunHandle
from orchestrator.errors import InputError
from tests.integration.supervisor.scene import flow, opened, until

FORM = "{type: object, required: [decision], properties: {decision: {enum: [approve, reject]}, note: {type: string}}}"
APPROVE = f"""
  ask:
    kind: human
    description: May this go out?
    assignee: "${{{{ inputs.who }}}}"
    with: {{text: a draft}}
    form: {FORM}
    expires: {{after: 60s, then: fail}}
  after:
    kind: worker
    worker: t.say
    when: steps.ask.output.decision == "approve"
    with: {{text: "${{{{ steps.ask.output.decision }}}}"}}
"""
HEAD = "inputs: {who: {type: string, default: anna}}\noutputs: {decision: '${{ steps.ask.output.decision }}'}"


async def asked(handle: RunHandle, count: int = 1) -> list[Any]:
    """The run's open questions, once there are so many."""

    async def found() -> list[Any]:
        questions = await handle.questions()
        return questions if len(questions) == count else []

    return await until(found)


async def test_a_person_decides(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(APPROVE, HEAD))
        (question,) = await asked(handle)
        assert (question.step, question.assignee, question.shown) == ("ask", "anna", {"text": "a draft"})
        assert question.description == "May this go out?"
        assert question.expires_at == pytest.approx(question.asked_at + 60, abs=2)
        with pytest.raises(InputError):
            await handle.answer(step="ask", value={"decision": "perhaps"})
        await handle.answer(step="ask", value={"decision": "approve"}, by="anna")
        result = await handle.result(timeout=20)
        assert scene.calls["approve"] == 1
        trace = await handle.trace()
    assert (result.status, result.output) == ("succeeded", {"decision": "approve"})
    attempt = next(row for row in trace.attempts if row.step == "ask")
    assert (attempt.worker, attempt.pool, attempt.status) == ("orchestrator.human", "", "succeeded")


async def test_a_wait_survives_a_supervisor(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(APPROVE, HEAD))
        await asked(handle)
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.handle(str(handle.id))
        await handle.answer(step="ask", value={"decision": "reject"})
        assert (await handle.result(timeout=20)).status == "succeeded"
        assert scene.calls["reject"] == 0


@pytest.mark.parametrize(("then", "status", "step"), [("fail", "failed", "failed"), ("skip", "succeeded", "skipped")])
async def test_an_answer_is_not_waited_for_longer_than_that(database_url, tmp_path, then, status, step):
    steps = f"  ask: {{kind: human, form: {FORM}, expires: {{after: 400ms, then: {then}}}}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps))
        result = await handle.result(timeout=20)
        trace = await handle.trace()
        assert await handle.questions() == []
        with pytest.raises(InputError):
            await handle.answer(step="ask", value={"decision": "approve"})
    assert (result.status, trace.steps[0].status) == (status, step)
    assert trace.attempts[0].status == "cancelled"
    if then == "skip":
        assert trace.steps[0].reason == "no answer within 0.4 s"
    else:
        assert result.error.code == "expired"


async def test_the_answer_is_validated_and_asked_again_with_the_verdict(database_url, tmp_path):
    steps = f"""
  ask:
    kind: human
    form: {FORM}
    validate: [{{name: reasoned, expr: has(output.note), message: say why}}]
    on_invalid: [{{do: revise}}]
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps))
        await asked(handle)
        await handle.answer(step="ask", value={"decision": "reject"})

        async def again() -> list[Any]:
            return [question for question in await handle.questions() if question.number == 2]

        (question,) = await until(again)
        assert (question.feedback, question.rejected) == (("reasoned: say why",), {"decision": "reject"})
        await handle.answer(step="ask", value={"decision": "reject", "note": "too long"})
        assert (await handle.result(timeout=20)).status == "succeeded"


async def test_several_people_are_asked_at_once_and_hold_up_nobody(database_url, tmp_path):
    steps = f"""
  ask:
    kind: human
    foreach: {{items: [anna, ben], as: person}}
    assignee: "${{{{ person }}}}"
    form: {FORM}
  other: {{kind: worker, worker: t.say, with: {{text: meanwhile}}}}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps, "outputs: {all: '${{ steps.ask.output.map(a, a.decision) }}'}"))
        assert [question.assignee for question in await asked(handle, 2)] == ["anna", "ben"]
        await until(lambda: scene.called("meanwhile"))
        with pytest.raises(InputError):
            await handle.answer(step="ask", value={"decision": "approve"})
        await handle.answer(step="ask", item=1, value={"decision": "reject"})
        await handle.answer(step="ask", item=0, value={"decision": "approve"})
        assert (await handle.result(timeout=20)).output == {"all": ["approve", "reject"]}


async def test_a_step_is_handed_to_a_person(database_url, tmp_path):
    steps = """
  say:
    kind: worker
    worker: t.say
    with: {text: quiet}
    output: {type: object, required: [text], properties: {text: {type: string}}}
    validate: [{worker: t.upper}]
    on_invalid: [{do: escalate, to: human}]
    timeout: {total: 1s}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps, "outputs: {said: '${{ steps.say.output.text }}'}"))
        (question,) = await asked(handle)
        assert (question.feedback, question.rejected) == (("t.upper: not in upper case",), {"text": "quiet"})
        await asyncio.sleep(1.2)  # the step's total time does not run while a person is asked
        await handle.answer(step="say", value={"text": "LOUD"})
        result = await handle.result(timeout=20)
    assert (result.status, result.output) == ("succeeded", {"said": "LOUD"})


async def test_a_persons_answer_is_judged_too(database_url, tmp_path):
    steps = """
  say:
    kind: worker
    worker: t.say
    with: {text: quiet}
    validate: [{worker: t.upper}]
    on_invalid: [{do: escalate, to: human}]
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps))
        await asked(handle)
        await handle.answer(step="say", value={"text": "still quiet"})
        result = await handle.result(timeout=20)
    assert (result.status, result.error.code) == ("failed", "invalid_output")


async def test_a_cancel_withdraws_the_question(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(APPROVE, HEAD))
        await asked(handle)
        await handle.cancel()
        assert (await handle.result(timeout=20)).status == "cancelled"
        assert await handle.questions() == []
        with pytest.raises(InputError):
            await handle.answer(step="ask", value={"decision": "approve"})


async def test_of_two_answers_one_counts(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(APPROVE, HEAD))
        await asked(handle)
        said = await asyncio.gather(
            *(handle.answer(step="ask", value={"decision": word}) for word in ("approve", "reject")),
            return_exceptions=True,
        )
        refused = [answer for answer in said if isinstance(answer, InputError)]
        assert len(refused) == 1
        counted = "reject" if said[0] in refused else "approve"
        assert (await handle.result(timeout=20)).output == {"decision": counted}


async def test_the_question_of_one_item_is_found_among_many(database_url, tmp_path):
    steps = f"""
  ask: {{kind: human, foreach: {{items: "${{{{ inputs.all }}}}", as: n}}, form: {FORM}}}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps, "inputs: {all: {type: array}}"), {"all": list(range(1_010))})

        async def all_asked() -> bool:
            return len((await handle.trace()).attempts) == 1_010

        await until(all_asked)
        await handle.answer(step="ask", item=1_005, value={"decision": "approve"})
        await handle.cancel()
        assert (await handle.result(timeout=30)).status == "cancelled"
