"""What one step costs in USD: what is to be expected, and the worst that its limits allow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.history import StepHistory
from orchestrator.domain.worker import AGENT_WORKER, HUMAN_WORKER, RUN_WORKER
from orchestrator.workflow.figures import Facts, Figure, ModelFacts, runs_text
from orchestrator.workflow.judge_cost import JudgeCost
from orchestrator.workflow.ladder import Target, at_most, ladder_of, one_iteration
from orchestrator.workflow.preview import PromptSize

if TYPE_CHECKING:
    from orchestrator.workflow.child_run import ChildRun
    from orchestrator.workflow.model import StepSpec

ASSUMED_ANSWER = 500
"""Tokens of an answer, where neither past runs nor a smaller limit tell."""

FEEDBACK_TOKENS = 200
"""What a revision's prompt has besides the rejected answer: the validators' messages."""


class StepCost:
    """The cost of one step.

    Args:
        spec: the step.
        facts: prices, past runs.
        prompt: of the first call, for agents.
        items: how many items, 1 without a `foreach`, None where it is not known.
        child: one of its child runs, where it starts any.
    """

    def __init__(
        self,
        spec: StepSpec,
        facts: Facts,
        prompt: PromptSize | None,
        items: int | None,
        child: ChildRun | None = None,
    ) -> None:
        self.spec, self.facts, self.items, self.size, self.child = spec, facts, items, prompt, child
        self.iterations = spec.repeat.max if spec.repeat is not None else 1
        self.ladder = ladder_of(spec)
        self.history = facts.history_of(spec.id, spec.worker)
        self.judging = JudgeCost(spec, facts)
        self.tokens = 0
        if prompt is not None:
            size = prompt.size + sum(facts.tools.get(name, 0) for name in spec.tools)
            self.tokens = math.ceil(size / facts.bytes_per_token) + prompt.messages * facts.tokens_per_message

    def prompt(self) -> Figure | None:
        """Tokens of an agent's first call; None for a worker."""
        if self.size is None:
            return None
        if self.size.reads:
            return Figure(self.tokens, f"without {', '.join(self.size.reads)}")
        return Figure(self.tokens, "rendered with these inputs")

    def _all_items(self, one: Figure) -> Figure:
        if self.items is None:
            return replace(one, each=True)
        return one.times(self.items, one.source if self.items == 1 else f"{one.source}, {self.items} items")

    def expected(self) -> Figure:
        """From past runs where there are any, else one call or child run for every item, in one iteration."""
        known = self.facts.model(self.spec.model) if self.spec.worker == AGENT_WORKER else None
        if self.spec.worker == AGENT_WORKER and known is None:
            return Figure(None, f"the tier {self.spec.model!r} is not in configs/models.yaml")
        if self.history is not None and (past := self._past_cost(self.history, known[1] if known else None)):
            return past
        one = self._judged(self._one_call(*known) if known is not None else self._one_run())
        if one.value is None or (self.spec.worker == HUMAN_WORKER and not self.judging.judges):
            return one
        return self._all_items(replace(one, source=one.source + one_iteration(self.spec)))

    def _judged(self, one: Figure) -> Figure:
        """With what it costs to judge the output."""
        if one.value is None or not self.judging.judges:
            return one
        judging = self.judging.expected()
        return (
            judging if judging.value is None else replace(one.plus(judging), source=f"{one.source}, {judging.source}")
        )

    def _one_run(self) -> Figure:
        if self.spec.worker == HUMAN_WORKER:
            return Figure(0.0, "a person answers")
        if self.child is not None:
            return self.child.expected_cost
        return Figure(None, "a worker's own model calls are known from past runs only")

    def _one_call(self, tier: str, model: ModelFacts) -> Figure:
        answer = min(ASSUMED_ANSWER, model.max_tokens or ASSUMED_ANSWER)
        cost = model.cost(self.tokens, answer)
        if cost is None:
            return Figure(None, f"no price is known for {model.model}")
        if self.spec.tools:  # the least that tools are good for: one turn that calls some, and the answer
            cost += model.cost(self.tokens + answer, answer) or 0.0
        calls = "two turns" if self.spec.tools else "one call"
        sure = self.size is not None and not self.size.reads and not self.spec.tools
        sizes = f"~{self.tokens} → {answer} tokens{'' if sure else ' at least'}"
        return Figure(cost, f"{calls} of {tier}, {sizes}, {model.priced_by}")

    def _past_cost(self, past: StepHistory, model: ModelFacts | None) -> Figure | None:
        """From past runs: their tokens at today's prices; what they cost then, if not all are of the step's model."""
        if self.judging.judges:
            model, cost = None, past.cost_usd
        else:
            cost = model.cost(past.input_tokens, past.output_tokens) if model is not None else past.cost_usd or 0.0
        if cost is None or (model is not None and not past.output_tokens):
            return None
        what = "tokens of {} at today's prices" if model is not None else "mean of {}"
        source = what.format(runs_text(past.runs))
        if self.spec.foreach is None or not past.items:
            return Figure(cost, source)
        if self.items is None:
            return Figure(cost, f"{source}, {past.items:g} items")
        return Figure(cost / past.items * self.items, f"{source}, {self.items} items")

    def worst(self) -> Figure:
        """Every attempt that the ladder allows, each as dear as its limits let it be; in every iteration."""
        total, sources = Figure(0.0, ""), dict[str, None]()
        for place, rung in enumerate(self.ladder.rungs):
            calls = [self._dearest_call(target, first=place == 0) for target in rung.targets]
            unknown = next((call for call in calls if call.value is None), None)
            if unknown is not None:
                return unknown
            dearest = max(calls, key=lambda call: call.value or 0.0)
            more = max((call.more for call in calls), key=len)
            total = total.plus(replace(dearest, more=more).times(rung.rounds * self.ladder.tries_on(rung), ""))
            sources |= dict.fromkeys(call.source for call in calls if call.value or call.more)
        if not self._has_price():
            return Figure(None, "a worker's own model calls have no limit here")
        judging = self.judging.worst()
        if judging.value is None:
            return judging
        total = total.plus(judging.times(self.ladder.rounds * self.ladder.tries, ""))
        return self._all_items(total.times(self.iterations, self._worst_source(list(sources))))

    def _has_price(self) -> bool:
        """Whether anything but workers, whose own calls are not known, carries it out."""
        workers = {worker for rung in self.ladder.rungs for worker in rung.workers}
        return bool(workers & {AGENT_WORKER, RUN_WORKER}) or workers == {HUMAN_WORKER}

    def _worst_source(self, sources: list[str]) -> str:
        if self.judging.votes:
            sources = [*sources, f"{self.judging.votes * self.ladder.rounds * self.ladder.tries} votes"]
            return ", ".join([*sources, at_most(self.spec)] if self.ladder.work or self.child else sources)
        if self.child is not None:
            return ", ".join([*sources, at_most(self.spec)])
        return at_most(self.spec) if self.ladder.work else "a person answers"

    def _dearest_call(self, target: Target, *, first: bool) -> Figure:
        """The most that one call or child run may cost; a worker's own calls are left out."""
        if target.worker == RUN_WORKER and self.child is not None:
            return self.child.worst_cost
        if target.worker != AGENT_WORKER:
            return Figure(0.0, "a worker")
        known = self.facts.model(target.model)
        if known is None:
            return Figure(None, f"the tier {target.model!r} is not in configs/models.yaml")
        tier, model = known
        if model.free:
            return Figure(0.0, model.priced_by)
        turns, own = self._dearest_turns(tier, model, first=first), self.spec.budget
        if own is None or own.usd is None or (turns.value is not None and turns.value <= own.usd):
            return turns
        return Figure(own.usd, f"the step's budget of {own.usd:g}")

    def _dearest_turns(self, tier: str, model: ModelFacts, *, first: bool) -> Figure:
        """One call, or with tools as many as there are turns, which read what the tools gave."""
        cap, cost = self.spec.price_cap_usd, self._bound(model, first=first)
        if cap is None:
            return Figure(cost, f"max_tokens of {tier}" if cost is not None else self._why_unbounded(tier, model))
        turns = self.spec.max_turns or 1
        if self.spec.tools:
            return Figure(cap * turns, f"price_cap_usd of {cap:g}, {turns} turns")
        return Figure(cap if cost is None else min(cap, cost), f"price_cap_usd of {cap:g}")

    def _bound(self, model: ModelFacts, *, first: bool) -> float | None:
        """What the longest prompt and the longest answer cost; None where either has no limit."""
        limit = model.max_tokens
        if limit is None and self.spec.price_cap_usd is not None:
            limit = self.facts.capped_tokens
        if limit is None or self.size is None or self.size.reads or self.spec.tools:
            return None
        again = 0 if first else limit + FEEDBACK_TOKENS
        return model.cost(self.tokens + again, limit)

    def _why_unbounded(self, tier: str, model: ModelFacts) -> str:
        if model.cost(1, 1) is None:
            return f"no price is known for {model.model}"
        if model.max_tokens is None:
            return f"no limit: neither price_cap_usd nor max_tokens of {tier}"
        if self.spec.tools:
            return "no limit: the model reads what its tools give, and there is no price_cap_usd"
        reads = ", ".join(self.size.reads) if self.size else ""
        return f"no limit: the prompt reads {reads}, and there is no price_cap_usd"

    def troubles(self) -> list[str]:
        """Price caps that refuse every first call, or every vote; a model that cannot call the tools."""
        return [*self._own_troubles(), *self.judging.troubles()]

    def _own_troubles(self) -> list[str]:
        known, cap = self.facts.model(self.spec.model), self.spec.price_cap_usd
        if self.spec.worker != AGENT_WORKER or known is None:
            return []
        if self.spec.tools and not known[1].calls_tools:
            return [f"the tier {known[0]} is the local model, which cannot call tools"]
        model, own = known[1], self.spec.budget
        limited = self.facts.usd_limited or (own is not None and own.usd is not None)
        if cap is None:
            unknown = limited and model.cost(1, 1) is None
            return [f"no price is known for {model.model}: under a budget in USD it is not asked"] if unknown else []
        return [] if model.free else self._cap_troubles(model, cap)

    def _cap_troubles(self, model: ModelFacts, cap: float) -> list[str]:
        least = model.cost(self.tokens, model.max_tokens or 1)
        if least is None:
            return [f"no price is known for {model.model}, so its price cap refuses every call"]
        if least > cap:
            return [f"a call may cost {least:.4f} USD, more than its price cap of {cap:g}, so it is refused"]
        return []
