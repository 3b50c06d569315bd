"""From a draft without mistakes to the pinned workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.workflow.model import StepSpec, Workflow, digest
from orchestrator.workflow.reader import Draft
from orchestrator.workflow.skips import Needs
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.uses import references


def pin(
    draft: Draft, needs: dict[str, Needs], callees: tuple[Workflow, ...], source: str, folder: Path | None
) -> Workflow:
    """The workflow that runs; `needs` is what each step waits for."""
    workflow = Workflow(
        **draft.values,
        inputs=draft.inputs,
        output_refs=tuple(dict.fromkeys(name for name, _ in references(draft.output_uses))),
        steps={name: _step(step, needs[name]) for name, step in draft.steps.items()},
        finally_={name: _step(step, needs[name]) for name, step in draft.finally_.items()},
    )
    beside = {"source": source, "folder": folder, "callees": callees}
    return workflow.model_copy(update={"sha256": digest(workflow), **beside})


def _step(step: StepDraft, needs: Needs) -> StepSpec:
    read = references(step.uses)
    values: dict[str, Any] = {
        **step.values,
        "needs": needs,
        "refs": tuple(dict.fromkeys(other for other, _ in read)),
        "payloads": tuple(dict.fromkeys(other for other, attribute in read if attribute != "status")),
    }
    return StepSpec(**values)
