"""The dry run: order, critical path, attempts, cost and time, each with where it comes from."""

from __future__ import annotations

import pytest

from orchestrator.domain.history import StepHistory
from orchestrator.llm import prices
from orchestrator.workflow import Workflow
from orchestrator.workflow.critical_path import critical_path
from orchestrator.workflow.figures import Facts, Figure, ModelFacts, Total
from orchestrator.workflow.forecast import forecast
from orchestrator.workflow.forecast_values import Forecast

MILLIONTH = 1e-6
SMALL = ModelFacts("m-small", 1 * MILLIONTH, 2 * MILLIONTH, "test prices", max_tokens=100, timeout=60.0)
LARGE = ModelFacts("m-large", 10 * MILLIONTH, 20 * MILLIONTH, "test prices", max_tokens=1000, timeout=90.0)
OPEN = ModelFacts("m-open", 1 * MILLIONTH, 2 * MILLIONTH, "test prices")
NEW = ModelFacts("m-new", max_tokens=100)
FREE = ModelFacts("m-free", 0.0, 0.0, "the local model is free")
MODELS = {"small": SMALL, "large": LARGE, "open": OPEN, "new": NEW, "free": FREE}
TIMEOUTS = {"t.quick": 1.0, "t.slow": 10.0, "t.endless": None, "v.look": 5.0}

DIAMOND = """
  a: {kind: worker, worker: t.quick}
  b: {kind: worker, worker: t.slow, needs: [a]}
  c: {kind: worker, worker: t.quick, needs: [a]}
  d: {kind: worker, worker: t.quick, needs: [b, c]}
"""


def planned(steps: str, head: str = "", inputs: dict | None = None, **facts) -> Forecast:
    workflow = Workflow.from_yaml(f"api: orchestrator/v1\nname: plan\nversion: 1.0.0\n{head}\nsteps:\n{steps}")
    facts = {"models": MODELS, "timeouts": TIMEOUTS} | facts
    return forecast(workflow, workflow.check_inputs(inputs or {}), Facts(**facts))


def only(steps: str, head: str = "", inputs: dict | None = None, **facts):
    (step,) = planned(steps, head, inputs, **facts).steps
    return step


def past(step: str, worker: str = "t.quick", **changes) -> StepHistory:
    values = {"runs": 4, "seconds": 2.0, "items": None, "attempts": 1.0, "input_tokens": 0.0, "output_tokens": 0.0}
    return StepHistory(step=step, worker=worker, **(values | {"cost_usd": None} | changes))


def test_waves_and_the_critical_path_by_timeouts():
    found = planned(DIAMOND)
    assert found.waves == (("a",), ("b", "c"), ("d",))
    assert (found.critical_path, found.critical_by) == (("a", "b", "d"), "timeouts")
    assert [step.critical for step in found.steps] == [True, True, False, True]
    # three attempts each, with half a second and a second between them
    assert found.worst_seconds == Total(3 * 1 + 3 * 10 + 3 * 1 + 3 * 1.5)
    assert found.expected_seconds == Total(None, missing=("a", "b", "c", "d"))
    assert found.attempts == Total(12)


def test_past_runs_of_every_step_weigh_the_critical_path():
    history = {name: past(name, seconds=seconds) for name, seconds in {"a": 1, "c": 9.5, "d": 1}.items()}
    history["b"] = past("b", "t.slow", seconds=0.5)
    found = planned(DIAMOND, history=history)
    assert (found.critical_path, found.critical_by) == (("a", "c", "d"), "medians of past runs")
    assert found.expected_seconds == Total(11.5)
    assert found.steps[1].expected_seconds == Figure(0.5, "median of 4 past runs")


def test_the_past_of_another_worker_tells_nothing():
    found = planned(DIAMOND, history={"b": past("b", "t.other", seconds=1)})
    assert found.steps[1].expected_seconds.value is None


def test_without_figures_the_longest_chain_is_critical():
    found = planned(DIAMOND, timeouts={})
    assert (found.critical_path, found.critical_by) == (("a", "b", "d"), "number of steps")
    assert found.steps[0].worst_seconds == Figure(None, "t.quick has no timeout")
    assert found.worst_seconds == Total(None, missing=("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("weights", "path", "weight"),
    [
        ({"a": 1, "b": 1, "c": 2, "d": 1}, ["a", "c", "d"], 4),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, ["a", "b", "d"], 3),
        ({}, ["a", "b", "d"], 0),
    ],
)
def test_the_heaviest_chain(weights, path, weight):
    assert critical_path(planned(DIAMOND).workflow.steps, weights) == (path, weight)


LISTS = "inputs: {names: {type: array, default: [x, y, z]}}"
FOREACH = (
    "  a: {{kind: worker, worker: t.quick, foreach: {{items: {items}, as: n{more}}}, with: {{n: '${{{{ n }}}}'}}}}"
)


