"""A step's `repeat`: what becomes of an item whose iteration has given a valid output."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.item import ChooseRule, ItemState, Phase, by_rule
from orchestrator.domain.outcome import ErrorInfo


def on_iterated(item: ItemState, most: int, *, done: bool, until: str, choose: ChooseRule) -> ItemState:
    """Settled if `until` came true, else READY for the next iteration with `with_` still to be rendered.

    Args:
        item: SUCCEEDED, with the iteration's output.
        most: iterations at most; reaching them is an error, which `on_error` may answer.
        done: whether `until` was true of the output.
        until: the expression, for the message.
        choose: of `on_error`.
    """
    if done:
        return item
    if item.iteration >= most:
        error = ErrorInfo("repeat_exhausted", "error", f"until: {until} was still false after {most} iterations")
        return by_rule(replace(item, error=error), error, choose)
    return ItemState(
        item.step,
        item.index,
        phase=Phase.READY,
        number=item.number,
        ready_at=item.ready_at,
        iteration=item.iteration + 1,
        previous=item.output,
        why=f"iteration {item.iteration + 1}",
    )
