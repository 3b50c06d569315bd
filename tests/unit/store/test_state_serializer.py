"""What a checkpoint gives back is what was written, and nothing but what this version knows."""

import uuid

import pytest
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from pydantic import ValidationError

from orchestrator.domain.budget import Account, Budget, OnExceed
from orchestrator.domain.identity import AttemptId
from orchestrator.domain.item import ItemState, Judge, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import Ending, Patch, RunState, RunStatus, StepState, StepStatus, fold
from orchestrator.domain.verdict import Verdict
from orchestrator.store.state_serializer import StateSerializer

SERDE = StateSerializer()
REF = PayloadRef("ab" * 32, 12)
ATTEMPT = AttemptId(uuid.UUID(int=7))
FULL = Patch(
    steps=(
        StepState("s", StepStatus.FAILED, error=ErrorInfo("c", "error", "m"), output=REF, started_at=1_760_000_000.1),
    ),
    items=(
        ItemState(
            "s",
            0,
            Phase.VALIDATING,
            rules_used=(0, 2),
            with_=REF,
            attempt=ATTEMPT,
            judges=(Judge("links", Phase.RUNNING, ATTEMPT, 1, 0.25),),
            verdicts=(Verdict(False, "näh\0", "cited", 0.0, {"found": [1, None]}),),
            feedback=("again",),
        ),
    ),
    agenda=(("s", 0),),
    candidates=(),
    cancelled=False,
    stopped=ErrorInfo("budget_exceeded", "budget", "m"),
    account=Account(Budget(usd=1.5, on_exceed=OnExceed.FAIL), Budget(usd=1.0), 0.25, 7, 1.0, 2.0, paused=True),
    ending=Ending(RunStatus.FAILED, REF, ErrorInfo("c", "error", "m")),
    started_at=0.0,
)


@pytest.mark.parametrize("patch", [Patch(), FULL])
def test_a_patch_comes_back_as_it_was(patch: Patch) -> None:
    back = SERDE.loads_typed(SERDE.dumps_typed(patch))
    assert back == patch
    assert repr(back) == repr(patch)  # its types, too


def test_a_whole_state_comes_back() -> None:
    state = fold(RunState(), [FULL])
    for held in (state, _DeltaSnapshot(state)):  # as LangGraph gives it
        back = SERDE.loads_typed(SERDE.dumps_typed(held))
        assert back == state
        assert repr(back) == repr(state)


@pytest.mark.parametrize(
    "content",
    [
        b'{"colour":1}',
        b'{"items":[{"step":"s","colour":1}]}',
        b'{"items":[{"step":"s","verdicts":[{"passed":true,"colour":1}]}]}',
        b'{"steps":[{"id":"s","status":"gone"}]}',
        b'{"items":[{"step":"s","with_":{"sha256":"ab"}}]}',
    ],
)
def test_what_is_not_known_is_refused(content: bytes) -> None:
    with pytest.raises(ValidationError):
        SERDE.loads_typed(("patch", content))
