"""`judge` in the language: how it is read, and what a forecast makes of it."""

from __future__ import annotations

import pytest

from orchestrator.domain.policy import Remedy, RemedyKind, RetryPolicy
from orchestrator.errors import WorkflowError
from orchestrator.workflow import JudgeSpec, ValidatorSpec, Workflow, load_workflow
from orchestrator.workflow.figures import Facts, Figure, ModelFacts
from orchestrator.workflow.judge_cost import ASSUMED_OUTPUT, ASSUMED_VOTE, INSTRUCTIONS
from orchestrator.workflow.ladder import attempts_by_pool
from tests.unit.workflow.forecasts import CALL, PRICE, SMALL, agent, flow, human, past, planned, step_of, worker

HEAD = "api: orchestrator/v1\nname: w\n"
STEP = HEAD + "steps:\n  a:\n    kind: agent\n    model: small\n    prompt: p\n    validate:\n"
LARGE = ModelFacts("m-large", 10 * PRICE, 20 * PRICE, "test prices", max_tokens=1000, timeout=90.0)
FREE = ModelFacts("m-free", 0.0, 0.0, "free", timeout=5.0)
FACTS = Facts(models={"small": SMALL, "large": LARGE, "free": FREE}, timeouts={"t.look": 10.0})
VOTE = 10 * PRICE * (-(-(INSTRUCTIONS + 5) // 3) + 16 + ASSUMED_OUTPUT) + 20 * PRICE * ASSUMED_VOTE


def judge(**changes) -> ValidatorSpec:
    said = JudgeSpec(**({"model": "large", "rubric": "good?"} | changes))
    return ValidatorSpec(name="judge", worker="orchestrator.judge", pool="judges", judge=said)


def test_a_judge_in_full():
    text = HEAD.replace("name: w", "name: w\nmodels: {strong: {model: large, price_cap_usd: 0.1}}")
    text += STEP.removeprefix(HEAD)
    text += """      - name: faithful
        judge: {model: strong, rubric: good?, min_score: 0.9, votes: 3, on_abstain: pass}
        timeout: 20s
"""
    (spec,) = Workflow.from_yaml(text).steps["a"].validators
    assert spec == ValidatorSpec(
        name="faithful",
        worker="orchestrator.judge",
        pool="judges",
        timeout=20.0,
        judge=JudgeSpec(
            model="large", rubric="good?", min_score=0.9, votes=3, on_abstain="pass", price_cap_usd=0.1
        ),
    )  # fmt: skip


def test_what_a_judge_has_where_nothing_is_said():
    (spec,) = Workflow.from_yaml(STEP + "      - judge: {model: large, rubric: good?}\n").steps["a"].validators
    assert (spec.name, spec.timeout) == ("judge", None)
    assert spec.judge == JudgeSpec(model="large", rubric="good?", min_score=0.7, votes=1, on_abstain="fail")
    assert Workflow.from_json(Workflow.from_yaml(STEP + "      - judge: {model: x, rubric: y}\n").to_json())


def test_a_rubric_file_is_inlined_and_its_mistakes_are_located_in_it(tmp_path):
    path, rubric = tmp_path / "w.yaml", tmp_path / "good.md"
    path.write_text(STEP + "      - judge: {model: large, rubric: {file: good.md}}\n", encoding="utf-8")
    with pytest.raises(WorkflowError, match=r"w.yaml:9:46: cannot read prompt file 'good.md'"):
        load_workflow(path)
    rubric.write_text("Is\n${{ outputs.text }} good?", encoding="utf-8")
    with pytest.raises(WorkflowError, match=r"good.md:2:5: unknown name 'outputs' \(did you mean 'output'\?\)"):
        load_workflow(path)
    rubric.write_text("Is\n${{ output.text }} good?", encoding="utf-8")
    (judge,) = load_workflow(path).steps["a"].judges
    assert judge.rubric == "Is\n${{ output.text }} good?"


def test_what_a_rubric_reads_is_waited_for():
    text = STEP + "      - judge: {model: large, rubric: 'like ${{ steps.b.output }}?'}\n"
    text += "  b: {kind: agent, model: small, prompt: p}\n"
    spec = Workflow.from_yaml(text).steps["a"]
    assert (spec.needs, spec.payloads) == ({"b": ("succeeded",)}, ("b",))


def test_a_named_judge_is_read_for_each_step_that_calls_it():
    head = HEAD + "validators: {faithful: {judge: {model: large, rubric: 'by ${{ with.facts }}?'}}}\n"
    steps = "steps:\n  a: {kind: agent, model: small, prompt: p, with: {facts: x}, validate: [faithful]}\n"
    (spec,) = Workflow.from_yaml(head + steps).steps["a"].validators
    assert (spec.name, spec.judge and spec.judge.rubric) == ("faithful", "by ${{ with.facts }}?")
    with pytest.raises(WorkflowError, match=r"3:68: unknown field of 'with': 'facts', in step 'b'"):
        Workflow.from_yaml(
            head + steps + "  b: {kind: agent, model: small, prompt: p, with: {f: x}, validate: [faithful]}\n"
        )


def test_a_forecast_counts_the_attempts_of_judges_in_their_pool():
    spec = agent("a", validators=(judge(votes=3),), on_invalid=(Remedy(RemedyKind.REVISE, 2),),
                 retry=RetryPolicy(max_attempts=2))  # fmt: skip
    assert attempts_by_pool(spec) == {"agents": 6, "judges": 6}
    found = planned(flow(spec), facts=FACTS)
    assert [(pool.pool, pool.attempts.value) for pool in found.pools] == [("agents", 6), ("judges", 6)]
    assert step_of(found, "a").verdicts.value == 6


def test_the_expected_cost_has_every_vote_once():
    step = step_of(planned(flow(agent("a", validators=(judge(votes=3),))), facts=FACTS), "a")
    assert step.expected_cost.value == pytest.approx(CALL + 3 * VOTE)
    assert step.expected_cost.source.endswith(", 3 votes of large")


def test_the_worst_cost_has_every_vote_at_its_cap_or_no_limit():
    def worst(**changes) -> Figure:
        spec = agent("a", validators=(judge(**changes),), on_invalid=(Remedy(RemedyKind.REVISE),))
        return step_of(planned(flow(spec), facts=FACTS), "a").worst_cost

    free, capped = worst(model="free"), worst(votes=3, price_cap_usd=0.5)
    assert free.value is not None and capped.value == pytest.approx(free.value + 2 * 3 * 0.5)
    assert capped.source.endswith("6 votes, 2 attempts at most")
    assert worst() == Figure(None, "no limit: large judges without a price_cap_usd")
    assert worst(model="none") == Figure(None, "the tier 'none', which judges, is not in configs/models.yaml")


def test_a_persons_answer_may_cost_what_its_judge_costs():
    step = step_of(planned(flow(human("a", validators=(judge(price_cap_usd=0.5),))), facts=FACTS), "a")
    assert step.expected_cost.value == pytest.approx(VOTE)
    assert step.worst_cost.value == pytest.approx(3 * 0.5), "its judge may be retried"


def test_a_judged_step_costs_what_it_cost_then():
    history = {"a": past("a", "orchestrator.agent", input_tokens=1e6, output_tokens=10.0, cost_usd=0.25)}
    facts = Facts(models=FACTS.models, history=history)
    step = step_of(planned(flow(agent("a", validators=(judge(),))), facts=facts), "a")
    assert step.expected_cost == Figure(0.25, "mean of 4 past runs")


def test_a_price_cap_that_refuses_every_vote_is_told():
    step = step_of(planned(flow(agent("a", validators=(judge(price_cap_usd=0.001),))), facts=FACTS), "a")
    assert step.troubles == ("a vote may cost 0.0252 USD, more than its price cap of 0.001, so it is refused",)


def test_judges_are_waited_for_after_the_other_validators():
    look = ValidatorSpec(name="look", worker="t.look", pool="v")
    spec = worker("a", worker="t.look", validators=(look, judge(), judge(model="free")))
    assert step_of(planned(flow(spec), facts=FACTS), "a").worst_seconds.value == 10.0 + 10.0 + 90.0
