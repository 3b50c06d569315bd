"""One item's way through attempts and verdicts. A step without `foreach` is a single item with index NO_ITEM.

Every function here is pure: it takes what the supervisor knows of the item and what came in, and gives what is known
after it. An item left READY, or with a judge left READY, is what dispatch turns into attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.domain.identity import NO_ITEM, AttemptId
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import Payload, PayloadRef
from orchestrator.domain.policy import ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind
from orchestrator.domain.verdict import Verdict, failures


class Phase(StrEnum):
    """Where an item, or one of its judges, stands. READY waits for dispatch; the last four are settled."""

    READY = "ready"
    RUNNING = "running"
    VALIDATING = "validating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


SETTLED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.SKIPPED, Phase.CANCELLED})


@dataclass(frozen=True, slots=True)
class Judge:
    """A validator that runs as an attempt of its own: READY to be sent, RUNNING, or SUCCEEDED with its verdict in.

    Those of a later `stage` are asked only once all of the stage before have passed the output.
    """

    name: str
    phase: Phase = Phase.READY
    attempt: AttemptId | None = None
    tries: int = 0
    delay: float = 0.0
    stage: int = 0


@dataclass(frozen=True, slots=True)
class ItemState:
    """What the supervisor knows of one item.

    Attributes:
        number: attempts so far, over all revisions; the last one's number.
        tries: attempts of the present revision, for `retry.max_attempts`.
        remedy, remedy_used: the place in `on_invalid`, and how often that entry was used.
        rules_used: places in `on_error` whose escalation was used; none is used twice.
        worker, pool, model: set by an escalation, else None: the step's own.
        with_: the step's rendered `with`, None while it is still to be rendered; for agents `input` is the prompt's
            envelope besides.
        feedback, rejected: why the last output was refused, and that output; for the next revision.
        delay, why: before the next attempt, and the reason for it ("retry after timeout").
        ready_at: Unix seconds, from when the `total` timeout counts; moved on by the time that a person took.
        asked_at: Unix seconds, since when a person is asked; 0 while none is.
        iteration, previous: of a `repeat`, from 1, and the output of the iteration before it.
        marked: an invalid output that moved on by `on_invalid: continue`.
        dead: it failed because the tries that `retry` gives to infrastructure errors were used up.
    """

    step: str
    index: int = NO_ITEM
    phase: Phase = Phase.READY
    number: int = 0
    tries: int = 0
    revision: int = 0
    remedy: int = 0
    remedy_used: int = 0
    rules_used: tuple[int, ...] = ()
    worker: str | None = None
    pool: str | None = None
    model: str | None = None
    with_: PayloadRef | None = None
    input: PayloadRef | None = None
    idempotency_key: str = ""
    attempt: AttemptId | None = None
    judges: tuple[Judge, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    output: PayloadRef | None = None
    error: ErrorInfo | None = None
    feedback: tuple[str, ...] = ()
    rejected: PayloadRef | None = None
    delay: float = 0.0
    why: str = ""
    ready_at: float = 0.0
    asked_at: float = 0.0
    iteration: int = 1
    previous: PayloadRef | None = None
    marked: bool = False
    dead: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing more will be tried."""
        return self.phase in SETTLED

    @property
    def wants_dispatch(self) -> bool:
        """Whether dispatch has an attempt to send for it."""
        return self.phase is Phase.READY or (self.phase is Phase.VALIDATING and bool(self.judges_due))

    @property
    def judges_due(self) -> tuple[Judge, ...]:
        """The judges to be asked now: those READY of the first stage that is not over."""
        stage = min((judge.stage for judge in self.judges if judge.phase is not Phase.SUCCEEDED), default=0)
        return tuple(judge for judge in self.judges if judge.phase is Phase.READY and judge.stage == stage)


ChooseRule = Callable[[ErrorInfo, tuple[int, ...]], "tuple[int, ErrorRule] | None"]
"""Gives the first rule of `on_error` that matches and may be used, with its place; None when there is none."""