@pytest.mark.parametrize(
    ("items", "inputs", "count", "attempts", "seconds"),
    [
        ("[1, 2]", {}, 2, Figure(6, "retries, revisions, escalations and items"), 2 * 4.5),
        ("'${{ inputs.names }}'", {}, 3, Figure(9, "retries, revisions, escalations and items"), 3 * 4.5),
        ("'${{ inputs.names.filter(name, name != \"b\") }}'", {"names": ["a", "b"]}, 1, None, 4.5),
        ("'${{ inputs.names }}'", {"names": []}, 0, Figure(0, "retries, revisions, escalations and items"), 0),
    ],
)
def test_items_that_the_inputs_tell_are_counted(items, inputs, count, attempts, seconds):
    step = only(FOREACH.format(items=items, more=", max_parallel: 1"), LISTS, inputs)
    assert step.items == Figure(count, "these inputs")
    assert attempts is None or step.attempts == attempts
    assert step.worst_seconds.value == pytest.approx(seconds)


def test_items_of_another_step_are_n():
    found = planned(
        "  first: {kind: worker, worker: t.quick}\n" + FOREACH.format(items="'${{ steps.first.output }}'", more="")
    )
    step = found.steps[1]
    assert step.items == Figure(None, "reads steps.first")
    assert step.attempts == Figure(3, "of each item", each=True)
    assert step.worst_seconds.each
    assert found.attempts == Total(3, each=(("a", 3),))
    assert found.pools[0].attempts == Total(3, each=(("a", 3),))
    assert found.worst_seconds == Total(4.5, missing=("a",))


def test_items_that_are_no_list_are_told():
    step = only(FOREACH.format(items="'${{ inputs.names }}'", more=""), "inputs: {names: {default: 7}}")
    assert step.troubles == ("foreach.items is int, not a list",)


def test_at_once_what_max_parallel_lets():
    step = only(FOREACH.format(items="'${{ inputs.names }}'", more=", max_parallel: 2"), LISTS)
    assert step.worst_seconds == Figure(9.0, "the worker's timeout, 3 attempts, 3 items 2 at once")


WHEN = """
  a: {kind: worker, worker: t.quick, when: size(inputs.names) > 5}
  b: {kind: worker, worker: t.quick, needs: [a]}
  c: {kind: worker, worker: t.quick, needs: {a: [succeeded, skipped]}}
  d: {kind: worker, worker: t.quick, when: "steps.c.status == 'succeeded' && size(inputs.names) == 0"}
  e: {kind: worker, worker: t.quick, when: steps.c.status == "succeeded"}
  f: {kind: worker, worker: t.quick, when: "inputs.names[9] == 'x'"}
"""


def test_what_the_inputs_decide_of_when():
    found = {step.spec.id: step for step in planned(WHEN, LISTS).steps}
    assert {name: step.skipped for name, step in found.items() if step.skipped} == {
        "a": "when is false with these inputs",
        "b": "a is skipped",
        "d": "when is false with these inputs",
    }
    assert [name for name, step in found.items() if step.conditional] == ["e", "f"]
    assert (found["a"].attempts.value, found["c"].attempts.value) == (0, 3)
    assert len(found["f"].troubles) == 1 and "inputs.names[9]" in found["f"].troubles[0]


AGENT = "  a: {{kind: agent, model: {model}, prompt: '{prompt}'{more}}}"
HELLO = "hello ${{ inputs.to }}"
TO = "inputs: {to: {type: string, default: you}}"


def agent(model: str = "small", prompt: str = HELLO, more: str = "", head: str = TO, **facts):
    return only(AGENT.format(model=model, prompt=prompt, more=more), head, **facts)


def test_a_prompt_is_rendered_with_the_inputs():
    step = agent(bytes_per_token=3, tokens_per_message=8)
    assert step.prompt == Figure(8 + 3, "rendered with these inputs")
    assert step.expected_cost == Figure(
        pytest.approx(11 * MILLIONTH + 100 * 2 * MILLIONTH), "one call of small, ~11 → 100 tokens, test prices"
    )
    longer = only(AGENT.format(model="small", prompt=HELLO, more=""), TO, {"to": "y" * 300})
    assert longer.prompt.value == 8 + 102


def test_a_schema_and_a_system_text_are_part_of_the_prompt():
    plain, more = agent(), agent(more=", system: be kind, output: {type: object}")
    assert more.prompt.value > plain.prompt.value + 20


def test_the_prompts_of_items_are_as_long_as_their_items():
    foreach = ", foreach: {items: ['${{ inputs.to }}', yyyyyyyyy], as: n}, with: {n: '${{ n }}'}"
    step = agent(prompt="${{ with.n }}", more=foreach)
    assert step.prompt == Figure(8 + 2, "rendered with these inputs")
    assert step.expected_cost.value == pytest.approx(2 * (10 + 200) * MILLIONTH)


def test_what_a_prompt_reads_of_other_steps_is_named():
    first = "  first: {kind: worker, worker: t.quick}\n"
    found = planned(first + AGENT.format(model="small", prompt="hello ${{ steps.first.output }}", more=""))
    step = found.steps[1]
    assert step.prompt == Figure(10, "without steps.first")
    assert "at least" in step.expected_cost.source
    assert step.worst_cost == Figure(None, "no limit: the prompt reads steps.first, and there is no price_cap_usd")
    assert found.worst_cost == Total(None, missing=("a",))


