"""Sync functions in threads of their own, that can be asked to stop and never hold up the end of the process."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import Any

_numbers = itertools.count(1)


class Stop:
    """Tells an attempt to stop, and its thread that nobody waits any more.

    Attributes:
        requested: set once the attempt is to stop; read from any thread.
        abandoned: the thread did not stop in time, so the waiting coroutine leaves it behind.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.abandoned = False


async def run_in_thread(call: Callable[[], Any], stop: Stop, name: str) -> Any:
    """Run `call` in a daemon thread with the current context variables.

    When the waiting task is cancelled, `stop` is set and `asyncio.CancelledError` is raised inside the thread at
    its next bytecode; a thread inside a long C call sees it when the call returns. The coroutine ends only when
    the thread has, unless `stop.abandoned` is set.

    Args:
        call: the function with its arguments.
        stop: shared with the attempt's context.
        name: the worker's name, for the thread's name.

    Returns:
        What `call` returns; what it raises is raised here.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    thread = _Thread(call, contextvars.copy_context(), done, f"{name}-{next(_numbers)}")
    thread.start()
    stopping = False
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError:
            stop.requested.set()
            if stop.abandoned:
                raise
            stopping = True
            thread.interrupt()
    if stopping:
        done.exception()
        raise asyncio.CancelledError
    return done.result()


class _Thread(threading.Thread):
    def __init__(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        done: asyncio.Future[Any],
        name: str,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._call = call
        self._variables = context
        self._result = done
        self._gate = threading.Lock()
        self._over = False
        self._interrupted = False

    def run(self) -> None:
        """Call the function and hand its result to the event loop."""
        value: Any = None
        error: BaseException | None = None
        try:
            try:
                value = self._variables.run(self._call)
            except BaseException as raised:  # noqa: BLE001 - user code; handed to the waiting coroutine
                error = raised
            with self._gate:
                self._over = True
        except asyncio.CancelledError as late:  # the interruption came after the function had returned
            self._over = True
            error = error or late
        self._deliver(value, error)

    def interrupt(self) -> None:
        """Raise CancelledError inside the thread, once."""
        with self._gate:
            if self._over or self._interrupted or self.ident is None:
                return
            self._interrupted = True
            target = ctypes.c_ulong(self.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(asyncio.CancelledError))

    def _deliver(self, value: Any, error: BaseException | None) -> None:
        loop = self._result.get_loop()
        if isinstance(error, StopIteration):  # a Future cannot carry it
            error = RuntimeError(f"the worker raised {error!r}")
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(_resolve, self._result, value, error)
            except RuntimeError:
                return  # the loop was closed in between: nobody waits


def _resolve(done: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(value)
    elif isinstance(error, asyncio.CancelledError):
        done.set_exception(_Interrupted())
    else:
        done.set_exception(error)


class _Interrupted(Exception):
    """The function raised CancelledError by itself, without having been told to stop."""
