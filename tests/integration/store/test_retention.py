"""Retention: what ended long ago goes with all that hangs on it, and nothing that is still needed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.identity import RunId, new_run_id
from orchestrator.domain.payload import Payload
from orchestrator.domain.span import SpanRow
from orchestrator.store import Database, blobs, runs, spans
from orchestrator.store.retention import FAMILIES, Removed, hold_run, prune_runs, prune_spans, sweep_blobs
from tests.integration.store.scene import INPUTS, SHA, submit

DAY = 86_400.0
TABLES = ("steps", "attempts", "verdicts", "events", "effects")
RECORDED = """
WITH s AS (INSERT INTO steps (run_id, step, tenant, position, kind, status)
           VALUES ($1, 'a', 'acme', 0, 'worker', 'succeeded')),
a AS (INSERT INTO attempts (id, run_id, tenant, step, number, purpose, worker, pool, input, status)
      VALUES ($1, $1, 'acme', 'a', 1, 'work', 'w', 'p', '', 'succeeded')),
e AS (INSERT INTO events (run_id, tenant, kind) VALUES ($1, 'acme', 'x')),
f AS (INSERT INTO effects (run_id, step, item, key, tenant, attempt_id, state)
      VALUES ($1, 'a', -1, 'k', 'acme', $1, 'confirmed')),
