"""The scripted model speaks OpenAI's protocol well enough for the real client, and fails like real servers."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import httpx
import openai
import pytest

from orchestrator.testing import (
    ScriptedModel,
    answer,
    answer_json,
    answer_pieces,
    answer_tool,
    answer_tools,
    broken_body,
    dropped_connection,
    hang,
    rate_limit,
    server_error,
    truncated,
)


def ask(model: ScriptedModel, text: str = "hi", **options):
    with openai.OpenAI(base_url=model.base_url, api_key="k", max_retries=0, timeout=5) as client:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **options)


def test_answers_come_in_order_with_their_usage():
    with ScriptedModel(["plain", {"a": 1}, answer("three words here", input_tokens=7), answer_json([1])]) as model:
        first, second, third, fourth = (ask(model, f"question {n}") for n in range(4))
    assert [each.choices[0].message.content for each in (first, second, third, fourth)] == [
        "plain",
        '{"a": 1}',
        "three words here",
        "[1]",
    ]
    assert (third.usage.prompt_tokens, third.usage.completion_tokens, third.usage.total_tokens) == (7, 3, 10)
    assert [request.text for request in model.requests] == [f"question {n}" for n in range(4)]
    assert model.requests[0].headers["authorization"] == "Bearer k"
    assert model.left == 0


def test_a_truncated_answer_says_so():
    with ScriptedModel([truncated('{"a": ')]) as model:
        assert ask(model).choices[0].finish_reason == "length"


def test_streaming_gives_the_text_in_pieces_and_the_usage_at_the_end():
    with ScriptedModel(["one two three"]) as model, openai.OpenAI(base_url=model.base_url, api_key="k") as client:
        chunks = list(
            client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert pieces == ["one ", "two ", "three"]
    assert chunks[-1].usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (rate_limit(), openai.RateLimitError),
        (server_error(), openai.InternalServerError),
        (server_error(503), openai.InternalServerError),
        (dropped_connection(), openai.APIConnectionError),
        (broken_body(), json.JSONDecodeError),
    ],
)
def test_faults(reply, error):
    with ScriptedModel([reply]) as model, pytest.raises(error):
        ask(model)


def test_retry_after_is_a_header():
    with ScriptedModel([rate_limit(2)]) as model, pytest.raises(openai.RateLimitError) as caught:
        ask(model)
    assert caught.value.response.headers["retry-after"] == "2"


def test_closing_ends_what_hangs():
    begin = time.monotonic()
    with ScriptedModel([hang()]) as model, pytest.raises(openai.APITimeoutError):
        ask(model, timeout=0.2)
    assert time.monotonic() - begin < 4


def test_when_the_script_is_over_the_test_is_told():
    with ScriptedModel() as model, pytest.raises(openai.BadRequestError, match="the script is over: this is request 1"):
        ask(model)


def test_replies_can_depend_on_the_request():
    with ScriptedModel(reply_to=lambda request: {"echo": request.text}) as model:
        assert json.loads(ask(model, "a").choices[0].message.content) == {"echo": "a"}
        assert json.loads(ask(model, "b").choices[0].message.content) == {"echo": "b"}


def test_it_lists_its_model_and_nothing_else():
    with ScriptedModel() as model:
        assert httpx.get(f"{model.base_url}/models").json()["data"][0]["id"] == "scripted"
        assert httpx.get(f"{model.base_url}/other").status_code == 404
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(f"{model.base_url}/completions", data=b"{}"))


def test_it_must_be_entered():
    with pytest.raises(RuntimeError, match="context manager"):
        print(ScriptedModel(["x"]).base_url)


def test_a_script_holds_only_replies():
    with pytest.raises(TypeError, match="not int"):
        ScriptedModel([3])


def test_tools_are_called_whole_and_streamed():
    both = answer_tools(answer_tool("a.b", {"n": 1}, text="Let me see."), answer_tool("c", '{"half', id="given"))
    with ScriptedModel([both, both]) as model:
        [choice] = ask(model).choices
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me see.")
        first, second = choice.message.tool_calls
        assert (first.function.name, json.loads(first.function.arguments)) == ("a-b", {"n": 1})
        assert (second.id, second.function.arguments) == ("given", '{"half')
        with openai.OpenAI(base_url=model.base_url, api_key="k").chat.completions.stream(
            model="m", messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            whole = stream.get_final_completion().choices[0]
        assert whole.message.content == "Let me see."
        assert [call.function.arguments for call in whole.message.tool_calls] == ['{"n": 1}', '{"half']


def test_a_held_stream_waits_after_its_first_piece():
    go_on = threading.Event()
    script = [answer_pieces("one", "two", "three", held=go_on)]
    with ScriptedModel(script) as model, openai.OpenAI(base_url=model.base_url, api_key="k") as client:
        chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
        said = [next(chunks).choices[0].delta.content]
        threading.Timer(0.1, go_on.set).start()
        began = time.monotonic()
        said += [chunk.choices[0].delta.content for chunk in chunks]
    assert said == ["one", "two", "three", None]
    assert time.monotonic() - began >= 0.09
