"""Span ids: the place in the run where it has one, random elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

_chosen: ContextVar[tuple[int, int] | None] = ContextVar("chosen_ids", default=None)


class ChosenIds(IdGenerator):
    """Gives the ids chosen by `choose` to the next span, and random ones otherwise."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """128 bits; asked for by the SDK only for a span without a parent."""
        chosen = _chosen.get()
        return chosen[0] if chosen else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """64 bits."""
        chosen = _chosen.get()
        return chosen[1] if chosen else self._random.generate_span_id()


@contextmanager
def choose(trace_id: int, span_id: int) -> Iterator[None]:
    """Spans started inside get these ids: start exactly one."""
    token = _chosen.set((trace_id, span_id))
    try:
        yield
    finally:
        _chosen.reset(token)
