"""A workflow as it is run: checked, prompts inlined, names resolved, nothing left to look up. Plain JSON both ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.budget import Budget
from orchestrator.domain.policy import ErrorRule, Remedy, RetryPolicy, Timeouts
from orchestrator.workflow.inputs import resolve_inputs

OUTCOMES = ("succeeded", "failed", "skipped")


class Pinned(BaseModel):
    """Part of a pinned workflow: never changed, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelTier(Pinned):
    """A tier of the workflow's own `models`: the tier of `configs/models.yaml` behind it, and its cap for one call."""

    model: str
    price_cap_usd: float | None = None


class ForeachSpec(Pinned):
    """`foreach`: one item for every element of what `items` (a template) gives, seen as the variable `as_`."""

    items: Any
    as_: str
    max_parallel: int | None = None
    on_item_error: Literal["fail", "collect"] = "fail"
    min_success: float | None = None


class RepeatSpec(Pinned):
    """`repeat`: again until `until` (bare CEL) is true, `max` times at most; `with_` overlays the step's own.

    `until` sees `output`, `with_` sees `previous.output`; both see `iteration`, which counts from 1.
    """

    until: str
    max: int
    with_: dict[str, Any] = Field(default_factory=dict)


class ExpiresSpec(Pinned):
    """`expires`: what becomes of a step that no person has answered `after` so many seconds."""

    after: float
    then: Literal["fail", "skip"] = "fail"


class PlannedWorker(Pinned):
    """What a plan may call, as it was when the workflow was loaded; see `WorkerCard`."""

    pool: str
    description: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    timeout: float | None = None


class PlanSpec(Pinned):
    """What a plan may be made of, and what it must give.

    Attributes:
        workers: what its steps may call, by name.
        max_steps: how many it may have.
        output: a JSON Schema of an object; the plan gives each of its properties.
        source: the step that has planned, for the one whose child run carries the plan out; else empty.
        after: the step whose child run failed, if this is a plan that replaces one; else empty.
    """

    workers: dict[str, PlannedWorker]
    max_steps: int
    output: dict[str, Any]
    source: str = ""
    after: str = ""


class Callee(Pinned):
    """The workflow that a `kind: workflow` step runs; `sha256` (hex) pins it."""

    name: str
    version: str
    sha256: str


class JudgeSpec(Pinned):
    """A model that judges an output: `rubric` is a template, `model` a tier of `configs/models.yaml`.

    `votes` (odd) is how often it is asked; a vote of less than `min_score` (0..1) is against the output;
    `price_cap_usd` is for one vote; `on_abstain` says what it means if most votes abstain.
    """

    model: str
    rubric: str
    min_score: float = 0.7
    votes: int = 1
    on_abstain: Literal["fail", "pass"] = "fail"
    price_cap_usd: float | None = None


class ValidatorSpec(Pinned):
    """One entry of `validate`: exactly one of `expr` (bare CEL) and `worker` (a registered validator) is set.

    `pool` and `timeout` (seconds) belong to the worker. Where a model judges, `judge` says how, and `worker` is
    `JUDGE_WORKER`.
    """

    name: str
    expr: str | None = None
    worker: str | None = None
    message: str = ""
    pool: str | None = None
    timeout: float | None = None
    judge: JudgeSpec | None = None