CAP = "models: {capped: {model: large, price_cap_usd: 0.03}}\n" + TO
ONE_TRY = ", retry: {max_attempts: 1}"
FIRST = 11 * MILLIONTH + 100 * 2 * MILLIONTH
AGAIN = (11 + 100 + 200) * MILLIONTH + 100 * 2 * MILLIONTH
LARGER = (11 + 1000 + 200) * 10 * MILLIONTH + 1000 * 20 * MILLIONTH


@pytest.mark.parametrize(
    ("model", "more", "worst"),
    [
        ("small", ONE_TRY, FIRST),
        ("small", "", 3 * FIRST),
        ("small", ONE_TRY + ", on_invalid: [{do: revise, times: 2}]", FIRST + 2 * AGAIN),
        ("small", ONE_TRY + ", on_invalid: [{do: escalate, model: large}]", FIRST + LARGER),
        ("small", ONE_TRY + ", on_invalid: [{do: escalate, worker: t.quick}]", FIRST),
        (
            "small",
            ONE_TRY + ", on_invalid: [{do: revise}], on_error: [{do: escalate, model: large}]",
            FIRST + 2 * LARGER,
        ),
        ("capped", ONE_TRY + ", on_invalid: [{do: revise}]", 11 * 10 * MILLIONTH + 0.02 + 0.03),
        ("free", "", 0.0),
    ],
)
def test_the_worst_cost_follows_the_ladder(model, more, worst):
    assert agent(model, more=more, head=CAP).worst_cost.value == pytest.approx(worst)


@pytest.mark.parametrize(
    ("model", "expected", "worst"),
    [
        (
            "open",
            "one call of open, ~11 → 500 tokens, test prices",
            "no limit: neither price_cap_usd nor max_tokens of open",
        ),
        ("new", "no price is known for m-new", "no price is known for m-new"),
    ],
)
def test_a_figure_that_is_not_known_says_why(model, expected, worst):
    step = agent(model)
    assert (step.expected_cost.source, step.worst_cost) == (expected, Figure(None, worst))


@pytest.mark.parametrize(
    ("model", "cap", "trouble"),
    [
        ("large", 0.001, "a call may cost 0.0201 USD, more than its price cap of 0.001, so it is refused"),
        ("new", 1, "no price is known for m-new, so its price cap refuses every call"),
    ],
)
def test_a_price_cap_that_refuses_every_call_is_told(model, cap, trouble):
    head = f"models: {{x: {{model: {model}, price_cap_usd: {cap}}}}}\n{TO}"
    assert agent("x", head=head).troubles == (trouble,)


def test_past_tokens_are_priced_as_of_today():
    history = past("a", "orchestrator.agent", items=4, input_tokens=4000, output_tokens=400, cost_usd=99.0)
    foreach = ", foreach: {items: [1, 2], as: n}"
    step = agent(more=foreach, history={"a": history})
    assert step.expected_cost == Figure(
        pytest.approx((4000 + 800) * MILLIONTH / 2), "tokens of 4 past runs at today's prices, 2 items"
    )


def test_a_worker_costs_what_it_cost():
    known = planned(DIAMOND, history={"a": past("a", cost_usd=0.25), "c": past("c")})
    assert known.steps[0].expected_cost == Figure(0.25, "mean of 4 past runs")
    assert known.steps[1].expected_cost.value is None
    assert known.expected_cost == Total(0.25)


def test_validators_and_total_bound_the_time():
    judged = ", validate: [{name: look, worker: v.look}], retry: {max_attempts: 2, backoff: {jitter: false}}"
    assert agent(more=judged).worst_seconds.value == pytest.approx(2 * 60 + 0.5 + 2 * 5 + 0.5)
    assert agent(more=judged + ", timeout: {attempt: 10s}").worst_seconds.value == pytest.approx(20.5 + 10.5)
    assert agent(more=judged + ", timeout: {total: 30s}").worst_seconds == Figure(30.0, "timeout.total")


def test_nobody_is_asked_where_no_step_asks():
    assert planned(DIAMOND).asks == ()


def test_prompts_are_guessed_as_price_caps_guess_them():
    assert (Facts().bytes_per_token, Facts().tokens_per_message) == (prices.BYTES_PER_TOKEN, prices.TOKENS_PER_MESSAGE)
    assert Facts().capped_tokens == prices.CAPPED_MAX_TOKENS


def test_ten_thousand_items_and_a_thousand_steps_are_forecast_at_once():
    names = {"names": [f"name {number}" for number in range(10_000)]}
    foreach = ", foreach: {items: '${{ inputs.names }}', as: n}, with: {n: '${{ n }}'}"
    chain = "".join(
        f"\n  s{number}: {{kind: worker, worker: t.quick, needs: [s{number - 1}]}}" for number in range(1, 1000)
    )
    steps = (
        AGENT.format(model="small", prompt="${{ with.n }}", more=foreach) + "\n  s0: {kind: worker, worker: t.quick}"
    )
    found = planned(steps + chain, "inputs: {names: {type: array}}", names)
    assert found.attempts == Total(3 * 10_000 + 3 * 1000)
    assert len(found.critical_path) == 1000
