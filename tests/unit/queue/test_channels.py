"""Channel names fit Postgres, and payloads fit PgQueuer's listener."""

import uuid

import pytest
from pgqueuer.domain.models import AnyEvent, TableChangedEvent

from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.queue.channels import pool_channel, process_channel, queue_event
from orchestrator.queue.jobs import read_run_job
from orchestrator.queue.notify import read_runs


@pytest.mark.parametrize("pool", ["default", "a", "x" * 200, "größe", "two words", "Upper", "a;b", ""])
def test_a_pool_channel_is_a_short_name(pool):
    channel = pool_channel(pool)
    assert len(channel.encode()) <= 63
    assert channel == pool_channel(pool)


def test_pools_do_not_share_a_channel():
    pools = ["a", "b", "A", "a b", "a  b", "x" * 100, "x" * 101, "ä", "é", ""]
    assert len({pool_channel(pool) for pool in pools}) == len(pools)


def test_a_plain_pool_can_be_read_from_its_channel():
    assert pool_channel("research") == "orchestrator_pool_research"


def test_a_process_channel_fits():
    assert len(process_channel(ProcessId(uuid.uuid4()))) <= 63


def test_a_queue_event_is_what_pgqueuer_parses():
    event = AnyEvent.model_validate_json(queue_event("somewhere")).root
    assert isinstance(event, TableChangedEvent)
    assert event.channel == "somewhere"


def test_runs_are_read_from_a_payload():
    runs = [RunId(uuid.uuid4()) for _ in range(3)]
    assert read_runs(",".join(map(str, runs))) == runs


def test_a_run_job_without_a_run_is_refused():
    with pytest.raises(ValueError, match="16"):
        read_run_job(None)
