"""How a worker process and its child talk: JSON messages, each led by its length, over a socket pair."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

_LENGTH = struct.Struct(">I")


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, or None when the other side is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        data = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    message: dict[str, Any] = json.loads(data)
    return message


def write_frame(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Queue a message (plain JSON) to be sent."""
    data = json.dumps(message, ensure_ascii=True).encode()
    writer.write(_LENGTH.pack(len(data)) + data)
