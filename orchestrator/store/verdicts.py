"""What validators said of attempts' outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.verdict import Verdict
from orchestrator.store.jsonb import clean_text, to_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One row of `verdicts`; `attempt_id` is the attempt that was judged."""

    attempt_id: AttemptId
    validator: str
    run_id: RunId
    tenant: str
    passed: bool
    score: float | None
    message: str
    evidence: Any
    created_at: float


async def insert_verdicts(
    connection: Connection, run_id: RunId, tenant: str, attempt_id: AttemptId, verdicts: Sequence[Verdict]
) -> None:
    """Store the verdicts on an attempt's output; one of a validator that has judged it already is left out."""
    if verdicts:
        await connection.execute(
            query("insert_verdicts"),
            run_id,
            tenant,
            attempt_id,
            [verdict.validator for verdict in verdicts],
            [verdict.passed for verdict in verdicts],
            [verdict.score for verdict in verdicts],
            [clean_text(verdict.message) for verdict in verdicts],
            [to_jsonb(verdict.evidence) for verdict in verdicts],
        )


async def list_verdicts(database: Database, run_id: RunId) -> list[VerdictRow]:
    """The verdicts of a run in the order in which they were given."""
    return [as_row(VerdictRow, record) for record in await database.fetch(query("list_verdicts"), run_id)]
