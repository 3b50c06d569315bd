"""The built-in worker behind `kind: plan`: a model writes steps, which are checked like a file; or rules chain them.

What the model writes is checked here, so that its mistakes go back to it with their places. The supervisor checks the
plan again before it begins a run of it. All tries are one attempt; the last is handed to the next as a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestrator.domain.worker import PLANNER_POOL, PLANNER_WORKER, WorkerCard
from orchestrator.errors import InvalidOutput, PlanInvalid
from orchestrator.store.history import worker_costs
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.planner_prompt import conversation
from orchestrator.worker.signature import read_signature

if TYPE_CHECKING:
    from orchestrator.llm.catalogue import ResolvedModel
    from orchestrator.store.database import Database
    from orchestrator.workflow.model import PlanSpec

TRIES: Final = 3
"""How often a model may write a plan, in one attempt."""

RULES: Final = "rules"


class Tiers(Protocol):
    """What a planner needs of `orchestrator.llm.Models`."""

    def resolve(self, tier: str) -> ResolvedModel:
        """The model behind a tier."""


@dataclass(slots=True)
class _Written:
    """The model's last try, and how many there were."""

    tries: int = 0
    text: str = ""
    problems: tuple[str, ...] = ()
    plan: dict[str, Any] | None = None

    @property
    def refused(self) -> tuple[str, tuple[str, ...]] | None:
        """What goes back to the model."""
        return (self.text, self.problems) if self.problems else None


async def write_plan(case: Mapping[str, Any], ctx: Context, *, models: Tiers | None) -> dict[str, Any]:
    """A plan that is sound: `steps`, `outputs`, `planned_by`, `tries` and, where rules planned, `why`.

    Args:
        case: see `conversation`; `plan` is the `PlanSpec`.
        ctx: of the attempt; its option `model` is the tier, None for rules alone.
        models: of the process.

    Raises:
        InvalidOutput: neither the model nor the rules have a plan; and whatever a call raises.
    """
    rooms = await asyncio.to_thread(_import_checks)  # they take a while, in which the process must not stand still
    plan: PlanSpec = rooms["model"].PlanSpec.model_validate(case["plan"])
    tier = ctx.options.get("model")
    weak = tier is not None and models is not None and models.resolve(tier).provider == "local"
    ruled = rooms["rules_plan"].plan_by_rules(plan, case["given"], case["goal"])
    ruled = ruled if ruled is not None and not _is_previous(ruled, case) else None
    if tier is None or (weak and ruled is not None):
        why = "no model is named" if tier is None else "the local model is too weak to plan"
        return _ruled(ctx, ruled, 0, why)
    written = await _ask(case, ctx, plan, rooms["plans"])
    if written.plan is None:
        why = f"the model gave no sound plan in {written.tries} tries: {'; '.join(written.problems)}"
        return _ruled(ctx, ruled, written.tries, why)
    kept = {key: written.plan[key] for key in ("steps", "outputs")}
    return {**kept, "planned_by": f"model {tier}", "tries": written.tries, "why": ""}


def planner_worker(models: Any, database: Database) -> Worker[..., Any]:
    """The built-in worker that plans.

    Args:
        models: the process's `orchestrator.llm.Models`.
        database: where past attempts tell what workers cost.
    """

    async def planner(input: dict[str, Any], ctx: Context) -> Any:
        """Write the steps that reach a goal with some workers."""
        plan = await write_plan(input, ctx, models=models)
        return {**plan, "cost": await _cost(plan["steps"], ctx.tenant, database)}

    card = WorkerCard(PLANNER_WORKER, pool=PLANNER_POOL, description=planner.__doc__ or "")
    return Worker(planner, card, read_signature(planner), place="orchestrator")


async def _ask(case: Mapping[str, Any], ctx: Context, plan: PlanSpec, plans: Any) -> _Written:
    """Ask the model until its plan is sound, or `TRIES` times; every try is told to the next attempt."""
    last = ctx.last_heartbeat or {}
    written = _Written(last.get("tries", 0), last.get("text", ""), tuple(last.get("problems", ())))
    if written.tries >= TRIES:
        return written
    model, schema = await ctx.open_model(), plans.plan_schema(plan)
    from orchestrator.llm.structured import structured_turn  # by now the model clients are imported, in a thread

    while written.tries < TRIES and written.plan is None:
        messages = conversation(case, plan, schema, written.refused)
        result = await structured_turn(model, messages, schema, on_text=ctx.journal.say)
        written = _checked(result, written.tries + 1, case, plan, plans)
        if written.problems:
            ctx.heartbeat(tries=written.tries, text=written.text, problems=list(written.problems))
            ctx.log.warning("a plan was refused", number=written.tries, mistakes=list(written.problems))
    return written


def _checked(result: Any, tries: int, case: Mapping[str, Any], plan: PlanSpec, plans: Any) -> _Written:
    if result.problem is not None:
        return _Written(tries, result.text, (result.problem,))
    try:
        plans.check_plan(result.value, plan, case["given"], name="plan")
    except PlanInvalid as error:
        return _Written(tries, result.text, error.problems)
    return _Written(tries, result.text, plan=result.value)


def _ruled(ctx: Context, plan: dict[str, Any] | None, tries: int, why: str) -> dict[str, Any]:
    if plan is None:
        raise InvalidOutput(f"there is no plan: {why}; and rules find none among these workers, inputs and outputs")
    ctx.log.warning("planned by rules", why=why)
    return {**plan, "planned_by": RULES, "tries": tries, "why": why}


def _is_previous(plan: Mapping[str, Any], case: Mapping[str, Any]) -> bool:
    """Whether it has failed already."""
    return bool(case.get("previous")) and case["previous"].get("steps") == plan["steps"]


async def _cost(steps: list[dict[str, Any]], tenant: str, database: Database) -> dict[str, Any]:
    """What the steps are to be expected to cost by past attempts, for people: USD, and what is not known."""
    past = await worker_costs(database, sorted({step["worker"] for step in steps}), tenant=tenant)
    known = [past[step["worker"]] for step in steps if step["worker"] in past]
    return {
        "expected_usd": round(sum(known), 6),
        "not_known": sorted({step["worker"] for step in steps} - past.keys()),
        "of_each_item": [step["id"] for step in steps if "foreach" in step],
    }


def _import_checks() -> dict[str, Any]:
    return {name: import_module(f"orchestrator.workflow.{name}") for name in ("model", "plans", "rules_plan")}
