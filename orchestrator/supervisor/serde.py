"""How the supervisor's state is written into checkpoints: msgpack, for our own plain types and no others."""

from __future__ import annotations

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from orchestrator.domain.item import ItemState, Judge, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import Patch, RunState, StepState, StepStatus
from orchestrator.domain.verdict import Verdict

STORED_TYPES = (Patch, RunState, StepState, StepStatus, ItemState, Judge, Phase, Verdict, ErrorInfo, PayloadRef)


def state_serializer() -> JsonPlusSerializer:
    """A serializer that restores `STORED_TYPES` and refuses every other class."""
    return JsonPlusSerializer(allowed_msgpack_modules=[(t.__module__, t.__qualname__) for t in STORED_TYPES])
