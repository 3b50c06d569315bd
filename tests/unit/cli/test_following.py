from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence

import pytest
from rich.console import Console

from orchestrator.cli import following
from orchestrator.cli.following import Follower
from orchestrator.cli.progress_view import SilentView
from orchestrator.client import Question, RunResult
from orchestrator.domain.event import StoredEvent
from tests.unit.cli.traces import RUN, question_of, result_of


class ScriptedRun:
    """A run that ends when the test says so."""

    id = RUN

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.asked: list[Question] = []
        self.ended: asyncio.Future[RunResult] = asyncio.get_running_loop().create_future()

    async def events(self) -> AsyncIterator[StoredEvent]:
        await asyncio.shield(self.ended)
        return
        yield

    async def result(self) -> RunResult:
        return await asyncio.shield(self.ended)

    async def cancel(self) -> None:
        self.cancelled.set()

    async def questions(self) -> list[Question]:
        return self.asked


@pytest.fixture
def console() -> Console:
    return Console(width=120, record=True, highlight=False)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_a_run_is_followed_to_its_end(console: Console) -> None:
    run = ScriptedRun()
    run.ended.set_result(result_of("succeeded"))
    followed = await Follower(run, SilentView(), console).follow()
    assert followed.result == result_of("succeeded")
    assert not followed.interrupted


async def test_ctrl_c_cancels_the_run_and_waits_for_the_confirmation(console: Console) -> None:
    run = ScriptedRun()
    following_it = asyncio.create_task(Follower(run, SilentView(), console).follow())
    await asyncio.sleep(0)
    interrupt()
    await run.cancelled.wait()
    assert not following_it.done()
    run.ended.set_result(result_of("cancelled"))
    followed = await following_it
    assert followed.interrupted
    assert followed.result is not None
    assert followed.result.status == "cancelled"
    assert "cancelling the run" in console.export_text()


async def test_a_second_ctrl_c_leaves_at_once(console: Console) -> None:
    run = ScriptedRun()
    following_it = asyncio.create_task(Follower(run, SilentView(), console, "acme").follow())
    await asyncio.sleep(0)
    interrupt()
    await run.cancelled.wait()
    interrupt()
    followed = await following_it
    assert followed.result is None
    assert followed.interrupted
    assert "orchestrator runs show 0198c0de-1a2b --tenant acme`" in console.export_text()
    run.ended.cancel()


async def test_the_view_learns_what_waits_for_people_whenever_it_changes(console: Console, monkeypatch) -> None:
    monkeypatch.setattr(following, "LOOK", 0.01)
    told: asyncio.Queue[list[Question]] = asyncio.Queue()

    class Told(SilentView):
        def waiting(self, questions: Sequence[Question]) -> None:
            told.put_nowait(list(questions))

    run, question = ScriptedRun(), question_of()
    follow = asyncio.create_task(Follower(run, Told(), console).follow())
    run.asked = [question]
    assert await told.get() == [question]
    run.asked = []
    assert await told.get() == []
    await asyncio.sleep(0.05)
    assert told.empty()
    run.ended.set_result(result_of())
    await follow


async def test_a_view_that_breaks_is_not_swallowed(console: Console) -> None:
    class Broken:
        async def show(self, events: AsyncIterator[StoredEvent]) -> None:
            raise ValueError("broken view")

        def waiting(self, questions: Sequence[Question]) -> None:
            pass

    with pytest.raises(ValueError, match="broken view"):
        await Follower(ScriptedRun(), Broken(), console).follow()


async def test_signals_have_their_old_meaning_afterwards(console: Console) -> None:
    run = ScriptedRun()
    run.ended.set_result(result_of())
    await Follower(run, SilentView(), console).follow()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
