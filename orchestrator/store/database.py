"""The connection pool: one search path, one way to begin a fenced transaction, one error for "not reachable"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg

from orchestrator.domain.identity import RunId
from orchestrator.errors import DatabaseUnavailable, Fenced
from orchestrator.store.queries import query

if TYPE_CHECKING:
    Record = asyncpg.Record
    Connection = asyncpg.Connection[Record]
    Pool = asyncpg.Pool[Record]

_Result = TypeVar("_Result")

SERVER_SETTINGS: Final = {
    "application_name": "orchestrator",
    "search_path": "orchestrator, public",
    # Our statements are small and many: compiling one takes longer than running it.
    "jit": "off",
    # What is looked up lies in memory or on an SSD. With the default of 4 a plan that is made while a table is small,
    # and kept, reads all of it.
    "random_page_cost": "1.1",
    # A process that is frozen in the middle of a transaction keeps its locks, on runs that others are to take over too.
    # Shorter than the time after which a supervisor counts as dead.
    "idle_in_transaction_session_timeout": "4s",
}
_LOST: Final = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ClientConfigurationError,
    asyncpg.InternalClientError,  # raised when the server is just ending an idle connection
)
_UNREACHABLE: Final = (OSError, *_LOST)
# Deadlocks and the like, too little of something, and whatever an operator or a limit ended.
_NOT_NOW_CLASSES: Final = frozenset({"40", "53", "57"})
# A server that only reads, as a standby does while it takes over; our own transaction that took too long between two
# statements; a lock that was not to be had in time.
_NOT_NOW_STATES: Final = frozenset({"25006", "25P03", "55P03"})
_AFTER_PLACE: Final = re.compile(r"^\w+://[^/?#]*")
_OPTION: Final = re.compile(r"\w+=[^/#]*")
_TRIES_AFTER_DEADLOCK: Final = 3
_COMMAND_TIMEOUT: Final = 60.0


class _PooledConnection(asyncpg.Connection):
    """Not reset on release: nothing here leaves session state behind, and a reset is one more round trip."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A pool of connections to one Postgres. Make it with `await Database.connect(url, …)`.

    Attributes:
        url: as it was given, with its password.
        pool: the asyncpg pool, for what the methods here do not cover.
        span_days: the days (UTC) whose partition of `spans` is known to exist.
    """

    def __init__(self, url: str, pool: Pool) -> None:
        self.url = url
        self.pool = pool
        self.span_days: set[date] = set()

    @classmethod
    async def connect(cls, url: str, *, size: int = 12, timeout: float = 10.0) -> Database:  # noqa: ASYNC109
        """Open a pool.

        Args:
            url: `postgresql://…`, as libpq takes it.
            size: connections at the most.
            timeout: seconds to wait for one connection.

        Raises:
            DatabaseUnavailable: the server does not answer, refuses, or the URL is malformed.
        """
        with reachable(url), well_formed(url):
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                timeout=timeout,
                command_timeout=_COMMAND_TIMEOUT,
                # Its timers would keep the callers' contexts, and so whole runs, in memory for minutes.
                max_cached_statement_lifetime=0,
                server_settings=SERVER_SETTINGS,
                connection_class=_PooledConnection,
            )
        return cls(url, pool)

    async def close(self) -> None:
        """Close every connection, waiting for those in use for at most ten seconds."""
        try:
            await asyncio.wait_for(self.pool.close(), 10.0)
        except (TimeoutError, *_UNREACHABLE):
            self.pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside a transaction."""
        with reachable(self.url):
            connection = await self.pool.acquire()
        try:
            # An OSError of the caller's own block is not ours to explain.
            with reachable(self.url, _LOST):
                # A proxy that has all the methods of the connection behind it.
                yield cast("Connection", connection)
        finally:
            await self.pool.release(connection)

    async def dedicated_connection(self) -> asyncpg.Connection[Record]:
        """A connection outside the pool, for LISTEN; the caller closes it."""
        with reachable(self.url):
            return await asyncpg.connect(self.url, server_settings=SERVER_SETTINGS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction that commits unless the block raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def fenced(self, run_id: RunId, epoch: int) -> AsyncIterator[Connection]:
        """A transaction of the run's owner: while it is open, nobody can take the run over.

        Raises:
            Fenced: the run has another epoch, so this process owns it no longer.
        """
        async with self.transaction() as connection:
            await fence(connection, run_id, epoch)
            yield connection

    async def fetch(self, sql: str, *values: Any) -> list[Record]:
        """Run one statement by itself; its rows. Repeated when it was the victim of a deadlock."""
        return await self._alone(lambda: self.pool.fetch(sql, *values))

    async def fetchrow(self, sql: str, *values: Any) -> Record | None:
        """Like `fetch`: its first row, or None."""
        return await self._alone(lambda: self.pool.fetchrow(sql, *values))

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """Like `fetch`: the first column of its first row, or None."""
        return await self._alone(lambda: self.pool.fetchval(sql, *values))

    async def execute(self, sql: str, *values: Any) -> str:
        """Like `fetch`, without rows: the command tag, e.g. `UPDATE 1`."""
        return await self._alone(lambda: self.pool.execute(sql, *values))

    async def _alone(self, run: Callable[[], Awaitable[_Result]]) -> _Result:
        with reachable(self.url):
            for _ in range(_TRIES_AFTER_DEADLOCK - 1):
                try:
                    return await run()
                except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                    continue
            return await run()


async def fence(connection: Connection, run_id: RunId, epoch: int) -> None:
    """Hold off any change of the run's owner until the transaction of `connection` ends.

    Raises:
        Fenced: the run does not exist or has another epoch.
    """
    if await connection.fetchval(query("fence_run"), run_id, epoch) is None:
        raise Fenced(f"run {run_id} is no longer owned with epoch {epoch}")


@contextmanager
def reachable(url: str, errors: tuple[type[Exception], ...] = _UNREACHABLE) -> Iterator[None]:
    """Turn every way in which Postgres can be out of reach, or refuse for now, into DatabaseUnavailable."""
    try:
        yield
    except TimeoutError as error:
        raise DatabaseUnavailable(f"Postgres at {place(url)} did not answer in time") from error
    except errors as error:
        raise DatabaseUnavailable(f"Postgres at {place(url)} cannot be reached: {error}") from error
    except asyncpg.InterfaceError as error:
        # asyncpg uses this class both for a connection that has gone and for wrong use of its API.
        if "closed" not in str(error) and "closing" not in str(error):
            raise
        raise DatabaseUnavailable(f"the connection to Postgres at {place(url)} is closed") from error
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state not in _NOT_NOW_STATES and state[:2] not in _NOT_NOW_CLASSES:
            raise
        raise DatabaseUnavailable(
            f"Postgres at {place(url)} cannot do this now: {error}",
            remedy="try again; should it go on, the server's own log tells more",
        ) from error


@contextmanager
def well_formed(url: str) -> Iterator[None]:
    """Explain a URL that cannot be read, without a word of it: asyncpg's own message quotes parts of the password.

    Raises:
        DatabaseUnavailable: before the block, or instead of a ValueError of the block.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise DatabaseUnavailable("the database URL is malformed: it has to begin with postgresql://")
    malformed = DatabaseUnavailable(
        "the database URL is malformed: it, or an option in it, cannot be read; "
        "its form is postgresql://user:password@host:port/database",
        remedy="percent-encode special characters in user and password: / is %2F, @ is %40, # is %23, ? is %3F",
    )
    if _spills(url):
        raise malformed
    try:
        yield
    except ValueError:
        # Not even as the context: a traceback in a log would quote it.
        raise malformed from None


def _spills(url: str) -> bool:
    """Whether a bare `/`, `?` or `#` in the password has ended the place too early: the `@` comes after it then."""
    rest = _AFTER_PLACE.sub("", url, count=1)
    path, _, options = rest.partition("?")
    return "@" in path or any("@" in option and not _OPTION.fullmatch(option) for option in options.split("&"))


def place(url: str) -> str:
    """Host, port and database of a URL, for messages: never its user or password."""
    if _spills(url):
        return "a malformed URL"
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        host = parts.hostname or next(iter(options.get("host", ["localhost"])))
        port = parts.port or next(iter(options.get("port", ["5432"])))
    except ValueError:
        return "a malformed URL"
    return f"{host}:{port}/{parts.path.lstrip('/') or 'postgres'}"
