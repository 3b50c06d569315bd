"""What a person would be asked, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.policy import RemedyKind, RuleKind
from orchestrator.domain.worker import HUMAN_WORKER
from orchestrator.workflow.figures import Figure
from orchestrator.workflow.ladder import ladder_of
from orchestrator.workflow.model import ExpiresSpec, StepSpec
from orchestrator.workflow.preview import Known, Preview


@dataclass(frozen=True, slots=True)
class Question:
    """One step's question.

    Attributes:
        path: the step that asks, below the steps whose child runs it belongs to.
        sure: a person is asked for sure, as long as the run comes that far.
        after: what has to happen before; empty for `kind: human`.
        assignee: who is asked, empty for anybody; not known where it reads other steps.
        form: the JSON Schema of the answer, None for any JSON.
        expires: None where the question waits for ever.
        times: how often at most.
    """

    path: tuple[str, ...]
    sure: bool
    after: tuple[str, ...]
    assignee: Known
    form: dict[str, Any] | None
    expires: ExpiresSpec | None
    times: Figure

    @property
    def name(self) -> str:
        """`approve`, `review/approve`."""
        return "/".join(self.path)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of its form; none where that is not an object with named ones."""
        properties = (self.form or {}).get("properties")
        return tuple(properties) if isinstance(properties, dict) else ()


def question_of(spec: StepSpec, preview: Preview, *, sure: bool, items: int | None) -> Question | None:
    """What a step would ask a person; None where it never does.

    Args:
        spec: the step.
        preview: of its workflow, with the inputs.
        sure: it starts for sure.
        items: how many items, 1 without a `foreach`, None where it is not known.
    """
    most = ladder_of(spec).asks * (spec.repeat.max if spec.repeat is not None else 1)
    if not most or items == 0:
        return None
    own = spec.worker == HUMAN_WORKER
    return Question(
        path=(spec.id,),
        sure=sure and own,
        after=() if own else tuple(_after(spec)),
        assignee=preview.assignee(spec),
        form=spec.output,
        expires=spec.expires,
        times=Figure(most, "of each item", each=True) if items is None else Figure(most * items, "at most"),
    )


def _after(spec: StepSpec) -> Iterator[str]:
    """What leads to the escalations to a person."""
    rounds = 1
    for remedy in spec.on_invalid:
        if remedy.kind in (RemedyKind.CONTINUE, RemedyKind.FAIL):
            break
        if remedy.worker == HUMAN_WORKER:
            yield "1 invalid output" if rounds == 1 else f"{rounds} invalid outputs"
        rounds += remedy.times
    for rule in spec.on_error:
        if rule.kind is RuleKind.ESCALATE and rule.worker == HUMAN_WORKER:
            yield f"an error with {rule.condition}" if rule.condition else "an error"
