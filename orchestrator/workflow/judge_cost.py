"""What the judges of one step cost in USD, for one output: expected, and the worst that the price caps allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.workflow.figures import Facts, Figure

if TYPE_CHECKING:
    from orchestrator.workflow.model import JudgeSpec, StepSpec

INSTRUCTIONS = 1_500
"""Bytes of a judge's prompt besides its rubric and what is judged."""

ASSUMED_OUTPUT = 500
"""Tokens of what is judged: the output, the step's `with`, and what the rubric speaks of."""

ASSUMED_VOTE = 150
"""Tokens of a vote."""


class JudgeCost:
    """The cost of judging one output of a step, whose judges are each asked once; of none, nothing."""

    def __init__(self, spec: StepSpec, facts: Facts) -> None:
        self.judges = spec.judges
        self.facts = facts
        self.votes = sum(judge.votes for judge in self.judges)

    def expected(self) -> Figure:
        """Every vote once, of an output of an assumed size."""
        total = Figure(0.0, "")
        for judge in self.judges:
            known = self.facts.model(judge.model)
            if known is None:
                return _no_tier(judge)
            tier, model = known
            answer = min(ASSUMED_VOTE, model.max_tokens or ASSUMED_VOTE)
            cost = model.cost(self._tokens(judge) + ASSUMED_OUTPUT, answer)
            if cost is None:
                return Figure(None, f"no price is known for {model.model}, which judges")
            votes = f"{judge.votes} vote{'' if judge.votes == 1 else 's'} of {tier}"
            total = total.plus(Figure(cost * judge.votes, ""))
            total = Figure(total.value, ", ".join(filter(None, [total.source, votes])))
        return total

    def worst(self) -> Figure:
        """Every vote as dear as its price cap lets it be; no limit is known of what is judged."""
        total = 0.0
        for judge in self.judges:
            known = self.facts.model(judge.model)
            if known is None:
                return _no_tier(judge)
            if known[1].free:
                continue
            if judge.price_cap_usd is None:
                return Figure(None, f"no limit: {known[0]} judges without a price_cap_usd")
            total += judge.price_cap_usd * judge.votes
        return Figure(total, f"{self.votes} votes")

    def troubles(self) -> list[str]:
        """Price caps that refuse every vote."""
        found = []
        for judge in self.judges:
            known, cap = self.facts.model(judge.model), judge.price_cap_usd
            if known is not None and cap is None and self.facts.usd_limited and known[1].cost(1, 1) is None:
                found.append(f"no price is known for {known[1].model}, and under a budget in USD it does not judge")
            if known is None or cap is None or known[1].free:
                continue
            least = known[1].cost(self._tokens(judge), known[1].max_tokens or 1)
            if least is None:
                found.append(f"no price is known for {known[1].model}, so its price cap refuses every vote")
            elif least > cap:
                found.append(f"a vote may cost {least:.4f} USD, more than its price cap of {cap:g}, so it is refused")
        return found

    def _tokens(self, judge: JudgeSpec) -> int:
        """Of the prompt, without what is judged."""
        size = len(judge.rubric.encode(errors="replace")) + INSTRUCTIONS
        return math.ceil(size / self.facts.bytes_per_token) + 2 * self.facts.tokens_per_message


def _no_tier(judge: JudgeSpec) -> Figure:
    return Figure(None, f"the tier {judge.model!r}, which judges, is not in configs/models.yaml")
