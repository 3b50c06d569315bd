"""Brings a database to this package's schema, one numbered file of `migrations/` after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import asyncpg

from orchestrator.errors import SchemaOutOfDate
from orchestrator.store.database import SERVER_SETTINGS, reachable, well_formed
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database

    Extra = Callable[[Connection], Awaitable[None]]

SCHEMA_LOCK: Final = 7_326_945_021
"""The advisory lock that whoever changes the schema holds."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`: `0001_initial.sql` has the version 1."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where a database stands: its version (0 before the first), this package's, and what is between them."""

    current: int
    latest: int
    pending: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations in order."""
    found = [
        Migration(int(file.name.split("_")[0]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in files(__package__).joinpath("migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return tuple(sorted(found, key=lambda migration: migration.version))


async def migrate(database_url: str, extra: Sequence[Extra] = ()) -> list[str]:
    """Apply what is pending; several processes may do so at once, and all but one then find nothing to do.

    Args:
        database_url: of a role that may create a schema.
        extra: called in turn after our own migrations, every time, with the same connection outside a
            transaction and under the same lock (PgQueuer's own installation); each must be repeatable.

    Returns:
        The names of the migrations that this call applied.

    Raises:
        DatabaseUnavailable: the server does not answer.
        SchemaOutOfDate: the database is newer than this package.
    """
    applied: list[str] = []
    async with _connected(database_url) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", SCHEMA_LOCK)
        await connection.execute(query("create_migrations"))
        status = await _status(connection)
        _refuse_newer(status)
        for migration in migrations():
            if migration.name in status.pending:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(query("record_migration"), migration.version, migration.name)
                applied.append(migration.name)
        for install in extra:
            await install(connection)
    return applied


async def status(database_url: str) -> MigrationStatus:
    """Where the database stands.

    Raises:
        DatabaseUnavailable: the server does not answer.
    """
    async with _connected(database_url) as connection:
        return await _status(connection)


async def require_current(database: Database) -> None:
    """Make sure that the database has exactly this package's schema.

    Raises:
        SchemaOutOfDate: it is older or newer.
    """
    async with database.connection() as connection:
        found = await _status(connection)
    _refuse_newer(found)
    if found.pending:
        raise SchemaOutOfDate(f"the database's schema has version {found.current}, not {found.latest}")


def _refuse_newer(found: MigrationStatus) -> None:
    if found.current > found.latest:
        raise SchemaOutOfDate(
            f"the database's schema has version {found.current}; this package knows {found.latest}",
            remedy="install the version of graph-orchestrator that migrated it, or a later one",
        )


async def _status(connection: Connection) -> MigrationStatus:
    there = await connection.fetchval("SELECT to_regclass('orchestrator.migrations') IS NOT NULL")
    current: int = await connection.fetchval(query("current_migration")) if there else 0
    known = migrations()
    pending = tuple(migration.name for migration in known if migration.version > current)
    return MigrationStatus(current, known[-1].version, pending)


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[Connection]:
    with reachable(database_url):
        with well_formed(database_url):
            connection = await asyncpg.connect(database_url, server_settings=SERVER_SETTINGS)
        try:
            yield connection
        finally:
            await connection.close()
