"""How a step moves as its items settle."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import StepState, StepStatus


@dataclass(frozen=True, slots=True)
class Gathering:
    """How a `foreach` judges its items: `collect` keeps going after a failure, `min_success` is a fraction 0..1."""

    collect: bool = False
    min_success: float = 0.0


PLAIN = Gathering()

_BECOMES = {
    Phase.SUCCEEDED: StepStatus.SUCCEEDED,
    Phase.FAILED: StepStatus.FAILED,
    Phase.SKIPPED: StepStatus.SKIPPED,
    Phase.CANCELLED: StepStatus.CANCELLED,
}


def on_item_settled(step: StepState, item: ItemState, gathering: Gathering, now: float) -> StepState:
    """The step after one of its items has settled; `now` in Unix seconds."""
    if step.total is None:
        return replace(
            step,
            status=_BECOMES[item.phase],
            done=1,
            failed=int(item.phase is Phase.FAILED),
            output=item.output,
            error=item.error if item.phase is not Phase.SUCCEEDED else None,
            reason=item.why if item.phase is Phase.SKIPPED else "",
            marked=item.marked,
            dead=item.dead,
            finished_at=now,
        )
    failed = item.phase is Phase.FAILED
    counted = replace(
        step,
        done=step.done + 1,
        failed=step.failed + failed,
        skipped=step.skipped + (item.phase is Phase.SKIPPED),
        error=step.error or (item.error if failed and not gathering.collect else None),
        marked=step.marked or item.marked,
        dead=step.dead or (item.dead and step.error is None),
    )
    return close(counted, gathering, now)


def has_room(step: StepState, gathering: Gathering, max_parallel: int | None) -> bool:
    """Whether another item of a `foreach` may be started now."""
    if step.settled or step.total is None or step.sent >= step.total:
        return False
    if step.failed and not gathering.collect:
        return False
    return max_parallel is None or step.sent - step.done < max_parallel


def close(step: StepState, gathering: Gathering, now: float) -> StepState:
    """A `foreach` with its outcome, if it has one: all items done, or one failed and none is running any more."""
    total = step.total or 0
    if step.failed and not gathering.collect:
        stopped = step.sent == step.done
        return replace(step, status=StepStatus.FAILED, finished_at=now) if stopped else step
    if step.done < total:
        return step
    succeeded = total - step.failed - step.skipped
    if total and succeeded < gathering.min_success * total:
        message = f"{succeeded} of {total} items succeeded; min_success asks for {gathering.min_success:g} of them"
        error = ErrorInfo("too_few_succeeded", "error", message)
        return replace(step, status=StepStatus.FAILED, error=error, finished_at=now)
    return replace(step, status=StepStatus.SUCCEEDED, dead=False, finished_at=now)
