"""The pool: what it does when the server goes away, and what it sets on every connection."""

import asyncpg
import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import Database


async def test_every_connection_has_our_settings(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW search_path") == "orchestrator, public"
        assert await connection.fetchval("SHOW jit") == "off"
        assert await connection.fetchval("SHOW application_name") == "orchestrator"


async def test_a_connection_that_is_cut_is_an_error_of_ours_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await database.fetchval("SELECT 1") == 1
    with pytest.raises(DatabaseUnavailable):
        await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await database.fetch("SELECT 1") == [(1,)]


async def test_an_error_of_the_callers_own_block_stays_what_it_is(database: Database) -> None:
    with pytest.raises(FileNotFoundError):
        async with database.transaction():
            raise FileNotFoundError("not the database")


async def test_a_closed_pool(database_url: str) -> None:
    database = await Database.connect(database_url, size=1)
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await database.fetchval("SELECT 1")


async def test_a_database_that_does_not_exist(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="no_such_database"):
        await Database.connect(database_url.replace("/test_", "/no_such_database_"))


@pytest.mark.parametrize("state", ["25006", "40001", "40P01", "53100", "53200", "55P03", "57014"])
async def test_what_the_server_cannot_do_now_is_no_failure_of_the_work(database: Database, state: str) -> None:
    refuse = f"DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseUnavailable, match="cannot do this now: not now"):
        await database.execute(refuse)
    with pytest.raises(DatabaseUnavailable, match="cannot do this now: not now"):
        async with database.transaction() as connection:
            await connection.execute(refuse)
    assert await database.fetchval("SELECT 1") == 1


async def test_a_server_that_only_reads_for_a_while(database: Database) -> None:
    async with database.connection() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    later = await Database.connect(database.url, size=1)
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        await later.execute("DELETE FROM workers")
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        async with later.transaction() as connection:
            await connection.execute("DELETE FROM workers")
    await later.close()


async def test_a_mistake_of_ours_stays_what_it_is(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM nothing")
    with pytest.raises(asyncpg.NotNullViolationError):
        await database.execute("INSERT INTO workers (name, card) VALUES ('x', NULL)")
