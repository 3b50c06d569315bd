"""The workflow language: YAML graph in, pinned `Workflow` out, every mistake located."""

from __future__ import annotations

from orchestrator.workflow.durations import parse_duration
from orchestrator.workflow.expressions import Expressions
from orchestrator.workflow.graph import cycle, waves
from orchestrator.workflow.load import load_workflow, parse_workflow
from orchestrator.workflow.model import (
    ForeachSpec,
    JudgeSpec,
    ModelTier,
    StepSpec,
    ValidatorSpec,
    Workflow,
)

__all__ = [
    "Expressions",
    "ForeachSpec",
    "JudgeSpec",
    "ModelTier",
    "StepSpec",
    "ValidatorSpec",
    "Workflow",
    "cycle",
    "load_workflow",
    "parse_duration",
    "parse_workflow",
    "waves",
]
