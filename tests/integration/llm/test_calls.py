"""The real client against a scripted server: every way a call can end has its class, its span and its usage."""

import asyncio
import threading

import pytest
from langchain_core.messages import HumanMessage

from orchestrator.errors import ModelUnavailable, NotFound
from orchestrator.llm import classify, structured_turn
from orchestrator.llm.client import UNREADABLE
from orchestrator.llm.prices import PriceCapExceeded
from orchestrator.settings import ModelSettings
from orchestrator.testing import (
    Failure,
    ScriptedModel,
    answer,
    answer_pieces,
    answer_tool,
    broken_body,
    broken_stream,
    dropped_connection,
    hang,
    rate_limit,
    server_error,
    truncated,
)

ASK = [HumanMessage("What?")]
SCHEMA = {"type": "object", "title": "The Answer", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
PRICED = {"input_price": 1.0, "output_price": 2.0}


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "json"])
@pytest.mark.parametrize(
    ("reply", "error_class", "code"),
    [
        (rate_limit(), "rate_limit", "rate_limit"),
        (Failure(429, "pay first", "insufficient_quota"), "error", "insufficient_quota"),
        (server_error(500), "server_error", "server_error"),
        (server_error(503), "server_error", "server_error"),
        (dropped_connection(), "connection", "connection"),
        (hang(), "timeout", "timeout"),
        (broken_body(), "server_error", "malformed_reply"),
        (Failure(400, "no such parameter"), "error", "bad_request"),
        (Failure(400, "too long", "context_length_exceeded"), "error", "context_length"),
        (Failure(401, "wrong key"), "error", "authentication"),
        (Failure(404, "no such model"), "error", "model_not_found"),
        (Failure(408, "too slow"), "timeout", "timeout"),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{type(value).__name__}{getattr(value, 'status', '')}",
)
async def test_failed_calls(open_models, told, schema, reply, error_class, code):
    with ScriptedModel([reply, answer("not asked for: nothing is retried here")]) as server:
        chat = await open_models(t=server.settings(timeout=0.3, **PRICED)).chat("t", on_usage=told.usages.append)
        with pytest.raises(Exception) as caught:
            await structured_turn(chat, ASK, schema)
        assert server.left == 1
    info = classify(caught.value)
    assert (info.error_class, info.code) == (error_class, code)
    [call] = told.calls
    assert (call.error.error_class, call.error.code) == (error_class, code)
    assert [usage.model_calls for usage in told.usages] == [1]


async def test_a_server_that_is_not_there(open_models):
    with ScriptedModel() as server:
        settings = server.settings()
    chat = await open_models(t=settings).chat("t")
    with pytest.raises(Exception) as caught:
        await chat.ainvoke(ASK)
    assert classify(caught.value).error_class == "connection"


@pytest.mark.parametrize(
    ("reply", "value", "problem"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"b": "another shape"}, {"b": "another shape"}, None),  # the schema's own verdict rejects it
        ('{"a": 1', None, "not valid JSON"),
        ("Certainly!", None, "not valid JSON"),
        (truncated('{"a": "on and on'), None, "cut off"),
        ("", None, "empty"),
    ],
)
async def test_answers_that_cannot_be_used_are_no_infrastructure_errors(open_models, told, reply, value, problem):
    with ScriptedModel([reply]) as server:
        chat = await open_models(t=server.settings(**PRICED)).chat("t", on_usage=told.usages.append)
        result = await structured_turn(chat, ASK, SCHEMA)
        sent = server.requests[0].body["response_format"]
    assert result.value == value
    assert result.problem is None if problem is None else problem in result.problem
    assert sent["json_schema"] == {"name": "The_Answer", "schema": SCHEMA, "strict": False}
    assert told.usages[0].input_tokens == 10  # also for the one that was cut off


async def test_what_is_told_of_a_call(open_models, told):
    with ScriptedModel([answer("Because.", input_tokens=1_000, output_tokens=500)]) as server:
        models = open_models(t=server.settings("house", temperature=0.5, max_tokens=99, **PRICED))
        chat = await models.chat("t", on_usage=told.usages.append)
        await chat.ainvoke([("system", "Be brief."), ("user", "Why?")])
    [call], [usage] = told.calls, told.usages
    assert usage.cost_usd == pytest.approx(0.001 + 0.001)
    assert (usage.input_tokens, usage.output_tokens, usage.model_calls) == (1_000, 500, 1)
    assert call.usage == usage
    assert [(message.role, message.content) for message in call.messages] == [
        ("system", "Be brief."),
        ("user", "Why?"),
    ]
    assert (call.answer, call.finish_reason, call.response_model) == ("Because.", "stop", "house")
    assert call.response_id.startswith("chatcmpl-")
    assert (call.tier, call.provider, call.model, call.server) == ("t", "openai", "house", server.base_url)
    assert (call.temperature, call.max_tokens, call.error) == (0.5, 99, None)
    assert call.ended_at >= call.started_at


async def test_contents_are_not_told_when_they_are_not_to_be_captured(open_models, told):
    with ScriptedModel([answer("A secret.")]) as server:
        chat = await open_models(t=server.settings()).chat("t", capture=False)
        await chat.ainvoke(ASK)
    assert (told.calls[0].messages, told.calls[0].answer) == ((), "")
    assert told.calls[0].usage.output_tokens == 2


async def test_a_streamed_call_is_told_whole(open_models, told):
    with ScriptedModel([answer("one two three", input_tokens=7)]) as server:
        chat = await open_models(t=server.settings("house", **PRICED)).chat("t", on_usage=told.usages.append)
        pieces = [chunk.content async for chunk in chat.astream(ASK)]
    assert len(pieces) > 1
    [call] = told.calls
    assert (call.answer, call.finish_reason, call.response_model) == ("one two three", "stop", "house")
    assert (told.usages[0].input_tokens, told.usages[0].output_tokens) == (7, 3)


