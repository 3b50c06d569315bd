"""A sink that keeps what it is given, and an attempt to trace."""

import uuid

import pytest

from orchestrator.domain.attempt import AttemptOrder, ClaimedAttempt, Purpose
from orchestrator.domain.identity import NO_ITEM, RunId, attempt_id, traceparent
from orchestrator.domain.payload import PayloadRef
from orchestrator.errors import DatabaseUnavailable

RUN = RunId(uuid.UUID("0190a5d2-7c1e-7000-8000-0000000000aa"))


class Sink:
    """Keeps spans; `away` makes it unreachable, `broken` makes it raise that."""

    def __init__(self):
        self.rows = []
        self.batches = []
        self.away = False
        self.broken = None

    async def write(self, spans):
        if self.away:
            raise DatabaseUnavailable("the database is away")
        if self.broken:
            raise self.broken
        self.batches.append(len(spans))
        self.rows += spans


@pytest.fixture
def sink():
    return Sink()


def claimed(*, step="search", item=NO_ITEM, number=1, worker="web.search", validator="", tenant="acme"):
    purpose = Purpose.VALIDATE if validator else Purpose.WORK
    order = AttemptOrder(
        id=attempt_id(RUN, step, item, number, validator),
        run_id=RUN,
        tenant=tenant,
        step=step,
        item=item,
        number=number,
        purpose=purpose,
        worker=worker,
        pool="research",
        input=PayloadRef("0" * 64, 2),
        validator=validator,
        traceparent=traceparent(RUN, step),
    )
    return ClaimedAttempt(order, 1, 2_000_000_000.0, {}, "report", queued_at=100.0, claimed_at=100.25)
