"""What past runs say of a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepHistory:
    """A step over the newest succeeded runs of its workflow in which it succeeded.

    Attributes:
        worker: who carried it out then.
        runs: how many runs this is about.
        seconds: from its start to its end; the median.
        items: of its `foreach`, the median; None without one.
        attempts: work attempts in a run, the mean.
        input_tokens, output_tokens: in a run, the means, validators included.
        cost_usd: in a run, the mean, validators included; None where no price was known or no model was called.
    """

    step: str
    worker: str
    runs: int
    seconds: float | None
    items: float | None
    attempts: float
    input_tokens: float
    output_tokens: float
    cost_usd: float | None
