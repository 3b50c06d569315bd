"""A number with where it comes from, and the numbers that a forecast is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.domain.history import StepHistory


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a forecast.

    Attributes:
        value: None where it is not known.
        source: where it comes from, or why it is not known; for people.
        each: it is for one item of a `foreach` whose number of items is not known.
        more: what every item adds to it, for the steps of a child run whose number of items is not known.
    """

    value: float | None
    source: str
    each: bool = False
    more: tuple[tuple[str, float], ...] = ()

    def times(self, count: int, source: str) -> Figure:
        """So many of it; of none, nothing."""
        more = tuple((step, value * count) for step, value in self.more if value and count)
        return replace(self, value=None if self.value is None else self.value * count, source=source, more=more)

    def plus(self, other: Figure) -> Figure:
        """Both together, for the same items; not known if either is not known."""
        known = self.value is not None and other.value is not None
        value = (self.value or 0) + (other.value or 0) if known else None
        return replace(self, value=value, each=self.each or other.each, more=(*self.more, *other.more))


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over steps.

    Attributes:
        value: what is known of it, None where nothing is.
        each: what every item adds, for the steps whose number of items is not known; `review/search` is the step
            `search` of the run that `review` starts.
        missing: steps of which nothing is known.
    """

    value: float | None
    each: tuple[tuple[str, float], ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, figures: Iterable[tuple[str, Figure]]) -> Total:
        """The sum of the figures of some steps. Nothing for each of n items is nothing."""
        known, each, missing = list[float](), list[tuple[str, float]](), list[str]()
        for step, figure in figures:
            if figure.value is None:
                missing.append(step)
            elif figure.each and figure.value:
                each.append((step, figure.value))
            else:
                known.append(figure.value)
            each += [(f"{step}/{inner}", value) for inner, value in figure.more]
        return cls(sum(known) if known or not missing else None, tuple(each), tuple(missing))

    @property
    def whole(self) -> float | None:
        """The value, None where it is not all."""
        return None if self.each or self.missing else self.value


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A tier of `configs/models.yaml`.

    Attributes:
        model: what stands behind it.
        input_price, output_price: USD for one token, None where no price is known.
        priced_by: where the prices come from.
        max_tokens: of an answer, None where the tier sets no limit.
        timeout: seconds for one call.
        calls_tools: whether it can.
    """

    model: str
    input_price: float | None = None
    output_price: float | None = None
    priced_by: str = ""
    max_tokens: int | None = None
    timeout: float | None = None
    calls_tools: bool = True

    def cost(self, input_tokens: float, output_tokens: float) -> float | None:
        """USD for so many tokens."""
        if self.input_price is None or self.output_price is None:
            return None
        return input_tokens * self.input_price + output_tokens * self.output_price

    @property
    def free(self) -> bool:
        """Whether it costs nothing, however much it is asked."""
        return self.input_price == 0 and self.output_price == 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a forecast knows besides the workflow and its inputs.

    Attributes:
        models: by tier; an agent without a tier gets the first.
        timeouts: the attempt timeout that a worker or validator declares, in seconds, by its name.
        history: by step.
        callees: the same of the workflows that child runs carry out, by their names.
        bytes_per_token, tokens_per_message: how a prompt's tokens are guessed from its size.
        capped_tokens: an answer's limit under a price cap, where the tier sets none.
        tenant: whose run it would be.
        tools: bytes of what a model is told of each worker and tool, by its name.
        usd_limited: whether the run has a budget in USD: a model whose price is not known is not asked then.
    """

    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    timeouts: Mapping[str, float | None] = field(default_factory=dict)
    history: Mapping[str, StepHistory] = field(default_factory=dict)
    callees: Mapping[str, Mapping[str, StepHistory]] = field(default_factory=dict)
    bytes_per_token: int = 3
    tokens_per_message: int = 8
    capped_tokens: int = 8_192
    tenant: str = "default"
    tools: Mapping[str, int] = field(default_factory=dict)
    usd_limited: bool = False

    def model(self, tier: str | None) -> tuple[str, ModelFacts] | None:
        """A tier's name and facts; the first for None, and None where there is no such tier."""
        name = tier if tier is not None else next(iter(self.models), "")
        return (name, self.models[name]) if name in self.models else None

    def history_of(self, step: str, worker: str) -> StepHistory | None:
        """The past of a step, as long as the same worker carried it out."""
        found = self.history.get(step)
        return found if found is not None and found.worker == worker else None

    def of_callee(self, workflow: str) -> Facts:
        """What is known for a child run of the workflow of that name."""
        return replace(self, history=self.callees.get(workflow, {}))


def runs_text(count: int) -> str:
    """`1 past run`, `12 past runs`."""
    return "1 past run" if count == 1 else f"{count} past runs"
