"""The installed PgQueuer still has the statements that `relaxed` ends differently."""

import uuid
from datetime import timedelta

from orchestrator.queue.relaxed import RelaxedQueryBuilder
from orchestrator.queue.settings import QUEUE_SETTINGS

RELAX = "set_config('synchronous_commit', 'off', true)"


def test_picks_and_ends_are_relaxed():
    builder = RelaxedQueryBuilder(QUEUE_SETTINGS)
    for _ in range(2):  # the second comes from PgQueuer's cache
        pick = builder.build_dequeue_query(
            batch_size=1,
            entrypoints=["x"],
            concurrency_limits=[0],
            queue_manager_id=uuid.uuid4(),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=1),
        )
        assert pick.sql.count(RELAX) == 1
        assert len(pick.args) == 4
    assert builder.build_log_job_query().count(RELAX) == 1
    assert builder.build_log_job_query().count("FROM merged") == 1
