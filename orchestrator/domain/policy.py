"""What a step does when something goes wrong: retry, timeouts, remedies for bad output, rules for errors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.domain.outcome import INFRASTRUCTURE_ERRORS


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before try n+1: initial · factor^(n-1), at most `max`, jittered by half when `jitter`."""

    initial: float = 0.5
    factor: float = 2.0
    max: float = 30.0
    jitter: bool = True

    def delay(self, tries: int, seed: str) -> float:
        """The wait after try number `tries` (from 1). Jitter comes from `seed`, so that a replay waits alike."""
        plain = min(self.max, self.initial * self.factor ** (tries - 1))
        if not self.jitter:
            return plain
        fraction = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=4).digest(), "big") / 2**32
        return plain * (0.5 + 0.5 * fraction)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry of infrastructure errors. `max_attempts` counts the first try, afresh for each revision."""

    max_attempts: int = 3
    errors: tuple[str, ...] = INFRASTRUCTURE_ERRORS
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `attempt` from claim, `idle` since the last heartbeat once one was sent, `total` from readiness."""

    attempt: float | None = None
    idle: float | None = None
    total: float | None = None


class RemedyKind(StrEnum):
    """What `on_invalid` can do."""

    REVISE = "revise"
    ESCALATE = "escalate"
    CONTINUE = "continue"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One entry of `on_invalid`, used `times` times before the next is tried.

    For ESCALATE exactly one of `model`, `worker` is set; `pool` is the pool that the escalation's worker serves.
    """

    kind: RemedyKind
    times: int = 1
    model: str | None = None
    worker: str | None = None
    pool: str | None = None


class RuleKind(StrEnum):
    """What `on_error` can do."""

    CONTINUE = "continue"
    FAIL = "fail"
    SKIP = "skip"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One entry of `on_error`: the first whose `condition` (CEL over `error`; empty is always) holds is applied."""

    kind: RuleKind
    condition: str = ""
    output: Any = field(default=None, hash=False)
    model: str | None = None
    worker: str | None = None
    pool: str | None = None
