"""What the loader lets pass never reads an output that is not there: random workflows, run in the head with every luck.

Steps run by the pinned rules: `needs`, then `when`, then `with`; an output is there only after a success. A run that
failed has no outputs to evaluate. `finally` runs in any case, also where the last steps were cancelled.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from orchestrator.domain.readiness import Readiness, rule
from orchestrator.domain.run import StepState, StepStatus
from orchestrator.errors import ExpressionError, WorkflowError
from orchestrator.workflow import Expressions, StepSpec, parse_workflow

NAMES = "abcd"
CEL = Expressions()


def conditions(names: str) -> st.SearchStrategy[str]:
    """Tests of statuses and readings of outputs, joined in every way."""
    if not names:
        return st.sampled_from(["run.id == 'r'", "run.id != 'r'"])
    step = st.sampled_from(names)
    outcome = st.sampled_from(["succeeded", "failed", "skipped"])
    tests = st.one_of(
        st.builds("steps.{}.status {} '{}'".format, step, st.sampled_from(["==", "!="]), outcome),
        st.builds("'{}' == steps.{}.status".format, outcome, step),
        st.builds("steps.{}.status in ['{}', '{}']".format, step, outcome, outcome),
        st.just("run.id == 'r'"),
    )
    reading = st.builds("steps.{}.output.n > 0".format, step)
    return st.recursive(
        tests | reading,
        lambda inner: st.one_of(
            st.builds("({} && {})".format, inner, inner),
            st.builds("({} || {})".format, inner, inner),
            st.builds("!({})".format, inner),
            st.builds("({} ? {} : {})".format, inner, inner, inner),
        ),
        max_leaves=5,
    )


@st.composite
def workflows(draw: st.DrawFn) -> str:
    """A few steps in a row; each reads those before it."""
    text = "api: orchestrator/v1\nname: w\nsteps:\n"
    for at, name in enumerate(NAMES):
        before = NAMES[:at]
        text += f"  {name}:\n    kind: worker\n    worker: x\n"
        if before and draw(st.booleans()):
            needed = draw(st.lists(st.sampled_from(before), unique=True, min_size=1, max_size=2))
            allowed = st.sampled_from(["succeeded", "succeeded, skipped", "failed", "succeeded, failed, skipped"])
            text += "    needs: {" + ", ".join(f"{other}: [{draw(allowed)}]" for other in needed) + "}\n"
        if draw(st.booleans()):
            text += f'    when: "{draw(conditions(before))}"\n'
        if draw(st.booleans()):
            text += f'    with: {{v: "${{{{ {draw(conditions(before))} }}}}"}}\n'
        if draw(st.integers(0, 4)) == 0:
            text += "    on_error: [{do: skip}]\n"
    if draw(st.booleans()):
        text += f'finally:\n  z:\n    kind: worker\n    worker: x\n    when: "{draw(conditions(NAMES))}"\n'
        text += f'    with: {{v: "${{{{ {draw(conditions(NAMES))} }}}}"}}\n'
    return text + f'outputs: {{v: "${{{{ {draw(conditions(NAMES))} }}}}"}}\n'


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflows(), st.lists(st.booleans(), min_size=len(NAMES), max_size=len(NAMES)), st.integers(0, len(NAMES)))
def test_no_missing_output_is_ever_read(text, luck, cancelled):
    try:
        workflow = parse_workflow(text, file="w.yaml", folder=None)
    except WorkflowError as error:
        known = (
            "may be skipped", "without an output", "it has no output", "never has an output", "never runs",
            "can never start",
        )  # fmt: skip
        assert all(any(word in problem.message for word in known) for problem in error.problems), str(error)
        event("refused")
        return
    event("accepted")
    states: dict[str, StepState] = {name: StepState(name) for name in NAMES}
    for spec, lucky in zip(workflow.steps.values(), luck, strict=True):
        states[spec.id] = StepState(spec.id, status=outcome(spec, states, lucky=lucky))
    if not any(state.status == "failed" for state in states.values()):
        CEL.render(workflow.outputs, variables(states))
    for name in NAMES[len(NAMES) - cancelled :]:
        states[name] = StepState(name, status=StepStatus.CANCELLED)
    for spec in workflow.finally_.values():
        outcome(spec, states, lucky=True)


def outcome(spec: StepSpec, states: dict[str, StepState], *, lucky: bool) -> StepStatus:
    if rule(spec.needs, states).readiness is Readiness.SKIP:
        return StepStatus.SKIPPED
    seen = variables(states)
    if spec.when is not None and not CEL.evaluate(spec.when, seen):
        return StepStatus.SKIPPED
    CEL.render(spec.with_, seen)
    if lucky:
        return StepStatus.SUCCEEDED
    return StepStatus.SKIPPED if spec.on_error else StepStatus.FAILED


def variables(states: dict[str, StepState]) -> dict[str, Any]:
    steps = {
        name: {"status": str(state.status), "output": {"n": 1} if state.status == "succeeded" else None}
        for name, state in states.items()
    }
    return {"steps": steps, "run": {"id": "r"}}


def test_a_missing_output_would_be_noticed():
    state = {"s": StepState("s", status=StepStatus.SKIPPED)}
    try:
        CEL.evaluate("steps.s.output.n > 0", variables(state))
    except ExpressionError:
        return
    raise AssertionError("reading the output of a skipped step must fail")
