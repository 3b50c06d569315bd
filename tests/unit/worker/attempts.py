"""A claimed attempt out of thin air, for tests that need no database."""

from __future__ import annotations

import time
from typing import Any

from orchestrator.domain.attempt import AttemptOrder, ClaimedAttempt, Purpose
from orchestrator.domain.identity import NO_ITEM, attempt_id, new_run_id
from orchestrator.domain.payload import Payload


def claimed_attempt(worker: str = "w.one", *, pool: str = "test", number: int = 1, **changes: Any) -> ClaimedAttempt:
    run_id = new_run_id()
    order = AttemptOrder(
        id=attempt_id(run_id, "s", NO_ITEM, number),
        run_id=run_id,
        tenant="acme",
        step="s",
        item=NO_ITEM,
        number=number,
        purpose=Purpose.WORK,
        worker=worker,
        pool=pool,
        input=Payload.of({}).ref,
        **changes,
    )
    now = time.time()
    return ClaimedAttempt(order, 1, now + 30, {}, "flow", now, now)
