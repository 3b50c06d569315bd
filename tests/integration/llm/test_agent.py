"""The built-in agent with the real client: what it asks, and what becomes of the answers."""

import json

import pytest

from orchestrator.domain.identity import new_run_id
from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.errors import InvalidOutput
from orchestrator.testing import ScriptedModel, rate_limit, truncated
from orchestrator.worker.agent import run_agent
from orchestrator.worker.context import Assignment, Context
from orchestrator.worker.describe import describe
from orchestrator.worker.journal import Journal
from orchestrator.worker.trial import MemoryLedger

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def attempt_of(models, *, tier="t", feedback=(), rejected=None):
    """What an agent sees of its attempt."""
    assignment = Assignment(
        run_id=new_run_id(),
        step="s",
        worker=AGENT_WORKER,
        options={"model": tier} if tier else {},
        feedback=feedback,
        rejected=rejected,
    )
    return Context(assignment, journal=Journal(), ledger=MemoryLedger(), models=models)


async def ask(open_models, server, asked, **attempt):
    models = open_models(t=server.settings())
    return await run_agent(asked, attempt_of(models, **attempt), models=models)


async def test_a_structured_turn(open_models):
    with ScriptedModel([{"n": 3}]) as server:
        output = await ask(open_models, server, {"prompt": "How many?", "system": "Count.", "schema": SCHEMA})
        [request] = server.requests
    assert output == {"n": 3}
    system, user = request.messages
    assert system["role"] == "system"
    assert system["content"].startswith("Count.\n\nAnswer with JSON alone")
    assert json.dumps(SCHEMA, separators=(",", ":")) in system["content"]
    assert user == {"role": "user", "content": "How many?"}
    assert request.body["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_without_a_schema_the_output_is_the_text(open_models):
    with ScriptedModel(["Three."]) as server:
        output = await ask(open_models, server, {"prompt": "How many?", "system": None, "schema": None, "with": {}})
        [request] = server.requests
    assert output == {"text": "Three."}
    assert [message["role"] for message in request.messages] == ["user"]
    assert "response_format" not in request.body


async def test_a_revision_sees_what_was_rejected_and_why(open_models):
    with ScriptedModel([{"n": 4}]) as server:
        asked = {"prompt": "How many?", "schema": SCHEMA}
        await ask(open_models, server, asked, feedback=("size: too small", "odd: not even"), rejected={"n": 3})
        _, prompt, rejected, complaint = server.requests[0].messages
    assert prompt["content"] == "How many?"
    assert (rejected["role"], rejected["content"]) == ("assistant", '{"n":3}')
    assert complaint["role"] == "user"
    assert "- size: too small\n- odd: not even" in complaint["content"]


async def test_a_revision_of_an_answer_that_could_not_be_kept(open_models):
    with ScriptedModel(["Better."]) as server:
        await ask(open_models, server, {"prompt": "?"}, feedback=("the answer is empty",))
        assert [message["role"] for message in server.requests[0].messages] == ["user", "user"]


async def test_a_rejected_text_is_shown_as_text(open_models):
    with ScriptedModel(["Better."]) as server:
        await ask(open_models, server, {"prompt": "?"}, feedback=("dull",), rejected={"text": "Worse."})
        assert server.requests[0].messages[1]["content"] == "Worse."


@pytest.mark.parametrize("reply", ["Certainly! Here", truncated('{"n": '), ""])
async def test_malformed_output_is_invalid_and_never_an_infrastructure_error(open_models, reply):
    with ScriptedModel([reply]) as server, pytest.raises(InvalidOutput) as caught:
        await ask(open_models, server, {"prompt": "How many?", "schema": SCHEMA})
    assert describe(caught.value).error_class == "invalid_output"


async def test_the_message_shows_how_the_answer_began(open_models):
    said = r"not valid JSON.*it began: Certainly! Here\)"
    said = r"not valid JSON.*it began: Certainly! Here\)"
    with ScriptedModel(["Certainly!\n Here"]) as server, pytest.raises(InvalidOutput, match=said):
        await ask(open_models, server, {"prompt": "How many?", "schema": SCHEMA})


async def test_an_infrastructure_error_stays_one(open_models):
    with ScriptedModel([rate_limit()]) as server, pytest.raises(Exception, match="429") as caught:
        await ask(open_models, server, {"prompt": "How many?"})
    assert describe(caught.value).error_class == "rate_limit"


async def test_a_step_without_a_tier_gets_the_first(open_models):
    with ScriptedModel(["Yes."]) as server:
        assert await ask(open_models, server, {"prompt": "?"}, tier=None) == {"text": "Yes."}
