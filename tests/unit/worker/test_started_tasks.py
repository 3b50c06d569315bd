"""The tasks that an attempt's code starts are known, and a loop is left as it was found."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import ExitStack

import pytest

from orchestrator.worker.failures import ExitInTask
from orchestrator.worker.started_tasks import StartedTasks, uncollected, watching


async def collecting(work) -> tuple[StartedTasks, object]:
    """Run `work` as an attempt's code; what it started, and what it gave."""
    started = StartedTasks()

    async def attempt():
        started.collect()
        return await work()

    return started, await asyncio.create_task(attempt())


async def test_a_loop_is_left_as_it_was_found_in_whatever_order():
    loop = asyncio.get_running_loop()
    made = []

    def theirs(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop.set_task_factory(theirs)
    try:
        first, second = ExitStack(), ExitStack()
        first.enter_context(watching(loop))
        second.enter_context(watching(loop))
        first.close()
        assert loop.get_task_factory() is not theirs
        await asyncio.create_task(asyncio.sleep(0))
        assert made, "the factory that was there is still asked"
        second.close()
        assert loop.get_task_factory() is theirs
    finally:
        loop.set_task_factory(None)


async def test_tasks_of_tasks_are_found_and_others_are_not():
    async def child():
        asyncio.create_task(asyncio.sleep(60), name="grandchild")  # noqa: RUF006
        await asyncio.sleep(60)

    async def work():
        asyncio.create_task(child())  # noqa: RUF006
        asyncio.create_task(asyncio.sleep(0.3), context=contextvars.Context())  # noqa: RUF006
        asyncio.create_task(asyncio.sleep(0.3), context=uncollected())  # noqa: RUF006
        await asyncio.sleep(0.01)

    with watching(asyncio.get_running_loop()):
        others = asyncio.create_task(asyncio.sleep(0.3))
        started, _ = await collecting(work)
        leaks = await started.end(1.0)
        assert sorted(leak.split(" (")[0].split(".")[-1] for leak in leaks) == ["child", "sleep"]
        await others
        await asyncio.sleep(0.1)  # the two that were let be


async def test_who_awaits_a_task_that_exits_hears_of_it():
    async def leave():
        raise SystemExit(4)

    async def work():
        with pytest.raises(ExitInTask, match=r"sys.exit\(4\)"):
            await asyncio.create_task(leave())
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.TaskGroup() as group:
            found = group.create_task(asyncio.sleep(0, "three"))
        return found.result()

    with watching(asyncio.get_running_loop()):
        started, given = await collecting(work)
        assert given == "three"
        assert await started.end(1.0) == []


async def test_what_only_ends_is_no_leak_nor_is_what_it_starts_as_it_ends():
    """A closed stream's generators hold each other, so that the event loop closes one after the other."""

    async def last(steps: int) -> None:
        await asyncio.sleep(0)
        if steps:
            asyncio.create_task(last(steps - 1))  # noqa: RUF006

    async def work():
        asyncio.create_task(last(5))  # noqa: RUF006

    with watching(asyncio.get_running_loop()):
        started, _ = await collecting(work)
        assert await started.end(1.0) == []
