"""Turns records into row dataclasses: times to Unix seconds, digests to hex, errors to ErrorInfo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from orchestrator.domain.budget import Budget
from orchestrator.domain.fork import Fork
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.store.jsonb import from_jsonb, to_jsonb

if TYPE_CHECKING:
    from orchestrator.store.database import Record

_Row = TypeVar("_Row")


def read_error(text: str | None) -> ErrorInfo | None:
    """The error of a `jsonb` column."""
    return None if text is None else ErrorInfo.from_json(from_jsonb(text))


def write_error(error: ErrorInfo | None) -> str | None:
    """The parameter for a `jsonb` column that `read_error` reads."""
    return None if error is None else to_jsonb(error.as_json())


def read_budget(text: str | None) -> Budget | None:
    """The budget of a `jsonb` column."""
    return None if text is None else Budget.from_json(from_jsonb(text))


def write_budget(budget: Budget | None) -> str | None:
    """The parameter for a `jsonb` column that `read_budget` reads."""
    return None if budget is None else to_jsonb(budget.as_json())


def read_fork(text: str | None) -> Fork | None:
    """The fork of a `jsonb` column."""
    return None if text is None else Fork.from_json(from_jsonb(text))


def write_fork(fork: Fork | None) -> str | None:
    """The parameter for a `jsonb` column that `read_fork` reads."""
    return None if fork is None else to_jsonb(fork.as_json())


def seconds(time: datetime | None) -> float | None:
    """Unix seconds of a `timestamptz`."""
    return None if time is None else time.timestamp()


def digest(sha256: str | None) -> bytes | None:
    """The bytes of a hex digest."""
    return None if sha256 is None else bytes.fromhex(sha256)


def as_row(kind: type[_Row], record: Record) -> _Row:
    """A dataclass whose fields are columns of `record`, converted by what they hold."""
    columns = _columns(cast("Any", kind))  # mypy does not see that a class is hashable
    return kind(**{name: convert(record[name]) for name, convert in columns})


_OBJECTS: Final[dict[str, Callable[[Any], Any]]] = {"error": read_error, "budget": read_budget, "fork": read_fork}
_JSON_COLUMNS: Final = frozenset({"options", "heartbeat", "evidence", "payload", "data", "result", "definition"})


@cache
def _columns(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    def converter(name: str) -> Callable[[Any], Any]:
        if name in _OBJECTS:
            return _OBJECTS[name]
        return from_jsonb if name in _JSON_COLUMNS else _plain

    return tuple((field.name, converter(field.name)) for field in fields(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return value.hex()
    return value
