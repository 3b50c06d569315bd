"""One tree of errors. Every error has a stable code, says what was wrong and where, and how to mend it.

OrchestratorError
├── InputError                      exit 2: what the person gave was wrong
│   ├── WorkflowError               a workflow file; carries located `Problem`s
│   ├── PlanInvalid                 steps that a planner wrote; carries its mistakes with their places
│   ├── InputsInvalid               the inputs of a run against the workflow's schema
│   ├── AnswerInvalid               a person's answer against its form; carries its problems
│   ├── ForkInvalid                 a fork that the workflow does not allow; carries its problems
│   ├── ProjectError                the project's mark, config or workers
│   ├── NotFound                    a run, workflow, worker or model that does not exist
│   └── Conflict                    the request fits no longer (already ended, already answered)
│       └── VersionTaken            unfinished runs hold another definition under the same name and version
├── ServiceError                    exit 3: something that we depend on could not be reached
│   ├── DatabaseUnavailable
│   ├── SchemaOutOfDate
│   └── ModelUnavailable
├── Fenced                          this process no longer owns the run; it must drop it
├── ExpressionError                 a CEL expression that does not compile or evaluate
└── AttemptError                    raised inside an attempt, becomes its outcome
    ├── Invalid                     a validator's "no", with its message
    ├── InvalidOutput               a model's answer that cannot be used: not JSON, cut off, a refusal
    ├── SecretMissing
    ├── BudgetRefused               an attempt that its budget will never have room for
    ├── InDoubt                     an effect that may or may not have happened
    └── UnknownWorker
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class OrchestratorError(Exception):
    """The root of every error that this package raises on purpose."""

    code = "ORC-000"
    remedy = ""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class InputError(OrchestratorError):
    """What the person gave was wrong; the command line ends with exit code 2."""

    code = "ORC-100"


@dataclass(frozen=True, order=True)
class Problem:
    """One located mistake in a workflow file.

    Attributes:
        file: the path as the person gave it.
        line: counted from 1.
        column: counted from 1.
        message: what is wrong, in one sentence without a full stop.
        suggestion: how to mend it ("did you mean 'prompt'?"), or an empty string.
    """

    file: str
    line: int
    column: int
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class WorkflowError(InputError):
    """A workflow file has mistakes; all of them are in `problems`, sorted by place."""

    code = "ORC-110"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PlanInvalid(InputError):
    """What a planner wrote cannot be run; `problems` has every mistake: `steps.find.with.query: message`."""

    code = "ORC-111"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class InputsInvalid(InputError):
    """The inputs of a run do not fit the workflow's `inputs`."""

    code = "ORC-120"


class AnswerInvalid(InputError):
    """A person's answer does not fit the form of what was asked; everything that is wrong is in `problems`.

    Attributes:
        step: the step that asks, empty for a run's budget.
        problems: `field: message`, in the order of the answer.
    """

    code = "ORC-121"

    def __init__(self, where: str, *, step: str, problems: Sequence[str], remedy: str = "") -> None:
        self.step = step
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"the answer to {where} does not fit its form:{lines}", remedy=remedy)


class ForkInvalid(InputError):
    """A run cannot be forked like this: at a step of `finally`, or with values that the step does not take.

    Attributes:
        step: where it was to be forked.
        problems: one line each.
    """

    code = "ORC-122"

    def __init__(self, step: str, *, problems: Sequence[str], remedy: str = "") -> None:
        self.step = step
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"the run cannot be forked at step '{step}':{lines}", remedy=remedy)


class ProjectError(InputError):
    """The project's mark, configuration or workers cannot be read."""

    code = "ORC-130"


class NotFound(InputError):
    """A run, workflow, worker or model of that name does not exist."""

    code = "ORC-140"


class Conflict(InputError):
    """The request fits no longer: the run has ended, or the step has been answered."""

    code = "ORC-150"


class VersionTaken(Conflict):
    """Unfinished runs hold another definition of the workflow under the same name and version."""

    code = "ORC-151"
    remedy = (
        "raise `version` in the file, or let it end with -dev while you edit it; `orchestrator validate GRAPH "
        "--against-running` shows the runs, which go on as they began"
    )


class ServiceError(OrchestratorError):
    """Something that we depend on could not be reached; the command line ends with exit code 3."""

    code = "ORC-200"


class DatabaseUnavailable(ServiceError):
    """Postgres could not be reached."""

    code = "ORC-210"
    remedy = "check ORCHESTRATOR_DATABASE_URL and that the server runs; `orchestrator doctor` tries it"


class SchemaOutOfDate(ServiceError):
    """The database's schema is older or newer than this version of the package."""

    code = "ORC-211"
    remedy = "run `orchestrator db migrate`"


class ModelUnavailable(ServiceError):
    """No model can be used: no key, no local model, or the server does not answer."""

    code = "ORC-220"


class Fenced(OrchestratorError):
    """This process no longer owns the run: its epoch is stale, so the write was refused."""

    code = "ORC-300"


class ExpressionError(OrchestratorError):
    """A CEL expression does not compile or evaluate.

    `column` is the place inside the expression, counted from 1, or 0 where it is not known.
    """

    code = "ORC-310"

    def __init__(self, message: str, *, expression: str, column: int = 0) -> None:
        super().__init__(message)
        self.expression = expression
        self.column = column


class AttemptError(OrchestratorError):
    """Raised inside an attempt; becomes the attempt's outcome. `error_class` is what `retry.errors` lists."""

    code = "ORC-400"
    error_class = "error"


class Invalid(AttemptError):
    """A validator's "no": the message is fed back to the next revision."""

    code = "ORC-410"
    error_class = "invalid"


class InvalidOutput(AttemptError):
    """A model's answer cannot be used: it is not JSON, cut off, or a refusal. Handled like a validator's "no"."""

    code = "ORC-450"
    error_class = "invalid_output"


class BudgetRefused(AttemptError):
    """An attempt does not begin: its budget has no room for it, or cannot be kept because no price is known."""

    code = "ORC-460"
    error_class = "budget"


class SecretMissing(AttemptError):
    """A secret that the step names is not in the worker's environment."""

    code = "ORC-420"
    error_class = "secret_missing"


class InDoubt(AttemptError):
    """An earlier attempt began this effect and never confirmed it: it may or may not have happened."""

    code = "ORC-430"
    error_class = "in_doubt"


class UnknownWorker(AttemptError):
    """The claimed attempt names a worker that this process has not registered."""

    code = "ORC-440"
    error_class = "unknown_worker"
