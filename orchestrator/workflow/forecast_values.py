"""What a forecast consists of: steps, pools, questions to people, totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.workflow.budget_forecast import BudgetForecast
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.ladder import Ladder
from orchestrator.workflow.model import StepSpec, Workflow
from orchestrator.workflow.questions import Question


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What one step would do.

    Attributes:
        wave: from 1; the steps of one wave do not wait for each other.
        skipped: why it would be skipped for sure; empty where it would not, or where that is not known.
        conditional: its `when` is not decided by the inputs.
        items: None without `foreach`; a figure without a value where their number is not known.
        attempts: work attempts at most, those of child runs included; for one item where `items` is not known.
        verdicts: attempts of validators at most, likewise.
        prompt: tokens of its first call, None for any but an agent.
        child_runs: how many runs it would start at most, None where it starts none.
        child: what one of them would do; None where that is not known.
        question: what a person would be asked, None where nobody is.
        troubles: what would go wrong for sure.
    """

    spec: StepSpec
    wave: int
    skipped: str
    conditional: bool
    items: Figure | None
    ladder: Ladder
    attempts: Figure
    verdicts: Figure
    prompt: Figure | None
    expected_cost: Figure
    worst_cost: Figure
    expected_seconds: Figure
    worst_seconds: Figure
    critical: bool = False
    child_runs: Figure | None = None
    child: Forecast | None = None
    question: Question | None = None
    troubles: tuple[str, ...] = ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What people may be asked, by this step and by the child runs that it starts."""
        own = () if self.question is None else (self.question,)
        return (*own, *self._questions_below())

    @property
    def asks(self) -> bool:
        """Whether a person may be asked."""
        return bool(self.questions)

    def _questions_below(self) -> tuple[Question, ...]:
        if self.child is None or self.child_runs is None or self.child_runs.value is None:
            return ()
        runs, each = int(self.child_runs.value), self.child_runs.each
        return tuple(
            replace(
                question,
                path=(self.spec.id, *question.path),
                sure=question.sure and not self.conditional,
                times=replace(question.times.times(runs, question.times.source), each=question.times.each or each),
            )
            for question in self.child.questions
        )


@dataclass(frozen=True, slots=True)
class PoolForecast:
    """A pool that the run would use: the steps that need it, and the attempts that would go through it at most.

    A step of a child run is called `review/write`, after the step that starts the run.
    """

    pool: str
    steps: tuple[str, ...]
    attempts: Total


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do.

    Attributes:
        finally_: the steps that come after the others, however those end.
        waves: ids of steps; those of `finally_` come after the others.
        critical_path: ids of steps, from the first to the last.
        critical_by: what the steps were weighed by.
        attempts: of work and of validators at most, those of child runs included.
        expected_cost, worst_cost: USD; of agents, and of workers as far as past runs tell.
        expected_seconds, worst_seconds: along the chain of needs that takes longest, and then along that of `finally_`.
        budget: what the run may use, held against the above; None without limit.
    """

    workflow: Workflow
    inputs: Mapping[str, Any]
    steps: tuple[StepForecast, ...]
    waves: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    critical_by: str
    pools: tuple[PoolForecast, ...]
    attempts: Total
    expected_cost: Total
    worst_cost: Total
    expected_seconds: Total
    worst_seconds: Total
    finally_: tuple[StepForecast, ...] = ()
    budget: BudgetForecast | None = None

    @property
    def all_steps(self) -> tuple[StepForecast, ...]:
        """The steps, then those of `finally`."""
        return (*self.steps, *self.finally_)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What people may be asked, by the run and by its child runs."""
        return tuple(question for step in self.all_steps for question in step.questions)

    @property
    def asks(self) -> tuple[str, ...]:
        """The steps that may ask a person; those of child runs as `review/approve`."""
        return tuple(question.name for question in self.questions)

    @property
    def inputs_not_given(self) -> tuple[str, ...]:
        """The inputs that a run would need besides those that the forecast was made with."""
        return tuple(name for name in self.workflow.inputs if name not in self.inputs)
