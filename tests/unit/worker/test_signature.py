"""A function's signature is its contract: what fits gets through, everything else is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.errors import ProjectError
from orchestrator.worker import Context, Depends, validator, worker
from orchestrator.worker.failures import NotJson, WrongInput, WrongType
from orchestrator.worker.invocation import as_payload


class SearchIn(BaseModel):
    """A question."""

    query: str
    limit: int = Field(default=5, ge=1)


class Hit(BaseModel):
    """A place."""

    url: str


class Open(BaseModel):
    """Takes what comes."""

    model_config = ConfigDict(extra="allow")


@dataclass
class Point:
    """Plain."""

    x: int


async def test_a_model_parameter_takes_the_whole_input():
    @worker("s.model")
    async def search(question: SearchIn) -> list[Hit]:
        return [Hit(url=question.query)] * question.limit

    assert await search.test({"query": "a", "limit": 2}) == [Hit(url="a"), Hit(url="a")]
    assert await search.test(SearchIn(query="b", limit=1)) == [Hit(url="b")]
    assert search.card.input_schema["required"] == ["query"]
    assert search.card.input_schema["additionalProperties"] is False
    assert search.card.output_schema["type"] == "array"


async def test_plain_parameters_are_the_keys_of_the_input():
    @worker("s.plain")
    def read(folder: str, json: Annotated[int, Field(ge=1)] = 2, *, model_name: str | None = None) -> dict[str, Any]:
        return {"folder": folder, "json": json, "model_name": model_name}

    assert await read.test(folder="x") == {"folder": "x", "json": 2, "model_name": None}
    assert await read.test({"folder": "x", "json": 3, "model_name": "m"}) == {
        "folder": "x",
        "json": 3,
        "model_name": "m",
    }
    assert set(read.card.input_schema["properties"]) == {"folder", "json", "model_name"}


async def test_a_parameter_called_input_takes_the_whole_input_whatever_its_type():
    @worker("s.raw")
    def keys(input: dict[str, Any]) -> list[str]:
        return sorted(input)

    assert await keys.test({"b": 1, "a": 2}) == ["a", "b"]


async def test_keyword_arguments_take_every_other_key():
    @worker("s.open")
    def gather(first: int, **rest: Any) -> dict[str, Any]:
        return {"first": first, "rest": rest}

    assert await gather.test({"first": 1, "other": "x"}) == {"first": 1, "rest": {"other": "x"}}


async def test_a_worker_may_take_nothing():
    @worker("s.nothing")
    def now(ctx: Context) -> int:
        return ctx.number

    assert await now.test() == 1
    with pytest.raises(WrongInput, match="unknown 'x' \\(it takes nothing\\)"):
        await now.test({"x": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"query": "a", "limt": 3}, "unknown 'limt' (did you mean 'limit'?)"),
        ({"limit": 3}, "query: Field required"),
        ({"query": "a", "limit": 0}, "limit: Input should be greater than or equal to 1 (got int)"),
        ({"query": ["a"]}, "query: Input should be a valid string (got list)"),
        ("text", "Input should be a valid dictionary or instance of SearchIn (got str)"),
        (None, "Input should be a valid dictionary or instance of SearchIn (got NoneType)"),
    ],
)
async def test_a_wrong_input_names_every_bad_field(value, message):
    @worker("s.strict")
    def search(input: SearchIn) -> int:
        return input.limit

    with pytest.raises(WrongInput) as caught:
        await search.test(value)
    assert message in caught.value.message
    assert caught.value.code == "wrong_input"


async def test_a_model_that_allows_extra_keys_gets_them():
    @worker("s.extra")
    def echo(input: Open) -> dict[str, Any]:
        return dict(input.model_extra or {})

    assert await echo.test({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("annotation", "returned", "expected", "got"),
    [
        (Hit, {"uri": "x"}, "expected Hit", "got dict: url: Field required"),
        (int, "3", "expected int", "got str"),
        (list[int], (1, 2), "expected list[int]", "got tuple"),
        (list[int], [1, "2"], "expected list[int]", "1: Input should be a valid integer"),
        (str | None, 3, "expected str | None", "got int"),
        (type(None), 3, "expected NoneType", "got int"),
    ],
)
async def test_a_wrong_return_type_names_expected_and_got(annotation, returned, expected, got):
    def give():
        return returned

    give.__annotations__["return"] = annotation
    with pytest.raises(WrongType) as caught:
        await worker("s.wrong")(give).test()
    assert expected in caught.value.message
    assert got in caught.value.message
    assert caught.value.code == "wrong_type"


@pytest.mark.parametrize("value", [object(), {"a": {1, object()}}, float("nan"), b"\xff\xfe", "\ud800"])
async def test_an_output_without_a_json_form_is_refused(value):
    @worker("s.foreign")
    def give() -> Any:
        return value

    with pytest.raises(NotJson) as caught:
        as_payload(give, value, max_bytes=1000)
    assert caught.value.code == "not_json"


def test_outputs_become_plain_json():
    @worker("s.json")
    def give() -> Any:
        return {}

    value = {"hit": Hit(url="x"), "point": Point(1), "tuple": (1, 2), 3: "three"}
    payload = as_payload(give, value, max_bytes=1000)
    assert payload.data == b'{"hit":{"url":"x"},"point":{"x":1},"tuple":[1,2],"3":"three"}'


def _foreign(client: ConnectionError) -> int:
    return 1


def _positional(a: int, /) -> int:
    return a


def _many(*values: int) -> int:
    return 1


def _returns_foreign() -> ConnectionError:
    return ConnectionError()


async def _stream(input: SearchIn):
    yield 1


def _hidden(input: Missing) -> int:  # noqa: F821 - the annotation does not exist, which is the point
    return 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_foreign, "Depends(factory)"),
        (_positional, "parameter a: 'int' has no name of its own"),
        (_many, "no key of `with` can fill it"),
        (_returns_foreign, "it returns a type that has no JSON form"),
        (_stream, "a generator has no one result"),
        (_hidden, "an annotation names 'Missing'"),
    ],
)
def test_a_signature_that_cannot_be_a_contract_is_refused_with_its_place(function, message):
    with pytest.raises(ProjectError) as caught:
        worker("s.bad")(function)
    assert message in str(caught.value)
    assert f"test_signature.py:{function.__code__.co_firstlineno}: worker 's.bad'" in str(caught.value)


def test_a_validator_takes_one_output():
    def two(output: str, other: str) -> bool:
        return True

    with pytest.raises(ProjectError, match=r"a validator takes one output and perhaps ctx, not \(output, other\)"):
        validator("s.two")(two)


async def test_locals_of_the_enclosing_function_may_be_named():
    class Local(BaseModel):
        n: int

    def give() -> str:
        return "made"

    @worker("s.local")
    def use(input: Local, made: Annotated[str, Depends(give)]) -> Local:
        return Local(n=input.n + len(made))

    assert await use.test({"n": 1}) == Local(n=5)
