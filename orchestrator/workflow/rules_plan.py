"""A plan without a model: workers are chained by the names and types of what they take and give.

It is forward chaining: in every round the first worker, in the order of the list, whose required fields are all at hand
under their own names becomes a step. A field `path` is also at hand where there is a list `paths`: then the step goes
over it. Nothing is understood of the goal but its text, which fields called like `GOAL_FIELDS` are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.workflow.model import PlannedWorker, PlanSpec
from orchestrator.workflow.shapes import VALUE_KINDS, Shape, conflict, list_of, of_kind

GOAL_FIELDS: Final = ("goal", "question", "query", "topic")


@dataclass(frozen=True, slots=True)
class Source:
    """An expression without its braces, and the shape of what it gives; None where that is not known."""

    expression: str
    shape: Shape | None


@dataclass(slots=True)
class _Chain:
    """The steps so far, and what there is to go on with, by name."""

    known: dict[str, Source]
    steps: list[dict[str, Any]] = field(default_factory=list)
    last: str = ""

    def find(self, name: str, shape: Shape | None) -> str | None:
        """The expression of a field; None where there is nothing of that name and type."""
        source = self.known.get(name)
        return source.expression if source is not None and not conflict(source.shape, shape, name) else None


def plan_by_rules(plan: PlanSpec, given: Mapping[str, Any], goal: str) -> dict[str, Any] | None:
    """A plan (`steps`, `outputs`) that gives what is asked for; None where the rules find none.

    Args:
        plan: what it may be made of, and what it must give.
        given: the values that it begins with, its inputs.
        goal: in plain words; becomes a literal.
    """
    chain = _Chain({name: Source(f"inputs.{name}", of_kind(VALUE_KINDS[type(value)])) for name, value in given.items()})
    wanted = Shape(plan.output, plan.output)
    waiting = dict(plan.workers)
    while waiting and len(chain.steps) < plan.max_steps:
        ready = next((name for name, worker in waiting.items() if _add(chain, name, worker, goal)), None)
        if ready is None:
            break
        del waiting[ready]
    found = {name: chain.find(name, wanted.at(name)) for name in plan.output["properties"]}
    if list(found) == ["result"] and found["result"] is None and chain.last:
        found["result"] = f"steps.{chain.last}.output"
    if not chain.steps or not all(found.values()):
        return None
    outputs = {name: f"${{{{ {expression} }}}}" for name, expression in found.items()}
    return {"steps": _needed(chain.steps, outputs), "outputs": outputs}


def _add(chain: _Chain, name: str, worker: PlannedWorker, goal: str) -> bool:
    """Add a step of a worker, if everything that it requires is at hand."""
    takes = Shape(worker.input_schema or {}, worker.input_schema or {})
    fields: Mapping[str, Any] = takes.schema.get("properties", {})
    required = set(takes.schema.get("required", ()))
    with_: dict[str, Any] = {}
    over: tuple[str, str] | None = None
    for key in fields:
        expression = chain.find(key, takes.at(key))
        many = chain.find(f"{key}s", list_of(takes.at(key))) if expression is None and key in required else None
        if expression is not None:
            with_[key] = f"${{{{ {expression} }}}}"
        elif key in required and key in GOAL_FIELDS and not conflict(of_kind("string"), takes.at(key), key):
            with_[key] = goal.replace("${{", "$${{")
        elif many is not None and over is None:
            over = (key, many)
            with_[key] = "${{ each }}"
        elif key in required:
            return False
    step_id = _id(name, len(chain.steps) + 1)
    step: dict[str, Any] = {"id": step_id, "worker": name, "with": with_}
    if over is not None:
        step["foreach"] = {"items": f"${{{{ {over[1]} }}}}", "as": "each"}
    chain.steps.append(step)
    chain.last = step_id
    gives = Shape(worker.output_schema or {}, worker.output_schema or {}).resolved()
    for key in gives.schema.get("properties", {}) if gives is not None else ():
        shape = gives.at(key) if gives is not None else None
        if over is None:
            chain.known[key] = Source(f"steps.{step_id}.output.{key}", shape)
        else:
            chain.known[f"{key}s"] = Source(f"steps.{step_id}.output.map(one, one.{key})", list_of(shape))
    return True


def _needed(steps: list[dict[str, Any]], outputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The steps that the outputs rest on."""
    texts, kept = " ".join(outputs.values()), list[dict[str, Any]]()
    for step in reversed(steps):
        if f"steps.{step['id']}." in texts:
            kept.append(step)
            texts += " ".join([str(value) for value in step["with"].values()])
            texts += " " + str(step.get("foreach", {}).get("items", ""))
    return kept[::-1]


def _id(worker: str, number: int) -> str:
    word = "".join(char if char.isalnum() and char.isascii() else "_" for char in worker.rpartition(".")[2].lower())
    return f"s{number}_{word}"[:40]
