"""Read a table of records from CSV or JSON Lines; a mistake is named with its line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from orchestrator import Depends, worker
from workers.failures import Refused
from workers.places import project_root, shown

MAX_FILE_BYTES = 50_000_000


class RowsIn(BaseModel):
    """Which table, and what it must have.

    Attributes:
        file: absolute, or from the project's root; `.csv`, `.jsonl` or `.ndjson`.
        columns: must all be there; the values of the first one must be filled in and differ.
        limit: rows at most; None for all.
        cell_characters: longer values are cut, so that one cannot fill a model's context.
    """

    file: str = Field(min_length=1)
    columns: list[str] = Field(min_length=1)
    limit: int | None = Field(default=None, ge=1)
    cell_characters: int = Field(default=2_000, ge=1)


class RowsOut(BaseModel):
    """The rows in order of the file, values as text.

    Attributes:
        total: rows in the file.
        cut: the first column's value of the rows in which something was cut.
    """

    rows: list[dict[str, str]]
    total: int
    cut: list[str]


@worker("tables.read_rows", pool="documents")
def read_rows(input: RowsIn, root: Annotated[Path, Depends(project_root)]) -> RowsOut:
    """Read the rows of a CSV or JSON Lines file, all of it checked.

    Raises:
        Refused: `file_missing`, `file_unreadable`, `format_unknown`, `table_empty`, `column_missing`,
            `row_malformed`, `row_duplicate`.
    """
    path = root / input.file
    name = shown(path, root)
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    if path.suffix.lower() not in readers:
        raise Refused("format_unknown", f"{name} is none of {', '.join(readers)}")
    rows = readers[path.suffix.lower()](_text(path, name), name, input.columns)
    if not rows:
        raise Refused("table_empty", f"{name} has no rows")
    _check_key(rows, name, input.columns[0])
    taken = [row for _, row in rows[: input.limit]]
    limit = input.cell_characters
    return RowsOut(
        rows=[{key: value[:limit] for key, value in row.items()} for row in taken],
        total=len(rows),
        cut=[row[input.columns[0]] for row in taken if any(len(value) > limit for value in row.values())],
    )


Row = tuple[int, dict[str, str]]


def _text(path: Path, name: str) -> str:
    if not path.is_file():
        raise Refused("file_missing", f"the file {name} does not exist; relative paths count from the project's root")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Refused("file_unreadable", f"{name} has more than {MAX_FILE_BYTES:,} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Refused("file_unreadable", f"cannot read {name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refused("file_unreadable", f"{name}:{line}: not UTF-8 text") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise Refused("file_unreadable", f"{name}:{line}: not text (NUL byte)")
    return text


def _csv_rows(text: str, name: str, columns: list[str]) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(header, name, columns)
            elif cells:
                if len(cells) != len(header):
                    raise Refused("row_malformed", f"{name}:{line}: {len(cells)} values for {len(header)} columns")
                rows.append((line, dict(zip(header, cells, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Refused("row_malformed", f"{name}:{line}: {error}") from error
    return rows


def _check_header(header: list[str], name: str, columns: list[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise Refused("column_missing", f"{name}:1: no column {', '.join(missing)}; there are {', '.join(header)}")
    if len(set(header)) < len(header):
        raise Refused("row_malformed", f"{name}:1: a column name stands there twice: {', '.join(header)}")


def _json_rows(text: str, name: str, columns: list[str]) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Refused("row_malformed", f"{name}:{number}: not JSON ({error})") from error
        if not isinstance(record, dict):
            raise Refused("row_malformed", f"{name}:{number}: not a JSON object")
        missing = [column for column in columns if column not in record]
        if missing:
            raise Refused("column_missing", f"{name}:{number}: no {', '.join(missing)}")
        rows.append((number, {key: _as_text(value) for key, value in record.items()}))
    return rows


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check_key(rows: list[Row], name: str, key: str) -> None:
    seen: dict[str, int] = {}
    for line, row in rows:
        value = row[key]
        if not value.strip():
            raise Refused("row_malformed", f"{name}:{line}: {key} is empty")
        if value in seen:
            raise Refused("row_duplicate", f"{name}:{line}: {key} {value!r} stood in line {seen[value]} already")
        seen[value] = line
