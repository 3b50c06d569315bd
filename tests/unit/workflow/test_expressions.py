"""CEL without its traps: errors are raised, JSON in and JSON out, only what is read is converted."""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ExpressionError
from orchestrator.workflow import Expressions
from orchestrator.workflow.cel_tokens import bound_names, paths

VARIABLES = {
    "steps": {"a": {"output": {"n": 1, "list": [1, 2, 3], "text": "x,y", "none": None}, "status": "succeeded"}},
    "inputs": {"half": 2.5, "whole": 2.0, "nul": "q\0r", "big": 2**40, "odd key": 7},
    "rows": [{"ok": True, "value": 1}, {"ok": False, "error": {"code": "x"}}],
    "n": 3,
}
ALONE = {"nul", "object", "tuple"}


@pytest.fixture(scope="module")
def cel():
    return Expressions()


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        ("n + 1", 4),
        ("n == 3.0", True),
        ("n < 3.5", True),
        ("double(n) + inputs.half", 5.5),
        ("n / 2", 1),
        ("inputs.whole", 2.0),
        ("inputs.big + 1", 2**40 + 1),
        ('inputs["odd key"]', 7),
        ("steps.a.output", {"n": 1, "list": [1, 2, 3], "text": "x,y", "none": None}),
        ("steps.a.output.list[1]", 2),
        ("steps.a.output.none == null", True),
        ("has(steps.a.output.nope)", False),
        ("has(steps.a.output.nope) ? steps.a.output.nope : 'default'", "default"),
        ("rows.filter(r, r.ok).map(r, r.value)", [1]),
        ("rows.exists(r, !r.ok && r.error.code == 'x')", True),
        ("steps.a.output.text.split(',').join('-')", "x-y"),
        ("'a/b'.replace('/', '.')", "a.b"),
        ("size(rows)", 2),
        ("{'a': {'b': [n, 1.5, null, true]}}", {"a": {"b": [3, 1.5, None, True]}}),
        ("type(n) == int", True),
        ("n in [1, 2, 3]", True),
        ("'é'.size()", 1),
        ("'steps.b.output' + r'\\d' // steps.c", "steps.b.output\\d"),
    ],
)
def test_values_keep_their_json_types(cel, expr, value):
    got = cel.evaluate(expr, VARIABLES)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("steps.a.output.nope", "there is no field 'nope'"),
        ("steps.b", "there is no field 'b'"),
        ("rows.map(r, r.value)", "there is no field 'value'"),
        ("n + inputs.half", "'+' does not take int and double; CEL does not mix int and double"),
        ("n / 0", "divide by zero"),
        ("9223372036854775807 + n", "integer overflow"),
        ("1.0 / 0.0", "the value is inf, which JSON does not have"),
        ("{1: 2}", "a map has keys that are not strings"),
        ("timestamp('2020-01-01T00:00:00Z')", "the value is a timestamp, not JSON; use string(…)"),
        ("duration('1s')", "the value is a duration, not JSON"),
        ("b'x'", "the value is bytes, not JSON"),
        ("int", "the value is a type, not JSON"),
        ("n ? 1 : 2", "a condition is neither true nor false"),
        ("true && n", "a condition is neither true nor false"),
        ("n.x", "a field is read from something that has no fields"),
        ("missing", "unknown name 'missing'"),
        ("steps.a.output.list[7]", "index=7"),
        ("inputs.nul + 'x'", "a value holds a NUL character, which CEL would cut off"),
        ("1 +", "the expression ends too early"),
        ("n = 3", "unexpected '='; write =="),
        ("true and false", "unexpected 'and'; write &&"),
        ("'open", "a string is not closed"),
        ("", "the expression ends too early"),
        ("len(rows)", "unknown name or function 'len'"),
        ("'a' + 1", "'+' does not take string and int"),
        ("(" * 40 + "1" + ")" * 40, "nested too deeply (at most 32 levels)"),
        ("x" * 20_000, "an expression may have 16000 characters at most"),
        ("[1].matches('[')", "does not take"),
        ("rows2.map(a, rows2.map(b, rows2.map(c, rows2.map(d, 1))))", "the expression loops too often"),
    ],
)
def test_errors_are_raised_and_say_why(cel, expr, message):
    with pytest.raises(ExpressionError) as caught:
        cel.evaluate(expr, {**VARIABLES, "rows2": list(range(60))})
    assert message in caught.value.message
    assert caught.value.expression == expr


def test_a_plain_path_needs_no_conversion_so_nul_and_big_numbers_survive(cel):
    assert cel.evaluate("inputs.nul", VARIABLES) == "q\0r"
    assert cel.evaluate("x", {"x": 2**70}) == 2**70


@pytest.mark.parametrize("value", [object(), {"x": {1, 2}}])
def test_what_is_not_json_is_refused(cel, value):
    with pytest.raises(ExpressionError, match="not plain JSON"):
        cel.evaluate("size(x) > 0", {"x": value})


