"""The buffer: bounded, patient with a database that is away, and never in anybody's way."""

import asyncio
import logging
import threading

import pytest

from orchestrator.domain.span import SpanRow
from orchestrator.telemetry.buffer import SpanBuffer


def row(number):
    return SpanRow(float(number), "0" * 32, f"{number:016x}", None, "t", None, None, "n", "internal", 1.0, "ok")


def filled(sink, count, **options):
    buffer = SpanBuffer(sink, **options)
    for number in range(count):
        buffer.add(row(number))
    return buffer


async def test_spans_are_written_in_batches_and_in_order(sink):
    buffer = filled(sink, 1_201)
    await buffer.flush()
    assert sink.batches == [500, 500, 201]
    assert [each.started_at for each in sink.rows] == list(range(1_201))
    assert len(buffer) == 0


async def test_beyond_the_limit_spans_are_dropped_and_counted(sink, caplog):
    buffer = filled(sink, 12, limit=10)
    assert (len(buffer), buffer.dropped) == (10, 2)
    await buffer.aclose(1.0)
    assert len(sink.rows) == 10
    assert "2 spans were not stored" in caplog.text


async def test_spans_wait_while_the_database_is_away(sink, caplog):
    sink.away = True
    buffer = filled(sink, 3)
    await buffer.flush()
    await buffer.flush()
    assert (len(buffer), sink.rows) == (3, [])
    assert caplog.text.count("spans wait for the database") == 1
    sink.away = False
    await buffer.flush()
    assert len(sink.rows) == 3


async def test_a_batch_that_cannot_be_stored_does_not_block_the_next(sink, caplog):
    sink.broken = ValueError("NaN")
    buffer = filled(sink, 2)
    await buffer.flush()
    sink.broken = None
    buffer.add(row(9))
    await buffer.flush()
    assert [each.started_at for each in sink.rows] == [9.0]
    assert buffer.dropped == 2
    assert "could not be stored" in caplog.text


async def test_it_writes_by_itself(sink):
    buffer = SpanBuffer(sink, interval=0.01)
    buffer.start()
    buffer.add(row(1))
    async with asyncio.timeout(5):
        while not sink.rows:  # noqa: ASYNC110 - the sink is polled on purpose
            await asyncio.sleep(0.005)
    buffer.add(row(2))
    await buffer.aclose(1.0)
    assert len(sink.rows) == 2


async def test_closing_does_not_wait_for_ever(caplog):
    class Stuck:
        async def write(self, spans):
            await asyncio.Event().wait()

    buffer = SpanBuffer(Stuck(), interval=0.01)
    buffer.start()
    buffer.add(row(1))
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(5):
            await buffer.aclose(0.05)
    assert "1 spans were not stored" in caplog.text


@pytest.mark.parametrize("threads", [4])
async def test_threads_may_add(sink, threads):
    buffer = SpanBuffer(sink)

    def add():
        for number in range(500):
            buffer.add(row(number))

    workers = [threading.Thread(target=add) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    await buffer.flush()
    assert len(sink.rows) == 500 * threads