class StepSpec(Pinned):
    """A step, with every default filled in.

    Attributes:
        worker: the registered worker; `AGENT_WORKER`, `RUN_WORKER`, `HUMAN_WORKER` for the other kinds.
        pool: where its attempts wait; empty for `kind: workflow` and `kind: human`.
        rate: how often an attempt may begin, over all runs of the workflow of one tenant: `60/m`.
        with_: templates, rendered into the worker's input, a child run's inputs, or what a person is shown.
        model: a tier of `configs/models.yaml`; `price_cap_usd` is per call.
        tools: workers and tools that the model may call; with any, `max_turns` bounds its calls in one attempt.
        output: the JSON Schema that the output must fit, None where none is given; for `kind: human` the form.
        repeat: not together with `foreach`.
        uses, budget: of `kind: workflow` and `kind: plan`; `budget` bounds each child run.
        plan: of the steps that `planning.py` makes of a `kind: plan`: of who plans, and of the child run of a plan.
        assignee, expires: of `kind: human`; `assignee` is a template.
        form: what a person who takes over is asked for, where `output` does not say it.
        needs: steps that must have settled first, with the outcomes that let this step start; inferred and explicit.
        refs: the steps whose output, status or error any expression of this step reads.
        payloads: those of `refs` whose output or error is read, so whose payload must be loaded.
        when: bare CEL, evaluated before `with`.
        idempotency_key: a template, rendered for each item.
        line: where the step stands in its file, counted from 1; not part of the workflow's sha256.
    """

    id: str
    kind: Literal["worker", "agent", "workflow", "human", "plan"]
    worker: str
    pool: str = ""
    priority: int = 0
    rate: str | None = None
    description: str = ""
    with_: dict[str, Any] = Field(default_factory=dict)
    prompt: str | None = None
    system: str | None = None
    model: str | None = None
    price_cap_usd: float | None = None
    tools: tuple[str, ...] = ()
    max_turns: int | None = None
    output: dict[str, Any] | None = None
    needs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    refs: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    when: str | None = None
    foreach: ForeachSpec | None = None
    repeat: RepeatSpec | None = None
    uses: Callee | None = None
    plan: PlanSpec | None = None
    budget: Budget | None = None
    assignee: str | None = None
    expires: ExpiresSpec | None = None
    form: dict[str, Any] | None = None
    validators: tuple[ValidatorSpec, ...] = ()
    on_invalid: tuple[Remedy, ...] = ()
    retry: RetryPolicy = RetryPolicy()
    timeout: Timeouts = Timeouts()
    on_error: tuple[ErrorRule, ...] = ()
    secrets: tuple[str, ...] = ()
    idempotency_key: str | None = None
    line: int = 0

    @property
    def judges(self) -> tuple[JudgeSpec, ...]:
        """The models that judge its output."""
        return tuple(validator.judge for validator in self.validators if validator.judge is not None)


class Workflow(Pinned):
    """A pinned workflow. Make one with `load_workflow`, `parse_workflow` or `Workflow.from_yaml`.

    Attributes:
        sha256: hex; of the JSON of everything else, in its order, but the steps' lines: a moved comment changes
            nothing.
        inputs: a JSON Schema for each field; one without a `default` is required.
        outputs: templates.
        secrets: every name that a step may ask for; the values come from the worker's environment.
        output_refs: the steps that `outputs` read.
        budget: what a run may use, None without limit.
        steps: in the order of the file.
        finally_: steps that run once the others are over, however that was; their ids are not among `steps`.
        callees: the workflows that `kind: workflow` steps use, each with its own; kept under their own sha256.
        source: the text that it was parsed from, with `folder`, where its prompt files were looked for; both are
            kept beside the definition and are no part of it.
    """

    name: str
    version: str = "0"
    sha256: str = ""
    description: str = ""
    inputs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    output_refs: tuple[str, ...] = ()
    models: dict[str, ModelTier] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    budget: Budget | None = None
    steps: dict[str, StepSpec]
    finally_: dict[str, StepSpec] = Field(default_factory=dict)
    callees: tuple[Workflow, ...] = Field(default=(), exclude=True, repr=False)
    source: str = Field(default="", exclude=True)
    folder: Path | None = Field(default=None, exclude=True)

    @classmethod
    def from_yaml(cls, text: str, *, file: str = "<workflow>") -> Workflow:
        """Parse YAML text without a catalogue: names of workers and models are taken as they are.

        Raises:
            WorkflowError: with every mistake in the text.
        """
        from orchestrator.workflow.load import parse_workflow

        return parse_workflow(text, file=file, folder=None)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The reverse of `to_json`."""
        return cls.model_validate(data)

    @cached_property
    def all_steps(self) -> Mapping[str, StepSpec]:
        """The steps, then those of `finally`."""
        return {**self.steps, **self.finally_}

    @cached_property
    def excused(self) -> frozenset[str]:
        """Steps whose failure a dependant accepts, so that it does not fail the run."""
        return frozenset(
            needed for spec in self.steps.values() for needed, allowed in spec.needs.items() if "failed" in allowed
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as it is stored with the run."""
        return self.model_dump(mode="json")

    def check_inputs(self, values: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a run with defaults filled in, in the order in which the workflow declares them.

        Raises:
            InputsInvalid: names every field that is missing, unknown or wrong.
        """
        return resolve_inputs(self.name, self.inputs, values)


def digest(workflow: Workflow) -> str:
    """The SHA-256 (hex) that pins a workflow; see `Workflow.sha256`."""
    data = workflow.model_dump(mode="json", exclude={"sha256"})
    for step in (*data["steps"].values(), *data["finally_"].values()):
        del step["line"]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
