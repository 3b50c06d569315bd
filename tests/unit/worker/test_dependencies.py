"""Dependencies are made for each attempt and closed after it."""

from __future__ import annotations

from typing import Annotated

import pytest

from orchestrator.worker import Context, Depends, worker

made: list[str] = []


def plain() -> str:
    made.append("plain")
    return "plain"


async def awaited(ctx: Context) -> str:
    return f"step {ctx.step}"


async def closed():
    made.append("opened")
    try:
        yield "open"
    finally:
        made.append("closed")


@worker("p.all")
def everything(
    a: Annotated[str, Depends(plain)],
    b: Annotated[str, Depends(awaited)],
    c: Annotated[str, Depends(closed)],
    again: Annotated[str, Depends(plain)],
    fail: bool = False,
) -> list[str]:
    made.append("called")
    if fail:
        raise LookupError("no")
    return [a, b, c, again]


@pytest.fixture(autouse=True)
def nothing_made_yet():
    made.clear()


async def test_every_kind_of_factory_is_resolved_once_and_closed():
    assert await everything.test() == ["plain", "step test", "open", "plain"]
    assert made == ["plain", "opened", "called", "closed"]


async def test_generators_are_closed_after_an_error_too():
    with pytest.raises(LookupError):
        await everything.test({"fail": True})
    assert made[-1] == "closed"


def test_dependencies_are_not_keys_of_the_input():
    assert list(everything.card.input_schema["properties"]) == ["fail"]


def test_a_factory_that_cannot_be_called_is_refused_at_once():
    def generator():
        yield 1

    def greedy(a, b):
        return a

    with pytest.raises(TypeError, match="async generator"):
        Depends(generator)
    with pytest.raises(TypeError, match="a factory takes nothing"):
        Depends(greedy)
