"""What attempts say is written in order, in batches, and is not lost while the database is away."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.worker.journal import Journal
from orchestrator.worker.recorder import Recorder, attempt_event
from tests.unit.worker.attempts import claimed_attempt


class Written:
    """Events and heartbeats as they were written."""

    def __init__(self):
        self.away = False
        self.error: Exception = DatabaseUnavailable("away")
        self.kinds: list[str] = []
        self.beats: list = []

    async def append(self, events):
        if self.away:
            raise self.error
        self.kinds += [event.kind for event in events]

    async def beat(self, claimed, details, progress):
        self.beats.append((details, progress))


@pytest.fixture
def written():
    return Written()


@pytest.fixture
def recorder(written):
    return Recorder(written.append, written.beat)


async def test_batches_in_order(recorder, written):
    claimed, journal = claimed_attempt(), Journal()
    recorder.watch(claimed, journal, attempt_event(claimed, "attempt.started", {}, once=True))
    journal.log("info", "a", {})
    journal.heartbeat({"n": 1})
    journal.heartbeat({"n": 2})
    await recorder.flush()
    journal.progress(0.5, "half")
    rest = await recorder.leave(claimed)
    assert written.kinds == ["attempt.started", "attempt.log"]
    assert [event.kind for event in rest] == ["attempt.progress"]
    assert written.beats == [({"n": 2}, None), (None, 0.5)]
    await recorder.flush()
    assert len(written.kinds) == 2


async def test_events_of_a_quick_attempt_go_with_its_outcome(recorder, written):
    claimed, other = claimed_attempt(), claimed_attempt()
    for each in (claimed, other):
        recorder.watch(each, Journal(), attempt_event(each, "attempt.started", {}, once=True))
    assert [event.attempt_id for event in await recorder.leave(claimed)] == [claimed.order.id]
    await recorder.flush()
    assert written.kinds == ["attempt.started"]


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), TimeoutError(), ConnectionResetError()])
async def test_events_wait_while_the_database_is_away(recorder, written, error):
    written.error = error
    claimed, journal = claimed_attempt(), Journal()
    recorder.watch(claimed, journal, attempt_event(claimed, "attempt.started", {}))
    written.away = True
    await recorder.flush()
    journal.log("info", "a", {})
    written.away = False
    await recorder.flush()
    assert written.kinds == ["attempt.started", "attempt.log"]


async def test_it_goes_on_whatever_happens(recorder, written):
    class Broken(Journal):
        def take(self, *, last=False):
            raise RuntimeError("broken")

    broken, claimed = claimed_attempt(), claimed_attempt()
    journal = Broken()
    journal.log("info", "a", {})
    recorder.watch(broken, journal, attempt_event(broken, "attempt.started", {}))
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    recorder._journals.clear()
    recorder.watch(claimed, Journal(), attempt_event(claimed, "attempt.started", {}))
    await asyncio.wait({task}, timeout=0.5)
    assert not task.done()
    task.cancel()
    assert written.kinds == ["attempt.started"] * 2
