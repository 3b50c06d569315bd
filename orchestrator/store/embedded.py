"""A Postgres of the project's own, started on demand and shared by every process that uses the same folder."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from orchestrator.errors import ServiceError
from orchestrator.store.postgres_server import PORT, PostgresServer


class EmbeddedPostgres:
    """A handle on the server of one data folder. Make it with `EmbeddedPostgres.start(data_dir)`.

    Whoever uses the server holds a shared lock on `<data_dir>.users`; whoever closes its handle and then gets
    that lock for itself alone was the last, and stops the server. The kernel drops the lock of a killed process,
    so there are no process ids to go stale. (After `kill -9` of the only user the server goes on until
    the next user of the folder is done.)

    Starting and stopping block: call them in a thread. `close` also runs at a normal interpreter exit;
    the caller turns SIGTERM into one.

    Attributes:
        url: for `Database.connect`.
    """

    def __init__(self, server: PostgresServer, users: IO[bytes]) -> None:
        self._server = server
        self._users = users
        self._process = os.getpid()
        self.url = ""

    @classmethod
    def start(cls, data_dir: Path) -> EmbeddedPostgres:
        """Start the server, or join it where another process has.

        Args:
            data_dir: made if it does not exist; its parent too.

        Raises:
            ServiceError: the extra `local` is not installed, or the server does not start.
        """
        data_dir = data_dir.expanduser().resolve()
        try:
            data_dir.parent.mkdir(parents=True, exist_ok=True)
            server = PostgresServer(data_dir)
            with _exclusively(data_dir):
                handle = cls(server, _lock_file(data_dir, "users"))
                fcntl.flock(handle._users, fcntl.LOCK_SH)
        except OSError as error:
            raise ServiceError(f"the embedded Postgres cannot use {data_dir}: {error}") from error
        atexit.register(handle.close)
        try:
            with _exclusively(data_dir):
                socket_dir = server.ensure_running()
        except BaseException:
            handle.close()
            raise
        handle.url = _url(socket_dir)
        return handle

    @classmethod
    def running(cls, data_dir: Path) -> str | None:
        """The URL of the server if it is up now, else None: it is neither started nor kept up.

        Args:
            data_dir: need not exist.
        """
        data_dir = data_dir.expanduser().resolve()
        if not os.access(data_dir / "postmaster.pid", os.R_OK):
            return None
        socket_dir = PostgresServer(data_dir).ready_socket_dir()
        return None if socket_dir is None else _url(socket_dir)

    def close(self) -> None:
        """Give the server up; the last to do so stops it. Doing it twice is harmless."""
        if self._users.closed or os.getpid() != self._process:
            return  # a forked child shares its parent's lock and must not release it
        atexit.unregister(self.close)
        try:
            # Our lock goes before the next one may look whether it is the last.
            with _exclusively(self._server.data_dir), self._users, contextlib.suppress(BlockingIOError):
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._server.stop()
        except FileNotFoundError:
            self._users.close()  # the folder was removed; a server without one ends by itself


def _url(socket_dir: Path) -> str:
    # The port names the socket's file; without it a client would obey PGPORT.
    return f"postgresql://postgres@/postgres?host={quote(str(socket_dir), safe='')}&port={PORT}"


@contextlib.contextmanager
def _exclusively(data_dir: Path) -> Iterator[None]:
    """Nobody else starts or stops the server of `data_dir` meanwhile."""
    with _lock_file(data_dir, "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(data_dir: Path, kind: str) -> IO[bytes]:
    return data_dir.with_name(f"{data_dir.name}.{kind}").open("ab")
