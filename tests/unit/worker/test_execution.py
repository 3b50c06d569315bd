"""An attempt ends with its outcome, whatever its code does."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.payload import Payload
from orchestrator.worker.describe import code_of, message_of
from orchestrator.worker.execution import Ending, Execution, Limits, StopReason
from orchestrator.worker.journal import Journal
from orchestrator.worker.started_tasks import watching
from orchestrator.worker.threads import Stop, run_in_thread
from tests.unit.worker.attempts import claimed_attempt

DONE = Payload.of("done")


def explain(error: BaseException) -> ErrorInfo:
    return ErrorInfo(code_of(error), "error", message_of(error))


class Runs:
    """One execution of `work`, with everything around it."""

    def __init__(self, *, attempt=None, idle=None, patience=0.2, linger=0.0):
        self.stop = Stop()
        self.journal = Journal()
        limits = Limits(attempt, idle, patience, linger)
        self.execution = Execution(claimed_attempt(), self.journal, self.stop, limits, held_until=time.monotonic() + 60)

    async def __call__(self, work, *, insist=False) -> Ending | None:
        return await asyncio.wait_for(self.execution.run(work, explain=explain, insist=insist), 10)

    async def thread(self, call, *, insist=False) -> Ending | None:
        async def work():
            return await run_in_thread(call, self.stop, "test")

        return await self(work, insist=insist)


async def forever() -> Payload:
    await asyncio.Event().wait()
    return DONE


async def test_success():
    async def work():
        return DONE

    assert await Runs()(work) == Ending(OutcomeKind.SUCCEEDED, DONE)


@pytest.mark.parametrize(
    ("error", "code"),
    [(SystemExit(3), "system_exit"), (KeyboardInterrupt(), "keyboard_interrupt"), (LookupError("x"), "lookup")],
)
async def test_whatever_user_code_raises_is_contained(error, code):
    async def work():
        raise error

    ending = await Runs()(work)
    assert ending.kind is OutcomeKind.FAILED
    assert ending.error.code == code


async def test_cancelled_error_from_user_code_itself_is_a_failure():
    async def work():
        raise asyncio.CancelledError

    ending = await Runs()(work)
    assert ending.kind is OutcomeKind.FAILED


async def test_the_attempt_timeout_counts_from_the_start():
    ending = await Runs(attempt=0.1)(forever)
    assert ending.kind is OutcomeKind.TIMED_OUT
    assert ending.error == ErrorInfo("timeout", "timeout", "not done after 0.1s (attempt timeout)")


async def test_the_idle_timeout_counts_only_once_a_heartbeat_was_sent():
    runs = Runs(attempt=0.5, idle=0.1)
    ending = await runs(forever)
    assert "attempt timeout" in ending.error.message

    runs = Runs(attempt=5, idle=0.1)

    async def beats_twice():
        runs.journal.heartbeat({})
        await asyncio.sleep(0.08)
        runs.journal.heartbeat({})
        return await forever()

    ending = await runs(beats_twice)
    assert "no heartbeat for 0.1s" in ending.error.message
    assert time.monotonic() - runs.execution.started > 0.17


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(StopReason.CANCELLED, OutcomeKind.CANCELLED), (StopReason.HANDED_BACK, OutcomeKind.LOST)],
)
async def test_stopping_from_outside(reason, kind):
    runs = Runs()
    asyncio.get_running_loop().call_later(0.05, runs.execution.stop, reason)
    ending = await runs(forever)
    assert ending.kind is kind


async def test_nothing_may_be_stored_after_a_lost_lease_even_if_it_was_cancelled_before():
    runs = Runs()
    runs.execution.stop(StopReason.CANCELLED)
    runs.execution.stop(StopReason.LOST)
    assert await runs(forever) is None


async def test_code_that_ended_cannot_be_stopped():
    runs = Runs()

    async def work():
        return DONE

    ending = await runs(work)
    assert not runs.execution.stop(StopReason.CANCELLED)
    assert ending.kind is OutcomeKind.SUCCEEDED


async def test_code_that_swallows_the_first_cancellation_is_cancelled_again():
    runs = Runs(attempt=0.05)

    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)
        return DONE

    ending = await runs(stubborn)
    assert ending.kind is OutcomeKind.TIMED_OUT
    assert not runs.execution.stuck


async def test_a_thread_in_python_code_is_interrupted():
    runs = Runs(attempt=0.05, patience=2)
    seen = []

    def spin():
        try:
            while True:
                sum(range(100))
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    ending = await runs.thread(spin)
    assert ending.kind is OutcomeKind.TIMED_OUT
    assert seen == ["cancelled"]
    assert not runs.execution.stuck


async def test_a_thread_that_does_not_stop_is_stuck_where_the_process_can_exit():
    runs = Runs(attempt=0.05, patience=0.1, linger=30)
    release = threading.Event()
    ending = await runs.thread(lambda: release.wait(30))
    assert ending.kind is OutcomeKind.TIMED_OUT
    assert "so its worker process ends" in ending.error.message
    assert runs.execution.stuck
    release.set()
    await asyncio.wait_for(runs.execution.gone(), 5)


async def test_a_timed_out_thread_is_waited_for_where_the_process_cannot_exit():
    runs = Runs(attempt=0.05, patience=0.05, linger=30)
    release = threading.Event()
    asyncio.get_running_loop().call_later(0.5, release.set)
    ending = await runs.thread(lambda: release.wait(30), insist=True)
    assert release.is_set()
    assert ending.error == ErrorInfo("timeout", "timeout", "not done after 0.05s (attempt timeout)")
    assert not runs.execution.stuck
    (line,) = runs.journal.take().entries
    assert "told to stop and does not" in line.data["message"]


async def test_after_a_while_the_ending_says_that_the_code_still_runs():
    runs = Runs(attempt=0.05, patience=0.05, linger=0.2)
    release = threading.Event()
    ending = await runs.thread(lambda: release.wait(30), insist=True)
    assert ending.kind is OutcomeKind.TIMED_OUT
    assert "still runs after 0." in ending.error.message
    assert runs.execution.stuck
    gone = asyncio.create_task(runs.execution.gone())
    await asyncio.wait({gone}, timeout=0.1)
    assert not gone.done()
    release.set()
    await asyncio.wait_for(gone, 5)


async def test_code_that_does_not_stop_can_be_left_behind():
    runs = Runs(attempt=0.05, patience=0.05)
    release = threading.Event()
    await runs.thread(lambda: release.wait(30), insist=True)
    runs.execution.leave_behind()
    await asyncio.wait_for(runs.execution.gone(), 5)
    assert not release.is_set()
    release.set()


async def test_code_that_outlives_its_timeout_and_is_then_cancelled_is_waited_for_to_its_end():
    runs = Runs(attempt=0.05, patience=0.05, linger=0.3)
    release = threading.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, runs.execution.stop, StopReason.CANCELLED)
    loop.call_later(0.8, release.set)
    ending = await runs.thread(lambda: release.wait(30), insist=True)
    assert ending.kind is OutcomeKind.CANCELLED
    assert release.is_set()


async def test_a_process_that_ends_does_not_wait_for_code_that_outlives_its_timeout():
    runs = Runs(attempt=0.05, patience=0.05, linger=30)
    release = threading.Event()
    asyncio.get_running_loop().call_later(0.3, runs.execution.stop, StopReason.HANDED_BACK)
    ending = await runs.thread(lambda: release.wait(30), insist=True)
    assert ending.kind is OutcomeKind.LOST
    assert "still runs" in ending.error.message
    release.set()


async def test_a_cancelled_thread_is_waited_for_when_nothing_else_may_claim_that_it_stopped():
    runs = Runs(patience=0.05)
    release = threading.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, runs.execution.stop, StopReason.CANCELLED)
    loop.call_later(0.5, release.set)
    ending = await runs.thread(lambda: release.wait(30), insist=True)
    assert ending.kind is OutcomeKind.CANCELLED
    assert release.is_set()


@pytest.mark.parametrize("error", [SystemExit(1), StopIteration(), ValueError("x")])
async def test_what_a_thread_raises_is_contained(error):
    def raises():
        raise error

    ending = await Runs().thread(raises)
    assert ending.kind is OutcomeKind.FAILED


async def test_a_thread_sees_the_context_variables():
    from contextvars import ContextVar

    variable = ContextVar("variable")
    variable.set("here")
    assert await run_in_thread(variable.get, Stop(), "test") == "here"


@pytest.mark.parametrize("insist", [False, True])
async def test_code_has_not_stopped_before_the_tasks_that_it_started(insist):
    let_go, alive = asyncio.Event(), asyncio.Event()

    async def stubborn():
        while not let_go.is_set():
            try:
                alive.set()
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    async def work():
        asyncio.create_task(stubborn())  # noqa: RUF006
        return await forever()

    runs = Runs(patience=0.2)
    with watching(asyncio.get_running_loop()):
        running = asyncio.create_task(runs(work, insist=insist))
        await alive.wait()
        runs.execution.stop(StopReason.CANCELLED)
        done, _ = await asyncio.wait({running}, timeout=1.0)
        stuck = runs.execution.stuck
        let_go.set()
        ending = await running
    assert (bool(done), stuck) == (not insist, not insist), "it is waited for where the process cannot be ended"
    assert ending.kind is OutcomeKind.CANCELLED
