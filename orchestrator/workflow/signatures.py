"""What carries a step out, a worker or another workflow, by what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.worker import WorkerCard
from orchestrator.workflow.shapes import Shape, object_of


@dataclass(frozen=True, slots=True)
class Signature:
    """As far as types are known; `called` is what messages call it, with its kind."""

    called: str
    takes: Shape | None
    gives: Shape | None


def of_card(card: WorkerCard) -> Signature:
    """A registered worker."""
    takes, gives = card.input_schema, card.output_schema
    return Signature(
        f"worker '{card.name}'",
        None if takes is None else Shape(takes, takes),
        Shape(gives, gives) if gives else None,
    )


def of_workflow(name: str, inputs: Mapping[str, dict[str, Any]], gives: Shape | None) -> Signature:
    """A workflow that a child run runs: it takes its inputs, of which those with a default may be left out."""
    fields = object_of({field: Shape(schema, schema) for field, schema in inputs.items()})
    required = [field for field, schema in inputs.items() if "default" not in schema]
    return Signature(f"workflow '{name}'", Shape({**fields.schema, "required": required}), gives)
