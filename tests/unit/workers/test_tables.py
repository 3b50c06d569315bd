from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workers.failures import Refused
from workers.tables import RowsOut, read_rows


async def rows(root: Path, name: str, content: str | bytes, **more: Any) -> RowsOut:
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    out = await read_rows.test(file=name, columns=["id", "text"], **more)
    assert isinstance(out, RowsOut)
    return out


async def test_a_csv_file_is_read_with_quotes_and_line_breaks(root: Path) -> None:
    out = await rows(root, "a.csv", '\ufeffid,channel,text\r\n1,mail,"two, ""lines""\nof text"\r\n\r\n2,chat,\r\n')
    assert out.rows == [
        {"id": "1", "channel": "mail", "text": 'two, "lines"\nof text'},
        {"id": "2", "channel": "chat", "text": ""},
    ]
    assert (out.total, out.cut) == (2, [])


async def test_json_lines_are_read_as_text(root: Path) -> None:
    out = await rows(root, "a.jsonl", '{"id": 1, "text": "one"}\n\n{"id": "b", "text": null, "tags": ["x"]}\n')
    assert out.rows == [{"id": "1", "text": "one"}, {"id": "b", "text": "", "tags": '["x"]'}]


async def test_the_limit_takes_the_first_rows_and_long_values_are_cut(root: Path) -> None:
    content = "id,text\n" + "".join(f"{number},{'x' * number}\n" for number in range(1, 9))
    out = await rows(root, "a.csv", content, limit=4, cell_characters=3)
    assert [row["text"] for row in out.rows] == ["x", "xx", "xxx", "xxx"]
    assert (out.total, out.cut) == (8, ["4"])


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("a.csv", "id,body\n1,x\n", "column_missing", "a.csv:1: no column text; there are id, body"),
        ("a.csv", "id,text,text\n1,x,y\n", "row_malformed", "a.csv:1: a column name"),
        ("a.csv", 'id,text\n1,"two\nlines"\n2,x,y\n', "row_malformed", "a.csv:4: 3 values for 2 columns"),
        ("a.csv", 'id,text\n1,"x"y\n', "row_malformed", "a.csv:2: "),
        ("a.csv", 'id,text\n1,x\n2,"open\n', "row_malformed", "a.csv:3: "),
        ("a.csv", "id,text\n1,x\n2,y\n1,z\n", "row_duplicate", "a.csv:4: id '1' stood in line 2"),
        ("a.csv", "id,text\n ,x\n", "row_malformed", "a.csv:2: id is empty"),
        ("a.csv", "id,text\n", "table_empty", "has no rows"),
        ("a.csv", "", "table_empty", "has no rows"),
        ("a.csv", b"id,text\n1,x\n2,caf\xe9\n", "file_unreadable", "a.csv:3: not UTF-8"),
        ("a.csv", b"id,text\n1,\0\n", "file_unreadable", "a.csv:2: not text"),
        ("a.jsonl", '{"id": 1, "text": "x"}\n{"id": 2,\n', "row_malformed", "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]\n", "row_malformed", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", '{"id": 1}\n', "column_missing", "a.jsonl:1: no text"),
        ("a.xlsx", "x", "format_unknown", "a.xlsx is none of .csv, .jsonl, .ndjson"),
    ],
)
async def test_a_mistake_in_the_table_is_named_with_its_line(
    root: Path, name: str, content: str | bytes, code: str, says: str
) -> None:
    with pytest.raises(Refused) as caught:
        await rows(root, name, content)
    assert caught.value.code == code
    assert says in str(caught.value)


async def test_a_missing_table_is_named(root: Path) -> None:
    with pytest.raises(Refused, match=r"nowhere\.csv does not exist") as caught:
        await read_rows.test(file="nowhere.csv", columns=["id"])
    assert caught.value.code == "file_missing"
