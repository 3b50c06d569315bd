"""Ask CSV and Parquet files questions in SQL that can only read, and cannot reach anything else."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

from orchestrator import Depends, worker
from workers.places import project_root
from workers.table_files import fetched, run_select, table_name, tables

MAX_CELL = 2_000
PROMPT_ROWS = 12


class TablesIn(BaseModel):
    """The tables: each file becomes one, named after the file (`sales-2026.csv` is `sales_2026`).

    Attributes:
        files: `.csv`, `.tsv` or `.parquet`, absolute or from the project's root.
    """

    files: list[str] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _names_differ(self) -> TablesIn:
        if len(self.named) < len(self.files):
            raise ValueError("two of the files would have a table of the same name; give one of them another name")
        return self

    @property
    def named(self) -> dict[str, str]:
        """Table name to file."""
        return {table_name(file): file for file in self.files}


class DescribeIn(TablesIn):
    """Which tables, and how many of their rows to show."""

    samples: int = Field(default=3, ge=0, le=50)


class Column(BaseModel):
    """A column; its type is DuckDB's."""

    name: str
    type: str


class Table(BaseModel):
    """What is known of a table; the samples are its first rows."""

    name: str
    file: str
    rows: int
    columns: list[Column]
    samples: list[dict[str, Any]]


class DescribeOut(BaseModel):
    """The tables, and the same as text for a prompt."""

    tables: list[Table]
    text: str


@worker("tables.describe", pool="tables", process=True, timeout="2m")
def describe(input: DescribeIn, root: Annotated[Path, Depends(project_root)]) -> DescribeOut:
    """Say which columns, types and rows tables have.

    Raises:
        Refused: `file_missing`, `format_unknown`, `file_unreadable`, `extra_missing`.
    """
    with tables(root, input.named) as connection:
        described = [_described(connection, name, file, input.samples) for name, file in input.named.items()]
    return DescribeOut(tables=described, text="\n\n".join(map(_text, described)))


class QueryIn(TablesIn):
    """A question in SQL.

    Attributes:
        sql: one SELECT over the tables, in DuckDB's dialect.
        max_rows: rows at the most; the output says whether there were more.
        seconds: after which the query is stopped.
    """

    sql: str = Field(min_length=1, max_length=20_000)
    max_rows: int = Field(default=200, ge=1, le=10_000)
    seconds: float = Field(default=20.0, gt=0, le=300)


class QueryOut(BaseModel):
    """The rows by column name; dates as ISO text, exact numbers that fit no float as text.

    Attributes:
        sql: what was asked.
        more: there were more rows than `max_rows`.
        text: the first rows for a prompt, a line each.
    """

    sql: str
    columns: list[Column]
    rows: list[dict[str, Any]]
    more: bool
    text: str


@worker("tables.query", pool="tables", process=True, timeout="6m")
def query(input: QueryIn, root: Annotated[Path, Depends(project_root)]) -> QueryOut:
    """Run one SELECT over CSV and Parquet files. It can read these tables and nothing else.

    Raises:
        Refused: `sql_refused`, `sql_wrong`, `sql_timeout`, `sql_memory`, each with what to mend; and as `describe`.
    """
    with tables(root, input.named) as connection:
        names, types, rows = run_select(connection, input.sql, seconds=input.seconds, rows=input.max_rows + 1)
    columns = [Column(name=name, type=type_) for name, type_ in zip(_distinct(names), types, strict=True)]
    plain = [_row([column.name for column in columns], row) for row in rows[: input.max_rows]]
    text = "\n".join(", ".join(f"{key}: {value}" for key, value in row.items()) for row in plain[:PROMPT_ROWS])
    return QueryOut(sql=input.sql, columns=columns, rows=plain, more=len(rows) > input.max_rows, text=text)


def _described(connection: Any, name: str, file: str, samples: int) -> Table:
    columns = [Column(name=row[0], type=row[1]) for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]
    _, _, rows = fetched(connection, f'SELECT * FROM "{name}"', samples)
    return Table(
        name=name,
        file=file,
        rows=connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0],
        columns=columns,
        samples=[_row([column.name for column in columns], row) for row in rows],
    )


def _text(table: Table) -> str:
    columns = "\n".join(f"- {column.name} ({column.type})" for column in table.columns)
    samples = "\n".join(", ".join(f"{key}={value}" for key, value in row.items()) for row in table.samples)
    return f"{table.name}, {table.rows} rows:\n{columns}" + (f"\ne.g. {samples}" if samples else "")


def _distinct(names: list[str]) -> list[str]:
    """Names of columns that may be keys: a second `count` becomes `count_2`."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def _row(names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in zip(names, values, strict=True)}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    plain: Any
    match value:
        case None | bool() | int():
            plain = value
        case float():
            plain = value if math.isfinite(value) else None
        case Decimal():
            plain = float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime.date() | datetime.time():
            plain = value.isoformat()
        case bytes():
            plain = _cut(value[:MAX_CELL].hex())
        case list() | tuple():
            plain = [_plain(each) for each in value[:MAX_CELL]]
        case dict():
            plain = {_cut(str(key)): _plain(each) for key, each in list(value.items())[:MAX_CELL]}
        case _:
            plain = _cut(str(value))
    return plain


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
