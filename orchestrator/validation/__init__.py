"""Judges outputs where neither a model nor user code is needed: JSON Schemas and CEL assertions."""

from __future__ import annotations

from orchestrator.validation.pure import SCHEMA_VALIDATOR, run_pure
from orchestrator.validation.schema import check_schema, schema_problems

__all__ = ["SCHEMA_VALIDATOR", "check_schema", "run_pure", "schema_problems"]
