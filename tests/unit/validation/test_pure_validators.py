"""Nothing unvalidated moves on: the schema first, then every assertion; what cannot be judged has failed."""

from __future__ import annotations

import pytest

from orchestrator.domain.verdict import Verdict
from orchestrator.validation import run_pure
from orchestrator.workflow import Expressions, ValidatorSpec

CEL = Expressions()
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def judge(*validators: ValidatorSpec, schema=None, value=None, **variables):
    return run_pure(validators, schema, value=value, input={"q": 1}, variables=variables, expressions=CEL)


def expr(text: str, message: str = "") -> ValidatorSpec:
    return ValidatorSpec(name="check", expr=text, message=message)


def test_without_validators_there_is_no_verdict():
    assert judge(value=1) == ()


def test_the_schema_comes_first_and_stops_the_rest_when_it_fails():
    assert judge(expr("output.n > 0"), schema=SCHEMA, value={"n": "x"}) == (
        Verdict(False, "n: 'x' is not of type 'integer'", "output schema"),
    )
    assert judge(expr("output.n > 0"), schema=SCHEMA, value={"n": 1}) == (
        Verdict(True, "", "output schema"),
        Verdict(True, "", "check"),
    )


@pytest.mark.parametrize(
    ("validator", "passed", "message"),
    [
        (expr("output.n == 1"), True, ""),
        (expr("output.n == 1", "must be one"), True, ""),
        (expr("output.n == 2"), False, "`output.n == 2` is false"),
        (expr("output.n == 2", "must be two"), False, "must be two"),
        (expr("input.q == 1 && inputs.a == 5"), True, ""),
        (expr("output.m == 2"), False, "could not be evaluated: there is no field 'm', in `output.m == 2`"),
        (expr("output.m", "says m"), False, "says m (could not be evaluated: there is no field 'm', in `output.m`)"),
        (expr("output.n"), False, "gave neither true nor false: `output.n`"),
        (expr("output.n +", "x"), False, "x (could not be evaluated: the expression ends too early)"),
    ],
)
def test_assertions(validator, passed, message):
    (verdict,) = judge(validator, value={"n": 1}, inputs={"a": 5})
    assert (verdict.passed, verdict.message) == (passed, message)


def test_every_assertion_is_asked_and_workers_are_passed_over():
    worker = ValidatorSpec(name="links", worker="links")
    verdicts = judge(expr("false"), worker, expr("output.n == 1"), expr("false"), value={"n": 1})
    assert [verdict.passed for verdict in verdicts] == [False, True, False]
