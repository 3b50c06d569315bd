"""A DuckDB of one attempt: CSV and Parquet files copied into memory as tables, and the door locked behind them."""

from __future__ import annotations

import re
import resource
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers.extras import needed
from workers.failures import Refused
from workers.places import shown

MAX_FILE_BYTES = 500_000_000
MEMORY = 1_000_000_000
"""Bytes that DuckDB may use. What a query builds outside its books (`repeat('x', 4000000000)`) ends at twice that."""

THREADS = 2
READERS = {
    ".csv": "read_csv($1, sample_size = 100000)",
    ".tsv": "read_csv($1, sample_size = 100000)",
    ".parquet": "read_parquet($1)",
}
_ZONED = "WITH TIME ZONE"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def table_name(file: str) -> str:
    """The name of a file's table: the file's own, as far as SQL takes it without quotes."""
    name = re.sub(r"\W+", "_", Path(file).stem.lower(), flags=re.ASCII).strip("_")
    return name if _NAME.fullmatch(name) else f"t_{name}"[:63]


@contextmanager
def tables(root: Path, files: Mapping[str, str]) -> Iterator[Any]:
    """A DuckDB connection that knows these tables and can reach nothing else.

    The files are copied before any SQL of others is run, so that afterwards neither files, network nor extensions
    are needed, and all three are closed for good; the settings are locked, and the transaction only reads.

    Args:
        root: the project's; relative paths count from it.
        files: table name to path.

    Raises:
        Refused: `file_missing`, `format_unknown`, `file_unreadable`, `table_name`, `extra_missing`.
    """
    duckdb = needed("duckdb", "to query tables")
    config = {
        "memory_limit": f"{MEMORY}B",
        "threads": THREADS,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        for name, file in files.items():
            _load(connection, duckdb.Error, name, root / file, shown(root / file, root))
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        yield connection


def run_select(connection: Any, sql: str, *, seconds: float, rows: int) -> tuple[list[str], list[str], list[Any]]:
    """Run one SELECT.

    Args:
        connection: of `tables`.
        sql: one statement.
        seconds: after which it is interrupted.
        rows: fetched at the most.

    Returns:
        Names of the columns, their types, and the rows as tuples.

    Raises:
        Refused: `sql_refused`, `sql_wrong`, `sql_timeout`, `sql_memory`, with a message to mend it by.
    """
    duckdb = needed("duckdb", "to query tables")
    _check_select(duckdb, connection, sql)
    late = threading.Event()

    def interrupt() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        with _memory_capped(2 * MEMORY):
            return fetched(connection, sql, rows)
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise Refused("sql_memory", "the query needs too much memory; aggregate or filter earlier") from error
    except (duckdb.Error, RuntimeError) as error:
        if late.is_set():
            raise Refused("sql_timeout", f"the query was stopped after {seconds:g}s; make it simpler") from error
        raise Refused("sql_wrong", _said(error)) from error
    finally:
        timer.cancel()


def fetched(connection: Any, sql: str, rows: int) -> tuple[list[str], list[str], list[Any]]:
    """The columns' names and types, and the first rows, of a SELECT.

    Times with a zone come as DuckDB writes them: as Python's they would need pytz.
    """
    relation = connection.sql(_without_semicolon(sql))
    types = [str(each) for each in relation.types]
    if not any(_ZONED in type_ for type_ in types):
        return relation.columns, types, connection.execute(sql).fetchmany(rows)
    columns = [f"CAST(#{n} AS VARCHAR)" if _ZONED in type_ else f"#{n}" for n, type_ in enumerate(types, start=1)]
    return relation.columns, types, relation.project(", ".join(columns)).limit(rows).fetchall()


def _without_semicolon(sql: str) -> str:
    """One statement as far as it can stand in brackets; a comment behind its semicolon cannot."""
    text, tokenize = sql.encode(), needed("duckdb", "to query tables").tokenize
    ends = (offset for offset, _ in tokenize(sql) if text[offset : offset + 1] == b";")  # offsets count bytes
    return text[: next(ends, len(text))].decode()


def _check_select(duckdb: Any, connection: Any, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused("sql_wrong", _said(error)) from error
    if len(statements) != 1:
        raise Refused("sql_refused", f"write one SELECT statement; there are {len(statements)} statements")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.replace("_", " ")
        raise Refused("sql_refused", f"only SELECT is allowed, and this is {kind}")


def _load(connection: Any, errors: Any, name: str, path: Path, label: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused("table_name", f"{name!r} is no name for a table: letters, digits and _, beginning with a letter")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise Refused("format_unknown", f"{label} is none of {', '.join(READERS)}")
    if not path.is_file():
        raise Refused("file_missing", f"the file {label} does not exist; relative paths count from the project's root")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Refused("file_unreadable", f"{label} has more than {MAX_FILE_BYTES:,} bytes")
    try:
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM {reader}', [_literal(path)])
    except errors as error:
        raise Refused("file_unreadable", f"{label} cannot be read as a table: {_said(error)}") from error


def _literal(path: Path) -> str:
    """DuckDB takes `*`, `?` and `[` in a path for a pattern; in brackets each stands for itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _said(error: BaseException) -> str:
    """DuckDB's message without the advice that is for programmers."""
    text = str(error).strip()
    return text.partition("\n\n* ")[0][:1_500]


@contextmanager
def _memory_capped(more: int) -> Iterator[None]:
    """What this process allocates beyond `more` bytes from now on fails, instead of the machine running out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + more
    if not pages or (soft != resource.RLIM_INFINITY and soft < limit):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