def test_only_what_is_read_is_looked_at(cel):
    variables = {"steps": {"a": {"output": 1}, "b": {"output": object()}}, "other": object()}
    assert cel.evaluate("steps.a.output + 1", variables) == 2


@pytest.mark.parametrize(
    ("expr", "column"),
    [("steps.a == nope", 12), ("1 +", 4), ("n = 1", 3), ("n +\n  lenn(n)", 7), ("n == nope.x.y", 6), ("'a' + 1", 5)],
)
def test_a_mistake_has_its_column(cel, expr, column):
    with pytest.raises(ExpressionError) as caught:
        cel.check(expr, ["steps", "n"])
    assert caught.value.column == column


def test_check_knows_only_the_given_names(cel):
    cel.check("steps.a.output", ["steps"])
    with pytest.raises(ExpressionError, match="unknown name or function 'inputs'"):
        cel.check("inputs.a", ["steps"])
    assert cel.result_type("n == 1", ["n"]) == "BOOL"
    assert cel.result_type("n", ["n"]) == "DYN"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${{ n }}", 3),
        ("  ${{ rows[0] }}\n", {"ok": True, "value": 1}),
        ("n is ${{ n }}", "n is 3"),
        ("${{ n }}${{ n }}", "33"),
        ("${{ rows[0] }} and ${{ steps.a.output.none }}", '{"ok":true,"value":1} and null'),
        ("$${{ n }}", "${{ n }}"),
        ("a $${{ n }} ${{ n }}", "a ${{ n }} 3"),
        ("${{ {'a': {'b': n}} }}", {"a": {"b": 3}}),
        ("${{ {'a':1}}}", {"a": 1}),
        ("${{ '}}' }}", "}}"),
        ("n }} $ {{ n", "n }} $ {{ n"),
        ({"a": ["${{ n }}", 1, None, True], "b": {"c": "x${{ n }}"}}, {"a": [3, 1, None, True], "b": {"c": "x3"}}),
        (5, 5),
    ],
)
def test_templates(cel, template, value):
    assert cel.render(template, VARIABLES) == value


@pytest.mark.parametrize(
    ("template", "message", "column"),
    [
        ("ab ${{ n", "'${{' is not closed by '}}'", 4),
        ("${{ }}", "'${{ }}' holds no expression", 1),
        ("${{ n } }}", "", 1),
    ],
)
def test_broken_templates(cel, template, message, column):
    with pytest.raises(ExpressionError) as caught:
        cel.render(template, VARIABLES)
    assert message in caught.value.message
    assert caught.value.column == column


def test_a_prompt_is_always_text(cel):
    assert cel.render_text("${{ n }}", VARIABLES) == "3"
    assert cel.render_text("plain", VARIABLES) == "plain"
    assert cel.render_text("é ${{ 'ü' }}", VARIABLES) == "é ü"


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        ("steps.a.output.x + steps.b.status", {("a", "output"), ("b", "status")}),
        ('steps["a"].output', {("a", "output")}),
        ("steps.a", {("a", "")}),
        ("'steps.a.output'", set()),
        ("x.steps.a.output", set()),
        ("steps.a.output.map(r, r.steps.b)", {("a", "output")}),
        ("x ${{ steps.a.error }} steps.b.output", {("a", "error")}),
        ({"k": ["${{ steps.a.output }}", "steps.b.output"]}, {("a", "output")}),
    ],
)
def test_references(cel, source, pairs):
    assert cel.references(source) == pairs


def test_bound_names_are_those_of_macros():
    assert bound_names("rows.map(r, size(r)).filter(q, q > max(a, b))") == {"r", "q"}
    assert [path.root for path in paths("rows.map(r, r.x)")] == ["rows", "r", "r"]


def test_one_instance_serves_several_threads(cel):
    wrong = []

    def work(offset: int) -> None:
        wrong.extend(i for i in range(500) if cel.evaluate("a + b", {"a": i, "b": offset}) != i + offset)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(value=JSON)
def test_a_value_goes_through_cel_and_back_unchanged(value):
    cel = Expressions()
    direct = cel.evaluate("x", {"x": value})
    through = cel.evaluate("[x][0]", {"x": value})
    assert repr(direct) == repr(value)
    assert through == value


@settings(max_examples=150, deadline=None)
@given(expr=st.text(alphabet="abx.[](){}'\"\\+-*/<>=!&|?:, 01r$`\n", max_size=25))
def test_any_text_is_a_value_or_an_expression_error(expr):
    cel = Expressions()
    for act in (cel.evaluate, lambda text, names: cel.check(text, list(names)), cel.render):
        with contextlib.suppress(ExpressionError):
            act(expr, {"x": {"a": [1]}})
