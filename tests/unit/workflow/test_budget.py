"""`budget` at the top of a workflow."""

from __future__ import annotations

import pytest

from orchestrator.domain.budget import Budget, OnExceed
from orchestrator.workflow import Workflow

TEXT = "api: orchestrator/v1\nname: w\nbudget: {}\nsteps: {{a: {{kind: worker, worker: x}}}}\n"


@pytest.mark.parametrize(
    ("written", "pinned"),
    [
        ("{usd: 3}", Budget(usd=3.0)),
        ("{usd: 0.01, on_exceed: fail}", Budget(usd=0.01, on_exceed=OnExceed.FAIL)),
        ("{tokens: 500000}", Budget(tokens=500_000)),
        ("{wall: 30m, on_exceed: pause}", Budget(wall=1800.0)),
        ("{wall: 90, usd: 3.00, tokens: 1}", Budget(usd=3.0, tokens=1, wall=90.0)),
    ],
)
def test_what_is_pinned(written, pinned):
    workflow = Workflow.from_yaml(TEXT.format(written))
    assert workflow.budget == pinned
    assert Workflow.from_json(workflow.to_json()).budget == pinned


def test_a_budget_is_part_of_the_sha256():
    assert Workflow.from_yaml(TEXT.format("{usd: 3}")).sha256 != Workflow.from_yaml(TEXT.format("{usd: 4}")).sha256
