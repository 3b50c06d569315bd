"""`Depends`: parameters that a factory makes for each attempt, and how they are made and closed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.worker.context import Context


@dataclass(frozen=True, slots=True)
class Depends:
    """Marks a parameter as made by `factory`: `Annotated[AsyncClient, Depends(get_http)]`.

    The factory takes nothing, or the attempt's `Context`. It is a function, a coroutine function, or an async
    generator function that yields once; the generator is closed after the attempt. It runs once an attempt, on
    the event loop, so it should not block.

    Raises:
        TypeError: the factory is a plain generator function or takes more than one parameter.
    """

    factory: Callable[..., Any]

    def __post_init__(self) -> None:
        name = getattr(self.factory, "__qualname__", repr(self.factory))
        if inspect.isgeneratorfunction(self.factory):
            raise TypeError(f"Depends({name}): write it as an async generator (`async def` … `yield`)")
        if len(_required(self.factory)) > 1:
            raise TypeError(f"Depends({name}): a factory takes nothing, or one parameter: the Context")


def _required(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # a built-in without a signature
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.default is p.empty and p.kind not in variadic]


async def resolve(dependencies: Mapping[str, Depends], ctx: Context, stack: AsyncExitStack) -> dict[str, Any]:
    """Make the value of every dependency; what must be closed is left to `stack`.

    Args:
        dependencies: parameter name to its mark.
        ctx: given to the factories that take a parameter.
        stack: closes async generators when the attempt is over.

    Returns:
        Parameter name to value. Two parameters with the same factory share one value.
    """
    made: dict[Callable[..., Any], Any] = {}
    for mark in dependencies.values():
        if mark.factory not in made:
            made[mark.factory] = await _make(mark.factory, ctx, stack)
    return {name: made[mark.factory] for name, mark in dependencies.items()}


async def _make(factory: Callable[..., Any], ctx: Context, stack: AsyncExitStack) -> Any:
    arguments = [ctx] if _required(factory) else []
    if inspect.isasyncgenfunction(factory):
        return await stack.enter_async_context(asynccontextmanager(factory)(*arguments))
    value = factory(*arguments)
    return await value if inspect.isawaitable(value) else value
