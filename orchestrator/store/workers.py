"""The catalogue: the cards of all workers and validators that any process has published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from orchestrator.domain.worker import Catalogue, WorkerCard, WorkerKind
from orchestrator.store.jsonb import from_jsonb, to_jsonb
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Database


_KNOWN = frozenset(each.name for each in fields(WorkerCard))


async def publish_cards(database: Database, cards: Iterable[WorkerCard]) -> None:
    """Add cards to the catalogue, or replace those that have changed."""
    by_name = sorted({card.name: card for card in cards}.items())
    if by_name:
        await database.execute(
            query("publish_cards"),
            [name for name, _ in by_name],
            [to_jsonb(asdict(card)) for _, card in by_name],
        )


async def read_cards(database: Database) -> Catalogue:
    """The catalogue, by name."""
    records = await database.fetch(query("read_cards"))
    return {record["name"]: _card(record["card"]) for record in records}


def _card(text: str) -> WorkerCard:
    """A newer version may have published what this one does not know of."""
    data = {key: value for key, value in from_jsonb(text).items() if key in _KNOWN}
    return WorkerCard(**{**data, "kind": WorkerKind(data["kind"])})
