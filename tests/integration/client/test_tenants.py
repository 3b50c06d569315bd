"""Another tenant's run does not exist: not for the client, not for its handle, not on the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import Orchestrator, RunHandle
from orchestrator.cli import application
from orchestrator.client import ALL_TENANTS
from orchestrator.domain.event import Event
from orchestrator.domain.identity import RunId
from orchestrator.domain.span import SpanRow
from orchestrator.errors import NotFound
from orchestrator.store import Database, attempts, inbox, runs, spans, steps, verdicts
from orchestrator.store.events import append_events, read_events
from tests.integration.client.test_versions import letter


@pytest.fixture
async def acme(database: Database) -> AsyncIterator[Orchestrator]:
    async with Orchestrator.connect(database=database.url, tenant="acme") as app:
        yield app


@pytest.fixture
async def evil(database: Database) -> AsyncIterator[Orchestrator]:
    async with Orchestrator.connect(database=database.url, tenant="evil") as app:
        yield app


async def test_a_tenant_is_that_of_the_connection_unless_a_call_says_otherwise(acme, evil) -> None:
    mine, theirs = await acme.submit(letter("dear")), await evil.submit(letter("hello", "2.0.0"))
    assert (mine.tenant, (await mine.row()).tenant, theirs.tenant) == ("acme", "acme", "evil")
    assert [row.id for row in await acme.list_runs()] == [mine.id]
    assert [row.id for row in await acme.list_runs(tenant="evil")] == [theirs.id]
    assert {row.id for row in await acme.list_runs(tenant=ALL_TENANTS)} == {mine.id, theirs.id}
    assert [each.version for each in await acme.pinned_runs(letter("new"))] == ["1.0.0"]
    everybody = await acme.pinned_runs(letter("new"), tenant=ALL_TENANTS)
    assert {each.version for each in everybody} == {"1.0.0", "2.0.0"}


async def test_another_tenants_run_is_not_found(acme, evil) -> None:
    run = await acme.submit(letter("dear"))
    for prefix in (str(run.id), str(run.id)[:8]):
        with pytest.raises(NotFound, match="tenant evil"):
            await evil.handle(prefix)
    found = await evil.handle(run.id, tenant="acme")
    assert (await found.row()).id == run.id


async def test_a_handle_under_another_tenant_reads_and_cancels_nothing(acme, evil, database) -> None:
    run = await acme.submit(letter("dear"))
    forged = RunHandle(run.id, "evil", database, evil._parts.client._finished)
    for call in (forged.row, forged.result, forged.cancel, forged.trace):
        with pytest.raises(NotFound):
            await call()
    with pytest.raises(NotFound):
        async for _ in forged.events():
            pytest.fail("an event of another tenant's run")
    assert await inbox.read_inbox(database, run.id) == []


async def rows_of(database: Database, run: RunId, tenant: str) -> list[int]:
    return [
        len(await steps.list_steps(database, run, tenant=tenant)),
        len(await attempts.list_attempts(database, run, tenant=tenant)),
        len(await verdicts.list_verdicts(database, run, tenant=tenant)),
        len(await spans.list_spans(database, run, tenant=tenant)),
        len((await read_events(database, run, tenant=tenant))[0]),
    ]


async def test_every_row_of_a_run_is_read_by_its_tenant_alone(acme, database) -> None:
    run = (await acme.submit(letter("dear"))).id
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO steps (run_id, step, tenant, position, kind, status) "
            "VALUES ($1, 'write', 'acme', 0, 'worker', 'running')",
            run,
        )
        attempt = await connection.fetchval(
            "INSERT INTO attempts (id, run_id, tenant, step, number, purpose, worker, pool, input) "
            "VALUES (gen_random_uuid(), $1, 'acme', 'write', 1, 'work', 'w', 'p', '') RETURNING id",
            run,
        )
        await connection.execute(
            "INSERT INTO verdicts (attempt_id, validator, run_id, tenant, passed) VALUES ($1, 'v', $2, 'acme', true)",
            attempt,
            run,
        )
        await append_events(connection, [Event(run, "acme", "attempt.log", "write")])
    now = time.time()
    span = SpanRow(now, run.hex, f"{1:016x}", None, "acme", run, None, "step", "internal", now, "ok", "", {}, ())
    await spans.insert_spans(database, [span])
    assert await rows_of(database, run, "acme") == [1, 1, 1, 1, 2]
    assert await rows_of(database, run, "evil") == [0, 0, 0, 0, 0]


async def test_a_name_is_the_workflow_that_the_tenant_submitted_last(acme, evil, database) -> None:
    async def by_name(app: Orchestrator) -> str:
        return (await (await app.submit("letter")).row()).version

    for version in ("1.0.0", "2.0.0", "1.0.0"):
        await acme.submit(letter("dear", version))
        assert await by_name(acme) == version
    await evil.submit(letter("mwahaha", "9.9.9"))
    assert await by_name(acme) == "1.0.0"
    assert await by_name(evil) == "9.9.9"
    with pytest.raises(NotFound, match="tenant nobody"):
        await acme.submit("letter", tenant="nobody")


@pytest.fixture
def project(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.orchestrator]\n")
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    return tmp_path


async def submit_to(url: str, tenant: str) -> RunId:
    async with Orchestrator.connect(database=url, tenant=tenant) as app:
        return (await app.submit(letter("dear"))).id


async def is_cancelled(url: str, run: RunId) -> bool:
    database = await Database.connect(url, size=1)
    try:
        assert await runs.get_run(database, run) is not None
        return bool(await inbox.read_inbox(database, run))
    finally:
        await database.close()


@pytest.mark.parametrize("command", [("runs", "show"), ("runs", "cancel", "--wait", "0"), ("trace",)])
def test_the_command_line_shows_and_cancels_the_runs_of_one_tenant(project, database_url, command) -> None:
    run = asyncio.run(submit_to(database_url, "acme"))

    def call(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(application, ["-C", str(project), *command, str(run), *options])
        return done.exit_code, done.output + repr(done.exception)

    code, text = call()
    assert code != 0 and "no run of tenant default" in text
    assert not asyncio.run(is_cancelled(database_url, run))
    code, text = call("--tenant", "acme")
    assert code == 0, text
    assert asyncio.run(is_cancelled(database_url, run)) == ("cancel" in command)
