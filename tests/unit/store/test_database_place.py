"""Where a database is, for messages."""

import traceback
from typing import Any

import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import Database, migrate
from orchestrator.store.database import place
from orchestrator.store.migrations import status


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:secret@db.example:6432/work", "db.example:6432/work"),
        ("postgresql://me:secret@db.example", "db.example:5432/postgres"),
        ("postgresql://postgres@/postgres?host=%2Ftmp%2Fx", "/tmp/x:5432/postgres"),
        ("postgresql://me:sec@ret@db:port/x", "a malformed URL"),
        ("postgresql://me:12/secret@db/x", "a malformed URL"),
        ("postgresql://me:12?secret@db/x", "a malformed URL"),
        ("postgresql://me:12#secret@db/x", "a malformed URL"),
        ("postgresql://db/x?user=me@server&password=secret", "db:5432/x"),
    ],
)
def test_host_port_and_database_without_the_password(url: str, expected: str) -> None:
    assert place(url) == expected


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database.connect("postgresql://me:s3cret@127.0.0.1:1/work", timeout=5)
    assert "127.0.0.1:1/work" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("opened", [Database.connect, migrate, status])
@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cret@host/db",
        "s3cret",
        "postgresql://me:s3cret@h:port/db",
        "postgresql://me:s3cret/more@host/db",
        "postgresql://me:12/s3cret@127.0.0.1:1/db",
        "postgresql://me:12?s3cret@127.0.0.1:1/db",
        "postgresql://me:12#s3cret@127.0.0.1:1/db",
        "postgresql://me:[s3cret@127.0.0.1:1/db",
    ],
)
async def test_a_malformed_url_is_an_error_of_ours_without_a_word_of_it(url: str, opened: Any) -> None:
    with pytest.raises(DatabaseUnavailable, match="the database URL is malformed") as caught:
        await opened(url)
    told = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in told.replace(repr(url), "")
    if url.startswith("postgresql:"):
        assert "percent-encode" in str(caught.value)


async def test_a_socket_folder_without_a_server() -> None:
    with pytest.raises(DatabaseUnavailable, match="/nowhere:5432/work"):
        await Database.connect("postgresql://me@/work?host=/nowhere", timeout=5)
