"""`kind: human` and escalation to a person: what is pinned, and what is known of a person's answer."""

from __future__ import annotations

import pytest

from orchestrator.domain.policy import ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind, Timeouts
from orchestrator.domain.worker import HUMAN_WORKER, WorkerCard
from orchestrator.errors import WorkflowError
from orchestrator.workflow import StepSpec, parse_workflow
from orchestrator.workflow.model import ExpiresSpec

HEAD = """\
api: orchestrator/v1
name: w
inputs: {who: {type: string}, lots: {type: array, items: {type: string}}}
policies: {net: {retry: {max_attempts: 9}, timeout: {attempt: 9s, total: 5m}}}
defaults: {policy: net}
steps:
"""
FORM = "{type: object, required: [ok], properties: {ok: {type: boolean}}}"
SCHEMA = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}
CATALOGUE = {"x": WorkerCard("x"), "typed": WorkerCard("typed", output_schema=SCHEMA)}


def steps(text: str) -> dict[str, StepSpec]:
    return parse_workflow(HEAD + text, file="w.yaml", folder=None, catalogue=CATALOGUE, model_tiers=["small"]).steps


def test_what_is_pinned_of_a_question():
    step = steps(f"""\
  a:
    kind: human
    description: Is this all right?
    form: {FORM}
    assignee: ${{{{ inputs.who }}}}
    expires: {{after: 48h, then: skip}}
    with: {{lots: "${{{{ inputs.lots }}}}"}}
    priority: 2
    validate: [{{expr: output.ok || size(input.lots) > 1, message: then say why}}]
    on_invalid: [{{do: revise, times: 5}}]
    on_error: [{{if: error.code == "expired", do: continue, output: {{ok: false}}}}]
""")["a"]
    assert (step.kind, step.worker, step.pool, step.priority) == ("human", HUMAN_WORKER, "", 2)
    assert (step.output, step.assignee) == (SCHEMA, "${{ inputs.who }}")
    assert step.expires == ExpiresSpec(after=172_800.0, then="skip")
    assert step.with_ == {"lots": "${{ inputs.lots }}"}
    assert step.on_invalid == (Remedy(RemedyKind.REVISE, times=5),)
    assert step.description == "Is this all right?"


def test_the_policies_of_defaults_are_not_for_people():
    step = steps("  a: {kind: human, form: {}}\n")["a"]
    assert (step.retry, step.timeout, step.expires, step.assignee) == (RetryPolicy(), Timeouts(), None, None)
    assert step.output == {}


def test_a_step_fails_when_nobody_answers_unless_it_says_otherwise():
    assert steps("  a: {kind: human, form: {}, expires: {after: 90}}\n")["a"].expires == ExpiresSpec(after=90.0)


def test_one_question_for_each_item():
    step = steps(
        "  a: {kind: human, form: {}, foreach: {items: '${{ inputs.lots }}', as: lot}, assignee: '${{ lot }}',"
        " expires: {after: 1h, then: skip}}\n  b: {kind: worker, worker: x, with: {v: '${{ steps.a.output }}'}}\n"
    )["a"]
    assert step.assignee == "${{ lot }}"


def test_an_answer_may_be_handed_to_a_worker_when_it_is_no_good():
    step = steps("  a: {kind: human, form: {}, on_invalid: [{do: escalate, worker: x}, {do: continue}]}\n")["a"]
    assert [remedy.worker for remedy in step.on_invalid] == ["x", None]


@pytest.mark.parametrize(
    "body",
    [
        "kind: worker, worker: x",
        "kind: agent, model: small, prompt: hi",
        "kind: worker, worker: x, foreach: {items: [1], as: i}",
        "kind: worker, worker: x, repeat: {until: true, max: 2}",
    ],
)
def test_what_works_can_be_handed_to_a_person(body):
    invalid = "on_invalid: [{do: escalate, to: human, times: 2}]"
    error = "on_error: [{if: error.code == 'x', do: escalate, to: human}]"
    step = steps(f"  a: {{{body}, {invalid}, {error}}}\n")["a"]
    assert step.on_invalid == (Remedy(RemedyKind.ESCALATE, times=2, worker=HUMAN_WORKER, pool=""),)
    assert step.on_error == (ErrorRule(RuleKind.ESCALATE, "error.code == 'x'", worker=HUMAN_WORKER, pool=""),)
    assert step.output is None


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("worker: typed", SCHEMA),
        ("worker: typed, output: {type: object}", {"type": "object"}),
        ("worker: x, output: {type: object}", {"type": "object"}),
        ("worker: x", None),
    ],
)
def test_the_person_is_asked_for_what_the_worker_promises(body, output):
    step = steps(f"  a: {{kind: worker, {body}, on_error: [{{do: escalate, to: human}}]}}\n")["a"]
    assert step.output == output
    assert steps("  a: {kind: worker, worker: typed}\n")["a"].output is None


def test_an_answer_that_may_be_skipped_wants_a_guard():
    asked = "  a: {kind: human, form: {}, expires: {after: 1h, then: skip}}\n"
    guarded = "when: steps.a.status == 'skipped' || steps.a.output.ok"
    assert steps(f"{asked}  b: {{kind: worker, worker: x, {guarded}}}\n")["b"].needs == {"a": ("succeeded", "skipped")}
    failing = asked.replace("skip}", "fail}")
    assert steps(failing + "  b: {kind: worker, worker: x, when: steps.a.output.ok}\n")["b"].needs == {
        "a": ("succeeded",)
    }


def test_the_form_is_what_readers_may_read():
    with pytest.raises(WorkflowError, match="the output of step 'a' has no 'okay'"):
        steps(f"  a: {{kind: human, form: {FORM}}}\n  b: {{kind: worker, worker: x, when: steps.a.output.okay}}\n")