def on_sent(item: ItemState, attempt: AttemptId) -> ItemState:
    """The item's work was enqueued as `attempt`."""
    return replace(
        item,
        phase=Phase.RUNNING,
        attempt=attempt,
        number=item.number + 1,
        tries=item.tries + 1,
        delay=0.0,
        why="",
    )


def on_asked(item: ItemState, now: float) -> ItemState:
    """The attempt that was just sent is a question to a person."""
    return replace(item, asked_at=now)


def on_answered(item: ItemState, now: float) -> ItemState:
    """A person answers no more, or has answered: the time that it took is not the step's."""
    return replace(item, ready_at=item.ready_at + now - item.asked_at, asked_at=0.0) if item.asked_at else item


def on_judge_sent(item: ItemState, name: str, attempt: AttemptId) -> ItemState:
    """The validator `name` was enqueued as `attempt`."""
    return _with_judge(
        item, name, lambda j: replace(j, phase=Phase.RUNNING, attempt=attempt, tries=j.tries + 1, delay=0.0)
    )


def on_output(
    item: ItemState,
    output: PayloadRef,
    verdicts: Sequence[Verdict],
    judges: Sequence[str],
    remedies: Sequence[Remedy],
    *,
    later: Sequence[str] = (),
) -> ItemState:
    """The work succeeded with `output`; `verdicts` are those of the pure validators.

    `judges` are still to be asked, and once all of them have passed it those of `later`, which are dearer.
    """
    seen = replace(item, output=output, verdicts=tuple(verdicts), judges=(), error=None)
    if failures(verdicts):
        return on_invalid(seen, failures(verdicts), remedies)
    asked = (*(Judge(name) for name in judges), *(Judge(name, stage=1) for name in later))
    return replace(seen, phase=Phase.VALIDATING if asked else Phase.SUCCEEDED, judges=asked)


def on_verdict(item: ItemState, verdict: Verdict, remedies: Sequence[Remedy]) -> ItemState:
    """A judge answered. Once all of its stage have, the item moves on: to the next stage, SUCCEEDED, or a remedy."""
    heard = _with_judge(item, verdict.validator, lambda judge: replace(judge, phase=Phase.SUCCEEDED))
    heard = replace(heard, verdicts=(*item.verdicts, verdict))
    stage = next(judge.stage for judge in item.judges if judge.name == verdict.validator)
    waiting = [judge.stage for judge in heard.judges if judge.phase is not Phase.SUCCEEDED]
    if stage in waiting:
        return heard
    if failures(heard.verdicts):
        return on_invalid(heard, failures(heard.verdicts), remedies)
    return heard if waiting else replace(heard, phase=Phase.SUCCEEDED, judges=())


def on_invalid(item: ItemState, feedback: Sequence[str], remedies: Sequence[Remedy]) -> ItemState:
    """The output was refused: apply the next remedy that is left; none left is a failure."""
    place, used = item.remedy, item.remedy_used
    while place < len(remedies) and used >= remedies[place].times:
        place, used = place + 1, 0
    remedy = remedies[place] if place < len(remedies) else Remedy(RemedyKind.FAIL)
    refused = replace(item, remedy=place, remedy_used=used + 1, judges=(), feedback=tuple(feedback))
    if remedy.kind is RemedyKind.CONTINUE and item.output is not None:
        return replace(refused, phase=Phase.SUCCEEDED, marked=True)
    if remedy.kind in (RemedyKind.FAIL, RemedyKind.CONTINUE):  # malformed output leaves nothing to continue with
        error = ErrorInfo("invalid_output", "invalid_output", "; ".join(feedback))
        return replace(refused, phase=Phase.FAILED, error=error)
    again = _again(refused, why=remedy.kind.value)
    if remedy.kind is RemedyKind.ESCALATE:
        return _escalated(again, remedy.worker, remedy.pool, remedy.model)
    return again


