"""The validators that the supervisor runs itself: the output schema first, then every CEL assertion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.verdict import Verdict
from orchestrator.errors import ExpressionError
from orchestrator.validation.schema import schema_problems
from orchestrator.workflow import Expressions, ValidatorSpec

SCHEMA_VALIDATOR = "output schema"


def run_pure(
    validators: Sequence[ValidatorSpec],
    schema: dict[str, Any] | None,
    *,
    value: Any,
    input: Any,
    variables: Mapping[str, Any],
    expressions: Expressions,
) -> tuple[Verdict, ...]:
    """Judge an output without leaving the process.

    Args:
        validators: those of the step; the ones with a `worker` are passed over.
        schema: the step's `output`, None where it has none. If the value does not fit it, nothing else is asked:
            assertions may rely on the schema.
        value: the output, seen as `output`.
        input: the step's rendered `with`, seen as `input`.
        variables: what else the assertions see: `inputs`, `steps`, `run`.
        expressions: evaluates them.

    Returns:
        One verdict for the schema if there is one, then one for each assertion, in order. An assertion that cannot
        be evaluated, or is neither true nor false, has failed, and its message says so.
    """
    verdicts = []
    if schema is not None:
        problems = schema_problems(schema, value)
        verdicts.append(Verdict(not problems, "; ".join(problems), SCHEMA_VALIDATOR))
        if problems:
            return tuple(verdicts)
    seen = {**variables, "output": value, "input": input}
    verdicts += [_assertion(spec, spec.expr, seen, expressions) for spec in validators if spec.expr is not None]
    return tuple(verdicts)


def _assertion(spec: ValidatorSpec, expr: str, seen: Mapping[str, Any], expressions: Expressions) -> Verdict:
    try:
        answer = expressions.evaluate(expr, seen)
    except ExpressionError as error:
        return Verdict(False, _with_message(spec, f"could not be evaluated: {error.message}"), spec.name)
    if not isinstance(answer, bool):
        return Verdict(False, _with_message(spec, f"gave neither true nor false: `{expr}`"), spec.name)
    return Verdict(True, "", spec.name) if answer else Verdict(False, spec.message or f"`{expr}` is false", spec.name)


def _with_message(spec: ValidatorSpec, why: str) -> str:
    return f"{spec.message} ({why})" if spec.message else why