c AS (INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ($1::text, '1', '{}')),
b AS (INSERT INTO checkpoint_blobs (thread_id, channel, version, type, data) VALUES ($1::text, 'c', '1', 't', 'x'))
INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, type, data)
VALUES ($1::text, '1', 't', 0, 'c', 't', 'xyz')
"""


async def ended(database: Database, *, days: float, tenant: str = "acme") -> RunId:
    """A run that ended so many days ago, with rows in every table."""
    run_id = await submit(database, tenant=tenant)
    await database.execute(RECORDED.replace("$1::text", "$1::uuid::text"), run_id)
    await database.execute(
        "INSERT INTO verdicts (attempt_id, validator, run_id, tenant, passed) VALUES ($1, 'v', $1, 'acme', true)",
        run_id,
    )
    await end(database, run_id, days=days)
    return run_id


async def end(database: Database, run_id: RunId, *, days: float) -> None:
    await database.execute(
        "UPDATE runs SET status = 'succeeded', created_at = now() - make_interval(secs => $2),"
        " finished_at = now() - make_interval(secs => $2) WHERE id = $1",
        run_id,
        days * DAY,
    )


async def hang(database: Database, run_id: RunId, *, below: RunId, column: str = "parent_run") -> None:
    """Make a run a child, or a fork, of another."""
    await database.execute(f"UPDATE runs SET {column} = $2 WHERE id = $1", run_id, below)


async def prune(database: Database, *, days: float = 30, tenant: str | None = None, dry_run: bool = False) -> Removed:
    removed = Removed()
    await prune_runs(database, removed, before=time.time() - days * DAY, tenant=tenant, dry_run=dry_run)
    return removed


async def left(database: Database) -> set[RunId]:
    return {row["id"] for row in await database.fetch("SELECT id FROM runs")}


async def test_old_runs_go_with_all_their_rows_and_are_counted(database: Database) -> None:
    old, young, running = [await ended(database, days=days) for days in (40, 20, 50)]
    await database.execute("UPDATE runs SET status = 'running', finished_at = NULL WHERE id = $1", running)
    foreseen = await prune(database, dry_run=True)
    assert await left(database) == {old, young, running}
    removed = await prune(database)
    assert await left(database) == {young, running}
    assert removed.rows == foreseen.rows
    assert removed.bytes.total() == pytest.approx(foreseen.bytes.total(), rel=0.1)
    assert removed.rows == dict.fromkeys(("runs", "checkpoints", *TABLES), 1) | {"checkpoint values": 2, "inbox": 0}
    assert removed.bytes["checkpoint values"] == 4
    for table in TABLES:
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 2
    assert await database.fetchval("SELECT count(*) FROM checkpoints") == 2


@pytest.mark.parametrize("column", ["parent_run", "forked_from"])
async def test_what_hangs_on_a_run_goes_with_it_and_keeps_it_until_then(database: Database, column: str) -> None:
    run, below, deeper = [await ended(database, days=40) for _ in range(3)]
    await hang(database, below, below=run, column=column)
    await hang(database, deeper, below=below)
    await database.execute("UPDATE runs SET status = 'running', finished_at = NULL WHERE id = $1", deeper)
    assert (await prune(database)).rows.total() == 0
    await end(database, deeper, days=5)
    assert (await prune(database)).rows["runs"] == 0
    await end(database, deeper, days=35)
    assert (await prune(database)).rows["runs"] == 3
    assert await left(database) == set()


async def test_only_the_tenant_that_is_named(database: Database) -> None:
    ours, theirs = await ended(database, days=40), await ended(database, days=40, tenant="other")
    assert (await prune(database, tenant="other")).rows["runs"] == 1
    assert await left(database) == {ours}
    assert theirs != ours


async def test_more_than_one_batch(database: Database) -> None:
    for _ in range(FAMILIES + 5):
        await end(database, await submit(database), days=40)
    kept = await ended(database, days=1)
    assert (await prune(database)).rows["runs"] == FAMILIES + 5
    assert await left(database) == {kept}


async def test_a_run_that_is_just_being_forked_is_held(database: Database) -> None:
    assert not await _held(database, new_run_id())
    assert await _held(database, await ended(database, days=40))


async def _held(database: Database, run_id: RunId) -> bool:
    async with database.transaction() as connection:
        return await hold_run(connection, run_id)


async def put(database: Database, value: object, *, days: float, tenant: str = "acme") -> str:
    """A value that was put so many days ago."""
    payload = Payload.of(value)
    async with database.transaction() as connection:
        await blobs.put_blobs(connection, tenant, [payload])
    await database.execute(
        "UPDATE blobs SET put_at = now() - make_interval(secs => $2) WHERE sha256 = $1 AND tenant = $3",
        bytes.fromhex(payload.ref.sha256),
        days * DAY,
        tenant,
    )
    return payload.ref.sha256


async def stored(database: Database, *shas: str) -> list[bool]:
    found = {row["sha256"].hex() for row in await database.fetch("SELECT sha256 FROM blobs")}
    return [sha in found for sha in shas]


async def test_values_go_that_are_older_than_a_day_and_than_every_run(database: Database) -> None:
    await database.execute("UPDATE runs SET created_at = now()")
    run = await submit(database)
    await end(database, run, days=10)
    before, with_it, after = (
        await put(database, 1, days=11),
        await put(database, 2, days=10),
        await put(database, 3, days=3),
    )
    fresh, theirs = await put(database, 4, days=0.5, tenant="other"), await put(database, 5, days=2, tenant="other")
    foreseen, removed = Removed(), Removed()
    await sweep_blobs(database, foreseen, dry_run=True)
    assert await stored(database, before, with_it, after, fresh, theirs) == [True] * 5
    await sweep_blobs(database, removed)
    assert await stored(database, before, with_it, after, fresh, theirs) == [False, True, True, True, False]
    assert (removed.rows, removed.bytes) == (foreseen.rows, foreseen.bytes) == ({"blobs": 2}, {"blobs": 2})
    await prune(database, days=5)
    await sweep_blobs(database, removed)
    assert await stored(database, before, with_it, after, fresh, theirs) == [False, False, False, True, False]


async def test_a_value_that_is_put_again_stays(database: Database) -> None:
    sha = await put(database, "again", days=9)
    async with database.transaction() as connection:
        await blobs.put_blobs(connection, "acme", [Payload.of("again")])
    await sweep_blobs(database, Removed())
    assert await stored(database, sha) == [True]


async def test_a_sweep_takes_no_more_than_it_may(database: Database) -> None:
    for number in range(7):
        await put(database, number, days=2)
    removed = Removed()
    await sweep_blobs(database, removed, most=3)
    assert removed.rows == {"blobs": 3}
    assert await database.fetchval("SELECT count(*) FROM blobs") == 4


def span(run_id: RunId, *, days: float, tenant: str = "acme") -> SpanRow:
    at = time.time() - days * DAY
    return SpanRow(at, run_id.hex, run_id.hex[:16], None, tenant, run_id, None, "x", "internal", at + 1, "ok")


async def spans_left(database: Database) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM spans")
    return count


async def test_days_of_spans_are_dropped(database: Database) -> None:
    old, new = new_run_id(), new_run_id()
    await spans.insert_spans(database, [span(old, days=40), span(new, days=1)])
    removed = Removed()
    cutoff = time.time() - 30 * DAY
    await prune_spans(database, removed, before=cutoff, tenant=None, dry_run=True)
    assert (removed.rows["spans"], await spans_left(database)) == (1, 2)
    await prune_spans(database, Removed(), before=cutoff, tenant=None, dry_run=False)
    assert await spans_left(database) == 1
    day = datetime.now(UTC).date() - timedelta(days=40)
    assert await database.fetchval("SELECT to_regclass($1)", f"orchestrator.spans_{day:%Y%m%d}") is None
    await spans.insert_spans(database, [span(old, days=40)])
    assert await spans_left(database) == 2


async def test_a_process_that_does_not_know_of_a_dropped_day_makes_it_again(database: Database) -> None:
    await spans.insert_spans(database, [span(new_run_id(), days=40)])
    other = Database(database.url, database.pool)
    await prune_spans(other, Removed(), before=time.time() - 30 * DAY, tenant=None, dry_run=False)
    assert await spans_left(database) == 0
    await spans.insert_spans(database, [span(new_run_id(), days=40)])
    assert await spans_left(database) == 1


async def test_a_tenants_spans_are_deleted_by_row(database: Database) -> None:
    await spans.insert_spans(database, [span(new_run_id(), days=40), span(new_run_id(), days=40, tenant="other")])
    removed = Removed()
    await prune_spans(database, removed, before=time.time() - 30 * DAY, tenant="other", dry_run=False)
    assert removed.rows == {"spans": 1}
    assert await spans_left(database) == 1


async def test_the_inputs_of_runs_are_never_swept(database: Database) -> None:
    run = await submit(database)
    row = await runs.get_run(database, run)
    assert row is not None
    assert row.workflow_sha256 == SHA
    await sweep_blobs(database, Removed())
    assert await stored(database, INPUTS.ref.sha256) == [True]
