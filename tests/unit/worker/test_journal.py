"""What attempts say is bounded, redacted and plain JSON."""

from __future__ import annotations

import pytest

from orchestrator.domain.event import ATTEMPT_LOG, ATTEMPT_PROGRESS
from orchestrator.worker.journal import MAX_LINE, Entry, Journal


def test_lines_beyond_the_limit_are_counted_and_reported_at_the_end():
    journal = Journal(max_lines=3)
    for number in range(10):
        journal.log("info", f"line {number}", {})
    pulse = journal.take(last=True)
    assert [entry.data["message"] for entry in pulse.entries] == [
        "line 0",
        "line 1",
        "line 2",
        "7 more log lines were dropped (an attempt keeps 3)",
    ]
    assert pulse.entries[-1].data["dropped"] == 7


def test_only_the_latest_progress_of_a_batch_is_kept():
    journal = Journal()
    journal.progress(0.1, "a")
    journal.progress(0.9, "b")
    pulse = journal.take()
    assert pulse.entries == [Entry(ATTEMPT_PROGRESS, {"fraction": 0.9, "text": "b"})]
    assert pulse.progress == 0.9
    assert not journal.dirty


def test_a_heartbeat_keeps_its_details_and_its_time():
    journal = Journal()
    assert journal.last_beat is None
    journal.heartbeat({"cursor": 3})
    assert journal.last_beat is not None
    pulse = journal.take()
    assert (pulse.beat, pulse.details) == (True, {"cursor": 3})
    assert not journal.take().beat


def test_a_huge_heartbeat_is_refused():
    with pytest.raises(ValueError, match="64000 characters"):
        Journal().heartbeat({"all": "x" * 70_000})


def hide(value):
    """A redactor that knows one secret."""
    if isinstance(value, str):
        return value.replace("secret", "***")
    return {key: hide(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_the_details_of_a_heartbeat_and_the_text_of_progress_are_redacted():
    journal = Journal(hide)
    journal.heartbeat({"cursor": {"token": "a secret"}})
    journal.progress(0.5, "with the secret")
    pulse = journal.take()
    assert pulse.details == {"cursor": {"token": "a ***"}}
    assert pulse.entries == [Entry(ATTEMPT_PROGRESS, {"fraction": 0.5, "text": "with the ***"})]


def test_no_half_of_a_secret_is_left_where_a_text_is_cut():
    journal = Journal(hide)
    long = "x" * (MAX_LINE - 3) + "secret"
    journal.progress(0.5, long)
    journal.log("info", long, {"a": long})
    texts = str([entry.data for entry in journal.take().entries])
    assert "xsec" not in texts


def test_fields_become_plain_json_and_are_redacted_and_cut():
    journal = Journal(hide)
    journal.log("info", "the secret " + "x" * MAX_LINE, {"a": object, "b": "secret", "n": float("nan")})
    (entry,) = journal.take().entries
    assert entry.kind == ATTEMPT_LOG
    assert entry.data["message"].startswith("the *** x")
    assert len(entry.data["message"]) <= MAX_LINE
    assert entry.data["fields"] == {"a": str(object), "b": "***", "n": None}
    journal.log("info", "big", {"all": "x" * 10_000})
    (entry,) = journal.take().entries
    assert len(str(entry.data["fields"])) < MAX_LINE + 100
