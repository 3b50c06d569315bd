"""What one step costs in USD: what is to be expected, and the worst that its limits allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.domain.history import StepHistory
from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.workflow.figures import Facts, Figure, ModelFacts, runs_text
from orchestrator.workflow.ladder import Target, ladder_of
from orchestrator.workflow.preview import PromptSize

if TYPE_CHECKING:
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
    """

    def __init__(self, spec: StepSpec, facts: Facts, prompt: PromptSize | None, items: int | None) -> None:
        self.spec, self.facts, self.items, self.size = spec, facts, items, prompt
        self.ladder = ladder_of(spec)
        self.history = facts.history_of(spec.id, spec.worker)
        self.tokens = 0
        if prompt is not None:
            self.tokens = math.ceil(prompt.size / facts.bytes_per_token) + prompt.messages * facts.tokens_per_message

    def prompt(self) -> Figure | None:
        """Tokens of an agent's first call; None for a worker."""
        if self.size is None:
            return None
        if self.size.reads:
            return Figure(self.tokens, f"without {', '.join(self.size.reads)}")
        return Figure(self.tokens, "rendered with these inputs")

    def _all_items(self, value: float, source: str) -> Figure:
        if self.items is None:
            return Figure(value, source, each=True)
        return Figure(value * self.items, source if self.items == 1 else f"{source}, {self.items} items")

    def expected(self) -> Figure:
        """From past runs where there are any, else one call for every item."""
        known = self.facts.model(self.spec.model) if self.spec.worker == AGENT_WORKER else None
        if self.spec.worker == AGENT_WORKER and known is None:
            return Figure(None, f"the tier {self.spec.model!r} is not in configs/models.yaml")
        if self.history is not None and (past := self._past_cost(self.history, known[1] if known else None)):
            return past
        if known is None:
            return Figure(None, "a worker's own model calls are known from past runs only")
        tier, model = known
        answer = min(ASSUMED_ANSWER, model.max_tokens or ASSUMED_ANSWER)
        cost = model.cost(self.tokens, answer)
        if cost is None:
            return Figure(None, f"no price is known for {model.model}")
        prompt = self.prompt()
        sizes = f"~{self.tokens} → {answer} tokens{'' if self.size and not self.size.reads else ' at least'}"
        assert prompt is not None
        return self._all_items(cost, f"one call of {tier}, {sizes}, {model.priced_by}")

    def _past_cost(self, past: StepHistory, model: ModelFacts | None) -> Figure | None:
        """From past runs: their tokens at today's prices, for a worker what its calls cost then."""
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
        """Every attempt that the ladder allows, each as dear as its limits let it be."""
        total = 0.0
        for place, rung in enumerate(self.ladder.rungs):
            calls = rung.rounds * self.ladder.tries
            dearest = 0.0
            for target in rung.targets:
                call = self._dearest_call(target, first=place == 0)
                if call.value is None:
                    return call
                dearest = max(dearest, call.value)
            total += calls * dearest
        if not any(target.worker == AGENT_WORKER for rung in self.ladder.rungs for target in rung.targets):
            return Figure(None, "a worker's own model calls have no limit here")
        return self._all_items(total, f"{self.ladder.work} attempts at most")

    def _dearest_call(self, target: Target, *, first: bool) -> Figure:
        """The most that one call may cost; a worker's own calls are left out."""
        if target.worker != AGENT_WORKER:
            return Figure(0.0, "a worker")
        known = self.facts.model(target.model)
        if known is None:
            return Figure(None, f"the tier {target.model!r} is not in configs/models.yaml")
        tier, model = known
        if model.free:
            return Figure(0.0, model.priced_by)
        cap, cost = self.spec.price_cap_usd, self._bound(model, first=first)
        if cap is not None:
            return Figure(cap if cost is None else min(cap, cost), f"price_cap_usd of {cap:g}")
        return Figure(cost, f"max_tokens of {tier}" if cost is not None else self._why_unbounded(tier, model))

    def _bound(self, model: ModelFacts, *, first: bool) -> float | None:
        """What the longest prompt and the longest answer cost; None where either has no limit."""
        limit = model.max_tokens
        if limit is None and self.spec.price_cap_usd is not None:
            limit = self.facts.capped_tokens
        if limit is None or self.size is None or self.size.reads:
            return None
        again = 0 if first else limit + FEEDBACK_TOKENS
        return model.cost(self.tokens + again, limit)

    def _why_unbounded(self, tier: str, model: ModelFacts) -> str:
        if model.cost(1, 1) is None:
            return f"no price is known for {model.model}"
        if model.max_tokens is None:
            return f"no limit: neither price_cap_usd nor max_tokens of {tier}"
        reads = ", ".join(self.size.reads) if self.size else ""
        return f"no limit: the prompt reads {reads}, and there is no price_cap_usd"

    def troubles(self) -> list[str]:
        """Price caps that refuse every first call."""
        known, cap = self.facts.model(self.spec.model), self.spec.price_cap_usd
        if self.spec.worker != AGENT_WORKER or known is None or cap is None or known[1].free:
            return []
        model = known[1]
        least = model.cost(self.tokens, model.max_tokens or 1)
        if least is None:
            return [f"no price is known for {model.model}, so its price cap refuses every call"]
        if least > cap:
            return [f"a call may cost {least:.4f} USD, more than its price cap of {cap:g}, so it is refused"]
        return []
