"""Effects: things done to the outside world, at most once, through the effect ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Protocol

from pydantic_core import to_jsonable_python

from orchestrator.errors import InDoubt
from orchestrator.worker.failures import EffectUnconfirmed
from orchestrator.worker.started_tasks import uncollected


class LedgerRow(Protocol):
    """What the ledger knows of an effect."""

    @property
    def state(self) -> str:
        """`new`, `confirmed` or `in_doubt`."""

    @property
    def result(self) -> Any:
        """What was confirmed, plain JSON."""


class Ledger(Protocol):
    """Where effects are claimed before they are done and confirmed after."""

    async def claim(self, key: str) -> LedgerRow:
        """Note that this attempt is about to do the effect `key`, or learn that another has."""

    async def confirm(self, key: str, result: Any) -> None:
        """Note that it was done, with its result (plain JSON)."""


class Effect:
    """One guarded effect: `async with ctx.effect("charge") as e`; in a sync function plain `with`.

    When `e.confirmed` is true on entry, an earlier attempt did it and `e.result` is what it confirmed: do
    nothing. Otherwise do it and call `e.confirm(result)`; the ledger is written as the block ends.

    Raises:
        InDoubt: on entry, when an earlier attempt began it and never confirmed it.
        EffectUnconfirmed: on a normal exit without `confirm`.
    """

    def __init__(self, key: str, ledger: Ledger, loop: asyncio.AbstractEventLoop | None) -> None:
        self.key = key
        self.result: Any = None
        self.confirmed = False
        self._ledger = ledger
        self._loop = loop
        self._unsaved = False

    def confirm(self, result: Any = None) -> None:
        """Say that the effect was done; `result` (anything with a JSON form) is what later attempts will see."""
        self.result = to_jsonable_python(result)
        self.confirmed = self._unsaved = True

    async def __aenter__(self) -> Effect:
        row = await self._ledger.claim(self.key)
        if row.state == "in_doubt":
            raise InDoubt(
                f"an earlier attempt began the effect {self.key!r} and never confirmed it",
                remedy="find out whether it happened, then answer with on_error (error.class == 'in_doubt')",
            )
        self.confirmed = row.state == "confirmed"
        self.result = row.result
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsaved:
            # Not the attempt's own to cancel: what was done must be known, whatever becomes of the attempt.
            confirming = self._ledger.confirm(self.key, self.result)
            await asyncio.shield(asyncio.create_task(confirming, context=uncollected()))
        elif kind is None and not self.confirmed:
            raise EffectUnconfirmed(
                f"the block of the effect {self.key!r} ended without e.confirm(…), so it is in doubt from now on"
            )

    def __enter__(self) -> Effect:
        self._bridge(self.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bridge(self.__aexit__(kind, error, trace))

    def _bridge(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run on the attempt's event loop, from the thread of a sync function."""
        if self._loop is None or _running_loop() is not None:
            coroutine.close()
            raise RuntimeError("in an async function write `async with ctx.effect(…)`")
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
