"""The attempts that a step may come to at most: first try, revisions and escalations, each with its retries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.policy import ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind
from orchestrator.domain.worker import HUMAN_WORKER, RUN_WORKER, UNCLAIMED, VALIDATOR_POOL

if TYPE_CHECKING:
    from orchestrator.workflow.model import StepSpec


@dataclass(frozen=True, slots=True)
class Target:
    """Who would carry an attempt out; `model` is a tier, None for a worker; `pool` is empty for a person or a run."""

    worker: str
    pool: str
    model: str | None = None

    def escalated(self, to: Remedy | ErrorRule) -> Target:
        """The target after an escalation of a step whose own target this is: another worker, or its own, an agent."""
        if to.worker is None:
            return Target(self.worker, self.pool, to.model or self.model)
        return Target(to.worker, "" if to.worker in UNCLAIMED else to.pool or self.pool)


@dataclass(frozen=True, slots=True)
class Rung:
    """Some rounds of an item, each of which is up to `retry.max_attempts` attempts until one gives an output.

    Attributes:
        why: `first`, `revise` or `escalate`.
        rounds: how many at most.
        targets: any of these may be the one; more than one only where `on_error` escalates.
    """

    why: str
    rounds: int
    targets: tuple[Target, ...]

    @property
    def workers(self) -> frozenset[str]:
        """The names of its targets."""
        return frozenset(target.worker for target in self.targets)


@dataclass(frozen=True, slots=True)
class Ladder:
    """All rungs of one item, in their order; of one iteration, where the step repeats.

    Attributes:
        tries: attempts of one round at most, the first included.
        judges: validators that are attempts of their own, once a round and each with its retries.
    """

    rungs: tuple[Rung, ...]
    tries: int
    judges: int

    @property
    def rounds(self) -> int:
        """Outputs at most."""
        return sum(rung.rounds for rung in self.rungs)

    def tries_on(self, rung: Rung) -> int:
        """Attempts of one of the rung's rounds at most: of a person and of a child run there is no retry."""
        return self.tries if rung.workers - UNCLAIMED else 1

    @property
    def work(self) -> int:
        """Attempts of one item that a worker carries out, at most; validators aside."""
        return sum(rung.rounds * self.tries for rung in self.rungs if rung.workers - UNCLAIMED)

    @property
    def runs(self) -> int:
        """Child runs of one item at most."""
        return sum(rung.rounds for rung in self.rungs if RUN_WORKER in rung.workers)

    @property
    def asks(self) -> int:
        """Questions to people for one item at most."""
        return sum(rung.rounds for rung in self.rungs if HUMAN_WORKER in rung.workers)

    @property
    def verdicts(self) -> int:
        """Attempts of validators at most, for one item."""
        return self.rounds * self.judges * self.tries


def ladder_of(spec: StepSpec) -> Ladder:
    """The ladder of a step. It mirrors `orchestrator.domain.item`, where each attempt is decided."""
    own = Target(spec.worker, spec.pool, spec.model)
    rules = [rule for rule in spec.on_error if rule.kind is RuleKind.ESCALATE]
    rungs, reach = [Rung("first", 1, (own,))], _closed(own, rules, own)
    for remedy in spec.on_invalid:
        if remedy.kind in (RemedyKind.CONTINUE, RemedyKind.FAIL):
            break
        if remedy.kind is RemedyKind.ESCALATE:
            reach = _closed(own.escalated(remedy), rules, own)
        rungs.append(Rung(remedy.kind.value, remedy.times, reach))
    rungs += [Rung("escalate", 1, (own.escalated(rule),)) for rule in rules]
    judges = sum(validator.worker is not None for validator in spec.validators)
    return Ladder(tuple(rungs), tries_of(spec.retry), judges)


def tries_of(retry: RetryPolicy) -> int:
    """Attempts of one round at most."""
    return retry.max_attempts if retry.errors else 1


def waits_of(retry: RetryPolicy) -> float:
    """Seconds between the attempts of one round at most, all together."""
    backoff = retry.backoff
    return sum(min(backoff.max, backoff.initial * backoff.factor**past) for past in range(tries_of(retry) - 1))


def attempts_by_pool(spec: StepSpec) -> dict[str, int]:
    """Attempts of one item and iteration at most in each pool.

    Where one of several pools would serve a rung, each counts it.
    """
    ladder, found = ladder_of(spec), dict[str, int]()
    for rung in ladder.rungs:
        for pool in dict.fromkeys(target.pool for target in rung.targets if target.worker not in UNCLAIMED):
            found[pool] = found.get(pool, 0) + rung.rounds * ladder.tries
    for validator in spec.validators:
        if validator.worker is not None:
            pool = validator.pool or VALIDATOR_POOL
            found[pool] = found.get(pool, 0) + ladder.rounds * ladder.tries
    return found


def at_most(spec: StepSpec) -> str:
    """What one item may come to, in words: `12 attempts, 3 iterations at most`."""
    ladder = ladder_of(spec)
    counts = [(ladder.runs, "child run"), (ladder.work, "attempt"), (ladder.asks, "question")]
    parts = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count]
    parts += [f"{spec.max_turns} turns each"] if spec.tools else []
    return ", ".join([*parts, *([f"{spec.repeat.max} iterations"] if spec.repeat is not None else [])]) + " at most"


def one_iteration(spec: StepSpec) -> str:
    """What is added to the source of a figure that takes a repeated step to be done after its first iteration."""
    return f", one iteration of {spec.repeat.max} at most" if spec.repeat is not None else ""


def _closed(target: Target, rules: Iterable[ErrorRule], own: Target) -> tuple[Target, ...]:
    """The target, and those that `on_error` may have handed the item to from there."""
    return tuple(dict.fromkeys([target, *(own.escalated(rule) for rule in rules)]))