async def test_a_stream_that_ends_early_is_no_answer(open_models, told):
    with ScriptedModel([broken_stream("It is ", "not "), broken_stream()]) as server:
        chat = await open_models(t=server.settings()).chat("t")
        for when in ("early", "before it began"):
            with pytest.raises(Exception, match=when) as caught:
                await structured_turn(chat, ASK, None)
            assert classify(caught.value).error_class == "server_error"
    assert [call.error.code for call in told.calls] == ["malformed_reply", "malformed_reply"]


async def test_a_stream_has_as_long_as_any_call(open_models, told):
    go_on = threading.Event()
    with ScriptedModel([answer_pieces("It ", "is ", "late.", held=go_on)]) as server:
        chat = await open_models(t=server.settings(timeout=0.3)).chat("t")
        stream = chat.astream(ASK)
        await anext(stream)
        threading.Timer(0.1, go_on.set).start()
        await asyncio.sleep(0.4)
        with pytest.raises(TimeoutError, match="not complete after"):
            async for _ in stream:
                pass
    assert told.calls[0].error.error_class == "timeout"


async def test_half_written_arguments_are_told_and_not_guessed(open_models):
    with ScriptedModel([answer_tool("pay", '{"amount": 1', id="c1"), answer_tool("pay", '{"amount": 100}')]) as server:
        chat = await open_models(t=server.settings()).chat("t")
        [half, whole] = [[chunk async for chunk in chat.astream(ASK)] for _ in range(2)]
    joined = half[0] + half[1:]
    [wrong] = joined.additional_kwargs[UNREADABLE]
    assert wrong["id"] == "c1" and "not valid JSON" in wrong["why"]
    assert UNREADABLE not in (whole[0] + whole[1:]).additional_kwargs


async def test_tools_count_for_the_price_cap(open_models):
    tools = [{"type": "function", "function": {"name": "x", "description": "y" * 3_000, "parameters": {}}}]
    with ScriptedModel([answer("cheap")]) as server:
        chat = await open_models(t=server.settings(max_tokens=10, **PRICED)).chat("t", price_cap_usd=0.0005)
        await chat.ainvoke(ASK)
        with pytest.raises(PriceCapExceeded):
            await chat.bind_tools(tools).ainvoke(ASK)


async def test_what_a_tier_and_a_call_add_to_the_body_is_joined(open_models):
    with ScriptedModel([{"a": 1}]) as server:
        settings = server.settings(extra={"extra_body": {"seed_of_the_house": 7}})
        await structured_turn(await open_models(t=settings).chat("t"), ASK, SCHEMA)
        body = server.requests[0].body
    assert body["seed_of_the_house"] == 7 and body["response_format"]["type"] == "json_schema"


async def test_a_call_from_a_thread(open_models, told):
    with ScriptedModel([answer("from a thread"), answer("and streamed")]) as server:
        chat = await open_models(t=server.settings()).chat("t")
        said = await asyncio.to_thread(lambda: chat.invoke(ASK).content)
        streamed = await asyncio.to_thread(lambda: "".join(chunk.content for chunk in chat.stream(ASK)))
    assert (said, streamed) == ("from a thread", "and streamed")
    assert [call.answer for call in told.calls] == ["from a thread", "and streamed"]


async def test_a_cancelled_call_is_told(open_models, told):
    asked = threading.Event()

    def reply(_):
        asked.set()
        return hang()

    with ScriptedModel(reply_to=reply) as server:
        chat = await open_models(t=server.settings()).chat("t")
        task = asyncio.create_task(chat.ainvoke(ASK))
        assert await asyncio.to_thread(asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told.calls[0].error.code == "CancelledError"


async def test_a_call_that_may_cost_too_much_is_not_made(open_models, told):
    with ScriptedModel([answer("cheap")]) as server:
        models = open_models(t=server.settings(max_tokens=1_000, **PRICED))
        dear = await models.chat("t", price_cap_usd=0.001)
        with pytest.raises(PriceCapExceeded):
            await dear.ainvoke(ASK)
        assert (server.requests, told.calls) == ([], [])
        cheap = await models.chat("t", price_cap_usd=0.1)
        await cheap.ainvoke(ASK)
        assert server.requests[0].body["max_completion_tokens"] == 1_000


async def test_a_cap_bounds_an_answer_without_a_bound(open_models):
    with ScriptedModel([answer("cheap")]) as server:
        chat = await open_models(t=server.settings(**PRICED)).chat("t", price_cap_usd=0.001)
        await chat.ainvoke(ASK)
        assert 0 < server.requests[0].body["max_completion_tokens"] < 500


async def test_what_a_tier_lacks_is_said(open_models):
    models = open_models(paid=ModelSettings(model="gpt-4.1"), odd=ModelSettings(provider="local", model="llama"))
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY is not set"):
        await models.chat("paid")
    with pytest.raises(NotFound, match="no local model is called 'llama'"):
        await models.chat("odd")
    with pytest.raises(NotFound, match="did you mean 'paid'"):
        await models.chat("payed")


async def test_the_key_is_sent(open_models):
    with ScriptedModel([answer("x")]) as server:
        settings = server.settings(api_key_env="HOUSE_KEY")
        await (await open_models({"HOUSE_KEY": "k-1"}, t=settings).chat("t")).ainvoke(ASK)
        assert server.requests[0].headers["authorization"] == "Bearer k-1"
