"""Reads what only one kind of step has: a worker, a model, another workflow, a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.domain.policy import Timeouts
from orchestrator.domain.worker import (
    AGENT_POOL,
    AGENT_WORKER,
    DEFAULT_POOL,
    HUMAN_WORKER,
    RUN_WORKER,
    WorkerCard,
    WorkerKind,
)
from orchestrator.workflow.budget_reader import read_attempt_budget, read_budget
from orchestrator.workflow.fields import Fields, as_items, as_mapping, as_name, as_text
from orchestrator.workflow.language import EXPIRES
from orchestrator.workflow.model import ExpiresSpec
from orchestrator.workflow.policy_reader import join_layers, read_layer, read_policy_name, read_run_timeout
from orchestrator.workflow.prompt_reader import read_prompts
from orchestrator.workflow.reading import IDENTIFIER, IDENTIFIER_MEANS, POOL, POOL_MEANS
from orchestrator.workflow.schema_reader import read_schema
from orchestrator.workflow.signatures import of_card
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.tools_reader import read_tools
from orchestrator.workflow.with_reader import read_repeat, read_with
from orchestrator.workflow.yaml_nodes import Mapping as MappingNode
from orchestrator.workflow.yaml_nodes import Node, Scalar

NO_PEOPLE = "'finally' does not wait for people"


def read_worker(step: StepReading) -> None:
    """A registered worker."""
    card = _worker(step)
    read_with(step)
    _work(step)
    _attempt_budget(step)
    _policy(step, card)


def read_agent(step: StepReading) -> None:
    """Turns of a model."""
    step.values.update(worker=AGENT_WORKER, pool=AGENT_POOL)
    node = step.fields.node("model") or step.defaults.model
    if node is None:
        step.needs("model", "the name of a tier")
    else:
        step.values["model"], step.values["price_cap_usd"] = step.reading.model(node)
    read_with(step)
    _work(step)
    read_prompts(step)
    read_tools(step)
    _attempt_budget(step)
    _policy(step, None)


def read_child_run(step: StepReading) -> None:
    """Another workflow; its file is read once this one has been."""
    step.values["worker"] = RUN_WORKER
    node = step.fields.node("uses")
    if node is None:
        step.needs("uses", "a workflow file, such as ./check.yaml")
    elif as_text(step.problems, node, "'uses'") is not None and isinstance(node, Scalar):
        step.draft.callee = step.draft.place = node
    read_with(step)
    _work(step)
    own = read_run_timeout(step.problems, step.fields)
    retry, timeout = join_layers([*step.defaults.layers, read_policy_name(step.reading, step.fields), own], None)
    step.values.update(retry=retry, timeout=Timeouts(total=timeout.total))
    if (node := step.fields.node("budget")) is not None:
        read_child_budget(step, node)


def read_person(step: StepReading) -> None:
    """A question to a person."""
    step.values["worker"] = HUMAN_WORKER
    read_with(step)
    step.needs("form", "a JSON Schema of the answer")
    if (node := step.fields.node("form")) is not None:
        step.keep("output", read_schema(step.problems, node, "'form'"))
    if (node := step.fields.node("assignee")) is not None:
        step.keep("assignee", read_template(step, node, "'assignee'", wants="STRING"))
    if (node := step.fields.node("expires")) is not None:
        step.keep("expires", _expires(step, node))


def read_claim(step: StepReading) -> None:
    """The keys of what a process claims from a pool."""
    if (node := step.fields.node("pool")) is not None:
        step.keep("pool", as_name(step.problems, node, "'pool'", POOL, POOL_MEANS))
    if (node := step.fields.node("idempotency_key")) is not None:
        step.keep("idempotency_key", read_template(step, node, "'idempotency_key'"))
    if (node := step.fields.node("secrets")) is not None:
        step.values["secrets"] = _secrets(step, node)
    step.keep("rate", step.fields.rate("rate"))


READERS: Mapping[str, Callable[[StepReading], None]] = {
    "worker": read_worker,
    "agent": read_agent,
    "workflow": read_child_run,
    "human": read_person,
}


def _worker(step: StepReading) -> WorkerCard | None:
    node = step.fields.node("worker")
    if node is None:
        step.needs("worker", "the name of a registered worker")
        return None
    name, card = step.reading.card(node, WorkerKind.WORKER)
    step.draft.place = node
    step.draft.signature = of_card(card) if card else None
    step.keep("worker", name)
    step.values["pool"] = card.pool if card else DEFAULT_POOL
    return card


def _work(step: StepReading) -> None:
    """The keys of whatever works and can be done again."""
    read_repeat(step)
    if (node := step.fields.node("output")) is not None:
        step.keep("output", read_schema(step.problems, node, "'output'"))


def _policy(step: StepReading, card: WorkerCard | None) -> None:
    """`retry` and `timeout`, with those of the policy and the defaults below them."""
    named, own = read_policy_name(step.reading, step.fields), read_layer(step.problems, step.fields)
    step.values["retry"], step.values["timeout"] = join_layers([*step.defaults.layers, named, own], card)


def read_template(step: StepReading, node: Node, what: str, wants: str = "") -> str | None:
    """A template that becomes text, for each item."""
    if as_text(step.problems, node, what) is None or not isinstance(node, Scalar):
        return None
    step.uses.text(step.problems.text_of(node), step.item_scope, what, wants)
    return node.text


def _secrets(step: StepReading, node: Node) -> tuple[str, ...]:
    known = step.reading.secrets
    names = []
    for item in as_items(step.problems, node, "'secrets'", "write [API_KEY]") or ():
        name = as_name(step.problems, item, "a secret", IDENTIFIER, IDENTIFIER_MEANS)
        if name is not None and name not in known:
            hint = suggest(name, known) or f"write secrets: [{name}] at the top"
            step.problems.at(item, f"secret '{name}' is not among the workflow's 'secrets'", hint)
        names.append(name)
    return tuple(name for name in names if name)


def _attempt_budget(step: StepReading) -> None:
    if (node := step.fields.node("budget")) is not None:
        step.keep("budget", read_attempt_budget(step.problems, node))


def read_child_budget(step: StepReading, node: Node) -> None:
    """What each child run may use; in `finally` it never pauses."""
    budget = read_budget(step.problems, node)
    said = node.entries.get("on_exceed") if isinstance(node, MappingNode) else None
    step.draft.exceeds = said is not None
    step.keep("budget", budget)
    if said is not None and step.scope.ending and budget and budget.asks:
        step.problems.at(said, NO_PEOPLE, "write on_exceed: fail")


def _expires(step: StepReading, node: Node) -> ExpiresSpec | None:
    mapping = as_mapping(step.problems, node, "'expires'", "write {after: 48h, then: fail}")
    if mapping is None:
        return None
    fields = Fields(step.problems, mapping, "'expires'", known=EXPIRES)
    fields.require("after", "how long a person has")
    after, then = fields.duration("after"), fields.choice("then")
    return None if after is None else ExpiresSpec(after=after, then="skip" if then == "skip" else "fail")
