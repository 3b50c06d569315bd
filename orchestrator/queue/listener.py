"""The one LISTEN connection of a process, and what it does when that connection is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from orchestrator.queue.outage import DATABASE_ERRORS, pause

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger(__name__)

_PROBE_EVERY: Final = 10.0
_PROBE_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Subscription:
    callback: Callable[[str], None]
    missed: Callable[[], None] | None


class Listener:
    """Delivers NOTIFY payloads to callbacks; reconnects and LISTENs again when its connection is lost.

    Use it as an async context manager. Entering it raises what the first connection raises; later losses are
    mended in the background, with a pause between tries.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        """`connect` opens a connection that nobody else uses; the listener closes it."""
        self._connect = connect
        self._subscriptions: dict[str, list[_Subscription]] = {}
        self._connection: asyncpg.Connection | None = None
        self._lost = asyncio.Event()
        self._turn = asyncio.Lock()  # asyncpg does one thing at a time on a connection
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        self._keeper = asyncio.create_task(self._keep(), name="listener")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening and close the connection."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=_PROBE_TIMEOUT)
            except DATABASE_ERRORS:
                connection.terminate()

    async def listen(
        self, channel: str, callback: Callable[[str], None], *, missed: Callable[[], None] | None = None
    ) -> None:
        """Call `callback` with every payload that is sent on `channel` once this has returned.

        Args:
            channel: at most 63 bytes.
            callback: runs in the event loop and must not block; what it raises is logged.
            missed: called after a reconnect, when notifications may have been lost, to make up for them.
        """
        async with self._turn:
            first = channel not in self._subscriptions
            self._subscriptions.setdefault(channel, []).append(_Subscription(callback, missed))
            if first and self._connection is not None:
                await self._or_terminate(self._connection.add_listener(channel, self._deliver))

    async def unlisten(self, channel: str, callback: Callable[[str], None]) -> None:
        """Undo `listen(channel, callback)`; nothing happens when there was none."""
        async with self._turn:
            kept = [each for each in self._subscriptions.get(channel, ()) if each.callback != callback]
            if kept:
                self._subscriptions[channel] = kept
            elif self._subscriptions.pop(channel, None) and self._connection is not None:
                await self._or_terminate(self._connection.remove_listener(channel, self._deliver))

    async def _or_terminate(self, command: Awaitable[object]) -> None:
        """Await `command`; a connection on which it fails is given up, and the keeper opens another."""
        try:
            await asyncio.wait_for(command, _PROBE_TIMEOUT)
        except DATABASE_ERRORS as error:
            _log.debug("the LISTEN connection failed: %s", error)
            if self._connection is not None:
                self._connection.terminate()

    def _deliver(self, connection: object, pid: int, channel: str, payload: object) -> None:
        for each in tuple(self._subscriptions.get(channel, ())):
            try:
                each.callback(str(payload))
            except Exception:  # noqa: BLE001  # somebody else's callback
                _log.exception("a listener on %s failed", channel)

    async def _open(self) -> None:
        connection = await self._connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            async with self._turn:
                for channel in self._subscriptions:
                    await connection.add_listener(channel, self._deliver)
                self._connection, self._lost = connection, lost
        except BaseException:
            connection.terminate()
            raise

    async def _keep(self) -> None:
        while True:
            await self._until_lost()
            self._connection = None
            _log.warning("the LISTEN connection was lost; connecting again")
            await self._reopen()
            _log.info("the LISTEN connection is back")
            self._make_up()

    async def _until_lost(self) -> None:
        """Return when the connection is gone; a silent one (no FIN came) is found by probing it."""
        while not self._lost.is_set():
            try:
                await asyncio.wait_for(self._lost.wait(), _PROBE_EVERY)
            except TimeoutError:
                async with self._turn:
                    if self._connection is not None:
                        await self._or_terminate(self._connection.execute("SELECT 1"))

    async def _reopen(self) -> None:
        failures = 0
        while True:
            try:
                return await self._open()
            except Exception as error:  # noqa: BLE001  # a process without ears has to go on trying
                failures += 1
                _log.debug("no LISTEN connection yet", exc_info=error)
                await asyncio.sleep(pause(failures))

    def _make_up(self) -> None:
        for each in [each for group in self._subscriptions.values() for each in group]:
            try:
                if each.missed is not None:
                    each.missed()
            except Exception:  # noqa: BLE001  # somebody else's callback
                _log.exception("making up for missed notifications failed")
