"""Answers that cannot be used are findings; schemas that servers do not take are wrapped."""

import re

import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage

from orchestrator.llm.structured import structured_turn

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}


async def turn(answer, schema):
    message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
    return await structured_turn(FakeMessagesListChatModel(responses=[message]), [HumanMessage("?")], schema)


@pytest.mark.parametrize("answer", ['{"a": 1}', '```json\n{"a": 1}\n```', '```\n{"a": 1}```', ' \n{"a":1} '])
async def test_json_is_read(answer):
    result = await turn(answer, OBJECT)
    assert (result.value, result.problem) == ({"a": 1}, None)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ('{"a": ', "not valid JSON"),
        ("Here you are: {}", "not valid JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ("[" * 200_000, "not valid JSON|nested too deep"),
        ("  ", "empty"),
        (AIMessage("", additional_kwargs={"refusal": "I must not"}), "refused: I must not"),
        (AIMessage("{}", response_metadata={"finish_reason": "content_filter"}), "content filter"),
    ],
)
async def test_what_cannot_be_used_is_a_problem(answer, problem):
    result = await turn(answer, OBJECT)
    assert result.value is None
    assert re.search(problem, result.problem)


async def test_json_of_another_shape_is_for_the_validators():
    result = await turn('{"b": "x"}', OBJECT)
    assert (result.value, result.problem) == ({"b": "x"}, None)


async def test_free_text():
    result = await turn("Hello", None)
    assert (result.text, result.value, result.problem) == ("Hello", None, None)


async def test_a_list_comes_wrapped():
    result = await turn('{"value": ["x"]}', {"type": "array", "items": {"type": "string"}})
    assert result.value == ["x"]
