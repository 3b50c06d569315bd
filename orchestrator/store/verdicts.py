"""What validators said of attempts' outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.verdict import Verdict, label_of
from orchestrator.store.jsonb import clean_text, to_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Database


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

    @property
    def label(self) -> str:
        """What it is called: `pass`, `fail` or `inconclusive`."""
        return label_of(self.evidence, passed=self.passed)


def verdict_columns(verdicts: Sequence[tuple[RunId, AttemptId, Verdict]]) -> tuple[list[Any], ...]:
    """One list a column, in the order of the block `write_supersteps`; each with its run and the attempt it judges."""
    return (
        [run for run, _, _ in verdicts],
        [attempt for _, attempt, _ in verdicts],
        [verdict.validator for _, _, verdict in verdicts],
        [verdict.passed for _, _, verdict in verdicts],
        [verdict.score for _, _, verdict in verdicts],
        [clean_text(verdict.message) for _, _, verdict in verdicts],
        [to_jsonb(verdict.evidence) for _, _, verdict in verdicts],
    )


async def list_verdicts(database: Database, run_id: RunId, *, tenant: str) -> list[VerdictRow]:
    """The verdicts of a tenant's run in the order in which they were given."""
    return [as_row(VerdictRow, record) for record in await database.fetch(query("list_verdicts"), run_id, tenant)]
