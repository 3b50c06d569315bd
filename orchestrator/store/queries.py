"""The store's SQL: named blocks of `sql/*.sql`, read once when the package is imported."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Split a file into its blocks: a line `-- name: claim_attempt` begins one and gives its name."""
    pieces = _NAME.split(text)
    return {name: body.strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def _load() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(files(__package__).joinpath("sql").iterdir(), key=lambda entry: entry.name):
        blocks = parse(file.read_text(encoding="utf-8"))
        if twice := found.keys() & blocks.keys():
            raise ValueError(f"{file.name}: a block of this name exists already: {', '.join(sorted(twice))}")
        found |= blocks
    return found


_QUERIES: Final = _load()


def query(name: str) -> str:
    """The SQL of the block `name`.

    Raises:
        KeyError: no file in `sql/` has such a block.
    """
    return _QUERIES[name]
