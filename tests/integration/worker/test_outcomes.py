"""Every way in which an attempt can end is stored as the contract says, with its inbox row and its events."""

from __future__ import annotations

import pytest

from orchestrator.domain.attempt import Purpose
from orchestrator.domain.payload import Payload
from orchestrator.queue import process_channel, read_runs
from tests.integration.worker.scene import Scene, eventually, serving


async def test_success_is_stored_with_its_output_its_inbox_row_and_its_events(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.echo", {"a": 1})
        assert await scene.output(row) == {"input": {"a": 1}, "feedback": [], "rejected": None, "key": "s-key"}
        assert [entry.attempt_id for entry in await scene.inbox()] == [row.id]
        events = await scene.events(row.id)
    assert [each.event.kind for each in events] == ["attempt.started", "attempt.finished"]
    started, finished = (each.event.data for each in events)
    assert started["worker"] == "r.echo"
    assert started["process"] == str(row.process)
    assert started["queue_wait"] >= 0
    assert finished["status"] == "succeeded"
    assert finished["duration"] >= 0
    assert "error" not in finished


async def test_the_runs_owner_is_notified_after_the_commit(scene: Scene, database):
    heard = []
    owner = await database.fetchval("SELECT owner FROM runs WHERE id = $1", scene.run_id)
    connection = await database.dedicated_connection()
    try:
        await connection.add_listener(process_channel(owner), lambda *told: heard.extend(read_runs(told[-1])))

        async def told() -> bool:
            return heard == [scene.run_id]

        async with serving(scene):
            await scene.outcome("r.echo")
            await eventually(told)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("worker", "value", "code", "error_class", "message"),
    [
        ("r.raise", {"kind": "value"}, "value", "error", "a bad value"),
        ("r.raise", {"kind": "throttled"}, "throttled", "retryable", "slow down"),
        ("r.raise", {"kind": "exit"}, "system_exit", "error", "sys.exit(4)"),
        ("r.raise", {"kind": "own"}, "ORC-420", "secret_missing", "mine"),
        ("r.raise", {"kin": 1}, "wrong_input", "error", "did you mean 'kind'"),
        ("r.wrong", None, "wrong_type", "error", "expected int, got str"),
        ("r.large", None, "output_too_large", "error", "5,002 bytes; the limit is 4,000"),
        ("r.foreign", None, "not_json", "error", "object"),
        ("r.short", None, "ORC-440", "unknown_worker", "is a validator, not a worker"),
    ],
)
async def test_failures(scene: Scene, worker, value, code, error_class, message):
    async with serving(scene):
        row = await scene.outcome(worker, value)
    assert row.status == "failed"
    assert (row.error.code, row.error.error_class) == (code, error_class)
    assert message in row.error.message
    (entry,) = await scene.inbox()
    assert entry.attempt_id == row.id


