"""The asyncio tasks that one attempt's code starts: none of them may outlive it, and none may end the process."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from orchestrator.worker.failures import ExitInTask

LAST_STEPS = 0.1
"""Seconds in which a task that is about to end anyway may do so without being called a leak."""


class StartedTasks:
    """Collects the tasks that are started in the context in which `collect` was called, and by those tasks in turn.

    Only an event loop that is `watching` tells of its tasks.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}

    def collect(self) -> None:
        """Collect what the current task starts from now on."""
        _COLLECTED_BY.set(self)

    def add(self, task: asyncio.Task[Any], coroutine: object) -> None:
        """Collect one task until it is done."""
        self._tasks[task] = _place(coroutine)
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    @property
    def running(self) -> bool:
        """Whether any of them has not ended."""
        return bool(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    async def end(self, patience: float) -> list[str]:
        """Cancel the tasks that still run, and wait for them.

        Args:
            patience: seconds that they may take to stop.

        Returns:
            A line for each that was cancelled: which code it runs, and whether it stopped.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_STEPS):
                while self._tasks:  # one may start another as it ends: a closed stream's generators hold each other
                    await asyncio.wait(set(self._tasks))
        leaked = dict(self._tasks)
        for task in leaked:
            task.cancel("the attempt that started this task is over")
        if leaked:
            await asyncio.wait(set(leaked), timeout=patience)
        return [f"{place}{'' if task.done() else ', which does not stop'}" for task, place in leaked.items()]


_COLLECTED_BY: contextvars.ContextVar[StartedTasks | None] = contextvars.ContextVar("started_tasks", default=None)


@dataclass
class _Watch:
    """A loop whose tasks are watched: its task factory before, ours, and for how many."""

    before: Any
    ours: Any
    users: int = 0


_watched: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = weakref.WeakKeyDictionary()


def uncollected() -> contextvars.Context:
    """A copy of the current context in which started tasks are not collected: for the framework's own tasks."""
    context = contextvars.copy_context()
    context.run(_COLLECTED_BY.set, None)
    return context


@contextmanager
def watching(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Tell every `StartedTasks` of the tasks that its code starts on this loop; a task factory that is there stays.

    It may be entered several times at once, and left in any order; the last one out leaves the loop as it was found.
    """
    watch = _watched.get(loop)
    if watch is None:
        before: Any = loop.get_task_factory()
        watch = _watched[loop] = _Watch(before, _factory(before))
        loop.set_task_factory(watch.ours)
    watch.users += 1
    try:
        yield
    finally:
        watch.users -= 1
        if not watch.users:
            del _watched[loop]
            if loop.get_task_factory() is watch.ours:
                loop.set_task_factory(watch.before)


def _factory(before: Callable[..., asyncio.Task[Any]] | None) -> Any:
    def start(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        context = options.get("context")
        collecting = _COLLECTED_BY.get() if context is None else context.get(_COLLECTED_BY)
        made = _WithoutExit(coroutine) if collecting is not None else coroutine
        task = before(loop, made, **options) if before else asyncio.Task(made, loop=loop, **options)
        if collecting is not None:
            collecting.add(task, coroutine)
        return task

    return start


class _WithoutExit(Coroutine[Any, Any, Any]):
    """A coroutine whose SystemExit is an ordinary error: asyncio lets it end the event loop, and so every attempt."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except (SystemExit, KeyboardInterrupt) as exit:
            raise _error_of(exit) from exit

    def throw(self, *arguments: Any) -> Any:
        try:
            return self._inner.throw(*arguments)
        except (SystemExit, KeyboardInterrupt) as exit:
            raise _error_of(exit) from exit

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # cr_frame, cr_code, __qualname__ …: whoever looks sees the user's coroutine


def _error_of(exit: BaseException) -> ExitInTask:
    called = f"sys.exit({exit.code!r})" if isinstance(exit, SystemExit) else "KeyboardInterrupt"
    return ExitInTask(f"a task that the worker started raised {called}")


def _place(coroutine: Any) -> str:
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    code = getattr(coroutine, "cr_code", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