def on_failure(
    item: ItemState, error: ErrorInfo, retry: RetryPolicy, remedies: Sequence[Remedy], choose: ChooseRule
) -> ItemState:
    """The attempt failed: retry infrastructure errors, treat malformed output as invalid, else ask `on_error`."""
    failed = replace(item, error=error)
    if error.error_class == "invalid_output":
        return on_invalid(replace(failed, output=None), (error.message,), remedies)
    if error.error_class in retry.errors and item.tries < retry.max_attempts:
        delay = retry.backoff.delay(item.tries, seed=str(item.attempt))
        return replace(failed, phase=Phase.READY, delay=delay, why=f"retry after {error.error_class}")
    return _given_up(by_rule(failed, error, choose), error, retry)


def on_judge_failure(item: ItemState, name: str, error: ErrorInfo, retry: RetryPolicy, choose: ChooseRule) -> ItemState:
    """A validator itself failed: retried like any infrastructure error, and never taken for a pass."""
    judge = next(judge for judge in item.judges if judge.name == name)
    if error.error_class in retry.errors and judge.tries < retry.max_attempts:
        delay = retry.backoff.delay(judge.tries, seed=str(judge.attempt))
        return _with_judge(item, name, lambda j: replace(j, phase=Phase.READY, delay=delay))
    message = f"validator {name!r} could not judge: {error.message}"
    failed = ErrorInfo("validator_failed", error.error_class, message, error.detail)
    return _given_up(by_rule(replace(item, judges=(), error=failed), failed, choose), error, retry)


def on_expired(item: ItemState, seconds: float, *, skip: bool, choose: ChooseRule) -> ItemState:
    """No person has answered in time: the item is skipped, or fails as `on_error` says."""
    error = ErrorInfo("expired", "timeout", f"no answer within {seconds:g} s")
    expired = replace(item, error=error)
    if skip:
        return replace(expired, phase=Phase.SKIPPED, output=None, why=error.message)
    return by_rule(expired, error, choose)


def on_total_timeout(item: ItemState, seconds: float, now: float, choose: ChooseRule) -> ItemState:
    """The item's total time is over, whatever it was doing. An escalation gets the time anew, from `now`."""
    error = ErrorInfo("total_timeout", "timeout", f"not done {seconds:g} s after it was ready")
    after = by_rule(replace(item, error=error, judges=()), error, choose)
    return after if after.settled else replace(after, ready_at=now)


def by_rule(item: ItemState, error: ErrorInfo, choose: ChooseRule) -> ItemState:
    """What `on_error` makes of an error; nothing in it applies is a failure."""
    found = choose(error, item.rules_used)
    if found is None:
        return replace(item, phase=Phase.FAILED)
    place, rule = found
    if rule.kind is RuleKind.CONTINUE:
        return replace(item, phase=Phase.SUCCEEDED, output=Payload.of(rule.output).ref, marked=True)
    if rule.kind is RuleKind.SKIP:
        return replace(item, phase=Phase.SKIPPED, output=None, why="on_error: skip")
    if rule.kind is RuleKind.ESCALATE:
        used = replace(_again(item, why=f"escalate after {error.code}"), rules_used=(*item.rules_used, place))
        return _escalated(replace(used, rejected=item.rejected), rule.worker, rule.pool, rule.model)
    return replace(item, phase=Phase.FAILED)


def _given_up(item: ItemState, error: ErrorInfo, retry: RetryPolicy) -> ItemState:
    """A dead letter, if it has failed with an error that `retry` would have tried again."""
    return replace(item, dead=item.phase is Phase.FAILED and error.error_class in retry.errors)


def _again(item: ItemState, why: str) -> ItemState:
    return replace(
        item,
        phase=Phase.READY,
        tries=0,
        revision=item.revision + 1,
        rejected=item.output,
        output=None,
        delay=0.0,
        why=why,
    )


def _escalated(item: ItemState, worker: str | None, pool: str | None, model: str | None) -> ItemState:
    """Handed to another worker; or to another model, and so back to the step's own worker, which is an agent."""
    if worker is None:
        return replace(item, worker=None, pool=None, model=model or item.model)
    return replace(item, worker=worker, pool=pool)


def _with_judge(item: ItemState, name: str, change: Callable[[Judge], Judge]) -> ItemState:
    return replace(item, judges=tuple(change(j) if j.name == name else j for j in item.judges))