async def test_the_traceback_begins_in_the_users_code(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.raise", {"kind": "value"})
    lines = row.error.detail.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "specialists.py" in lines[1]
    assert lines[-1] == "ValueError: a bad value"


async def test_secrets_are_looked_up_at_claim_and_hidden_everywhere(scene: Scene):
    options = {"secrets": ["KEY", "OTHER"]}
    async with serving(scene, environ={"KEY": "sesame-open", "OTHER": "xyzzy-plugh"}):
        talked = await scene.outcome("r.talk", options=options)
        raised = await scene.outcome("r.raise", {"kind": "secret"}, step="t", options=options)
        events = await scene.events(talked.id)
    assert talked.status == "succeeded"
    assert raised.error.message == "the key is [redacted]"
    assert "sesame" not in raised.error.detail
    (line,) = [each.event.data for each in events if each.event.kind == "attempt.log"]
    assert line["fields"]["secret"] == "[redacted]"


async def test_a_secret_in_heartbeat_and_progress_is_not_stored(scene: Scene):
    async with serving(scene, environ={"KEY": "sesame-open"}):
        row = await scene.outcome("r.leak", options={"secrets": ["KEY"]})
        events = await scene.events(row.id)
    assert row.heartbeat == {"cursor": "[redacted]", "pages": {"next": "https://example.org/?key=[redacted]"}}
    assert "sesame" not in str([each.event.data for each in events])


async def test_a_missing_secret_fails_by_name_before_the_code_runs(scene: Scene):
    async with serving(scene, environ={"KEY": "x"}):
        row = await scene.outcome("r.talk", options={"secrets": ["KEY", "SEARCH_KEY"]})
    assert row.error.error_class == "secret_missing"
    assert "the worker's environment has no SEARCH_KEY" in row.error.message


async def test_what_an_attempt_says_is_stored_and_bounded(scene: Scene):
    async with serving(scene, environ={"KEY": "sesame-open"}):
        row = await scene.outcome("r.talk", {"lines": 250}, options={"secrets": ["KEY"]})
        events = [each.event for each in await scene.events(row.id)]
    lines = [event.data for event in events if event.kind == "attempt.log"]
    assert len(lines) == 201
    assert lines[-1]["dropped"] == 50
    assert {"fraction": 0.5, "text": "half way"} in [event.data for event in events]
    assert events[0].kind == "attempt.started"
    assert events[-1].kind == "attempt.finished"
    assert (row.heartbeat, row.progress) == ({"page": 7}, 0.5)


async def test_the_next_attempt_gets_the_last_heartbeat(scene: Scene):
    async with serving(scene):
        first = await scene.outcome("r.remember")
        assert (first.status, first.error.error_class) == ("failed", "connection")
        second = await scene.outcome("r.remember", number=2)
        assert await scene.output(second) == {"page": 7}


async def test_a_revision_sees_the_feedback_and_what_was_rejected(scene: Scene):
    rejected = {"draft": 1}
    options = {"feedback": ["cited: need 3"], "rejected": Payload.of(rejected).ref.sha256}
    async with serving(scene):
        row = await scene.outcome("r.echo", {"a": 1}, number=2, options=options, blobs_too=(rejected,))
        assert await scene.output(row) == {
            "input": {"a": 1},
            "feedback": ["cited: need 3"],
            "rejected": rejected,
            "key": "s-key",
        }


@pytest.mark.parametrize(
    ("output", "passed", "message"),
    [("abc", True, "longer than 5"), ("abcdefgh", False, "longer than 5"), ("", False, "there is nothing")],
)
async def test_a_validator_judges_the_output_and_sees_the_steps_input(scene: Scene, output, passed, message):
    options = {"output": Payload.of(output).ref.sha256}
    async with serving(scene):
        row = await scene.outcome(
            "r.short",
            {"limit": 5},
            purpose=Purpose.VALIDATE,
            validator="short",
            options=options,
            blobs_too=(output,),
        )
        verdict = await scene.output(row)
    assert (verdict["passed"], verdict["message"]) == (passed, message)
    assert set(verdict) == {"passed", "message", "score", "evidence"}


async def test_a_validator_that_breaks_is_a_failed_attempt_and_never_a_pass(scene: Scene):
    options = {"output": Payload.of("explode").ref.sha256}
    async with serving(scene):
        row = await scene.outcome(
            "r.short",
            {"limit": 5},
            purpose=Purpose.VALIDATE,
            validator="short",
            options=options,
            blobs_too=("explode",),
        )
    assert row.status == "failed"
    assert row.error.code == "runtime"


async def test_an_effect_is_not_done_twice_over_attempts(scene: Scene):
    async with serving(scene):
        assert (await scene.outcome("r.effect")).status == "failed"
        again = await scene.outcome("r.effect", number=2)
        assert await scene.output(again) == {"before": "sent"}


async def test_an_unconfirmed_effect_is_in_doubt_for_the_next_attempt(scene: Scene):
    async with serving(scene):
        await scene.outcome("r.effect", {"confirm": False})
        again = await scene.outcome("r.effect", {"confirm": False}, number=2)
    assert (again.status, again.error.error_class) == ("failed", "in_doubt")
