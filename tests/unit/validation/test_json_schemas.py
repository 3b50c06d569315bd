"""JSON Schema messages say where and why, and never reach for the network."""

from __future__ import annotations

import pytest

from orchestrator.validation import check_schema, schema_problems


def test_problems_say_where_in_the_order_of_the_value():
    schema = {"properties": {"a": {"items": {"type": "integer"}}, "b": {"properties": {"c": {"maxLength": 1}}}}}
    assert schema_problems(schema, {"b": {"c": "long"}, "a": [1, "x", 2, "y"]}) == [
        "a[1]: 'x' is not of type 'integer'",
        "a[3]: 'y' is not of type 'integer'",
        "b.c: 'long' is too long",
    ]
    assert schema_problems(schema, {"a": [1]}) == []


def test_there_are_ten_at_most_and_each_fits_on_a_line():
    problems = schema_problems({"items": {"type": "integer"}}, ["x" * 10_000] * 50)
    assert len(problems) == 10
    assert all(len(problem) < 400 for problem in problems)


@pytest.mark.parametrize("reference", ["http://127.0.0.1:9/none.json", "#/$defs/none", "#"])
def test_a_reference_that_leads_nowhere_is_a_problem_not_an_exception(reference):
    schema = {"$ref": reference} if reference != "#" else {"allOf": [{"$ref": "#"}]}
    (problem,) = schema_problems(schema, {"a": 1})
    assert "the schema cannot be used" in problem


def test_whether_a_schema_is_one():
    assert check_schema({"type": "string", "pattern": "^a"}) is None
    assert "'strin' is not valid" in str(check_schema({"properties": {"a": {"type": "strin"}}}))
    assert "regex" in str(check_schema({"pattern": "["}))
