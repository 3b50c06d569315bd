"""What attempts say is written in order, in batches, and is not lost while the database is away."""

from __future__ import annotations

import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.worker.journal import Journal
from orchestrator.worker.recorder import Recorder, attempt_event
from tests.unit.worker.attempts import claimed_attempt


class Written:
    """Events and heartbeats as they were written."""

    def __init__(self):
        self.away = False
        self.kinds: list[str] = []
        self.beats: list = []

    async def append(self, events):
        if self.away:
            raise DatabaseUnavailable("away")
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


async def test_events_wait_while_the_database_is_away(recorder, written):
    claimed, journal = claimed_attempt(), Journal()
    recorder.watch(claimed, journal, attempt_event(claimed, "attempt.started", {}))
    written.away = True
    await recorder.flush()
    journal.log("info", "a", {})
    written.away = False
    await recorder.flush()
    assert written.kinds == ["attempt.started", "attempt.log"]
