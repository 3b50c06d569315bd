"""Migrations lead to schema.sql, whoever runs them, and however many at once."""

import asyncio
from importlib.resources import files

import asyncpg
import pytest

from orchestrator.errors import SchemaOutOfDate
from orchestrator.store import Database, migrate, migrations, require_current, status
from orchestrator.store.database import SERVER_SETTINGS
from orchestrator.store.queries import query

CATALOG = """
SELECT 'column' AS what, table_name || '.' || column_name AS name,
       concat_ws(' ', ordinal_position, data_type, udt_name, is_nullable, column_default, is_identity) AS meaning
FROM information_schema.columns WHERE table_schema = 'orchestrator'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'orchestrator'
UNION ALL
SELECT 'constraint', conrelid::regclass::text || '.' || conname::text, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'orchestrator'::regnamespace
UNION ALL
SELECT 'table', oid::regclass::text, relkind::text || ' ' || coalesce(pg_get_partkeydef(oid), '')
FROM pg_class WHERE relnamespace = 'orchestrator'::regnamespace AND relkind IN ('r', 'p')
ORDER BY 1, 2
"""


async def catalog(url: str, *statements: str) -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(url, server_settings=SERVER_SETTINGS)
    try:
        for statement in statements:
            await connection.execute(statement)
        return [tuple(row) for row in await connection.fetch(CATALOG)]
    finally:
        await connection.close()


async def test_replaying_the_migrations_gives_the_schema(empty_database_url: str) -> None:
    schema = files("orchestrator.store").joinpath("schema.sql").read_text()
    whole = await catalog(empty_database_url, "CREATE SCHEMA orchestrator", schema)
    await catalog(empty_database_url, "DROP SCHEMA orchestrator CASCADE", "CREATE SCHEMA orchestrator")
    assert await migrate(empty_database_url) == [known.name for known in migrations.migrations()]
    assert await catalog(empty_database_url) == whole
    assert len(whole) > 150


async def test_the_savers_own_tables_are_those_of_the_schema(empty_database_url: str) -> None:
    alone = await catalog(empty_database_url, query("create_checkpoint_tables"))
    await migrate(empty_database_url)
    whole = await catalog(empty_database_url)
    assert alone == [row for row in whole if "checkpoint" in row[1]]


async def test_several_that_migrate_at_once_do_not_hurt_each_other(empty_database_url: str) -> None:
    calls: list[str] = []

    async def extra(connection: asyncpg.Connection) -> None:
        calls.append(await connection.fetchval("SELECT current_setting('search_path')"))

    applied = await asyncio.gather(*(migrate(empty_database_url, [extra]) for _ in range(5)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, len(migrations.migrations())]
    assert calls == ["orchestrator, public"] * 5


async def test_the_status_before_and_after(empty_database_url: str) -> None:
    latest = len(migrations.migrations())
    before = await status(empty_database_url)
    assert (before.current, before.latest, len(before.pending)) == (0, latest, latest)
    database = await Database.connect(empty_database_url, size=1)
    with pytest.raises(SchemaOutOfDate, match="db migrate"):
        await require_current(database)
    await migrate(empty_database_url)
    after = await status(empty_database_url)
    assert (after.current, after.pending) == (latest, ())
    await require_current(database)
    await database.execute("INSERT INTO migrations (version, name) VALUES (9999, '9999_future')")
    with pytest.raises(SchemaOutOfDate, match="9999"):
        await require_current(database)
    with pytest.raises(SchemaOutOfDate):
        await migrate(empty_database_url)
    await database.close()


async def test_a_migration_that_fails_leaves_nothing(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrations.Migration(9998, "9998_broken", "CREATE TABLE half (); SELECT 1 / 0")
    known = migrations.migrations()
    monkeypatch.setattr(migrations, "migrations", lambda: (*known, broken))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url)
    assert (await status(empty_database_url)).pending == ("9998_broken",)
    assert not [row for row in await catalog(empty_database_url) if "half" in row[1]]


def test_versions_are_numbered_without_gaps() -> None:
    versions = [known.version for known in migrations.migrations()]
    assert versions == list(range(1, len(versions) + 1))
