"""The environment cannot rename the queue's tables."""

import os

import pytest
from pgqueuer.domain.settings import DBSettings, Durability

from orchestrator.queue.settings import QUEUE_SETTINGS, QueueSettings


@pytest.fixture
def hostile_environment(monkeypatch):
    for field in DBSettings.model_fields:
        if field not in {"durability", "widen_id"}:
            monkeypatch.setenv(field.upper(), "leaked")
            monkeypatch.setenv(f"PGQUEUER_{field.upper()}", "leaked")
    monkeypatch.setenv("PGQUEUER_SCHEMA", "leaked")
    monkeypatch.setenv("DURABILITY", "volatile")
    return os.environ


def test_the_environment_does_not_leak_in(hostile_environment):
    assert "leaked" in DBSettings().model_dump().values(), "PgQueuer's own settings do read it"
    assert "leaked" not in QueueSettings().model_dump().values()
    again = QueueSettings(**QUEUE_SETTINGS.model_dump())
    assert again == QUEUE_SETTINGS


def test_every_name_is_said_explicitly():
    assert QUEUE_SETTINGS.model_fields_set == set(DBSettings.model_fields)


def test_jobs_survive_a_crash_and_the_log_need_not():
    assert QUEUE_SETTINGS.durability is Durability.balanced
    assert QUEUE_SETTINGS.qualified.queue_table == "orchestrator.pgqueuer"
