"""Export over OTLP/HTTP, in addition to what is stored: a collector that is down costs nothing but its spans."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 5.0
QUEUE = 20_000
BATCH = 512
DELAY_MS = 1_000
QUIET_FOR = 60.0
LAST_WORDS = 0.5
TRACES_PATH = "/v1/traces"
_NOISY = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")


class Quiet(logging.Filter):
    """Lets one line a minute of the SDK through, without its traceback.

    Args:
        endpoint: named in the line.
        what: does not get there.
    """

    def __init__(self, endpoint: str, what: str = "spans") -> None:
        super().__init__()
        self._endpoint = endpoint
        self._what = what
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on one record, and shorten it."""
        now = time.monotonic()
        if record.levelno < logging.WARNING or now < self._next:
            return False
        self._next = now + QUIET_FOR
        record.msg = f"{self._what} are not reaching {self._endpoint}: {record.getMessage()}"
        record.args = None
        record.exc_info = None
        return True


class OtlpExport:
    """Sends spans to a collector in batches, from a thread of its own.

    Args:
        endpoint: the collector's base URL (`http://host:4318`), or the full URL of its traces.
    """

    def __init__(self, endpoint: str) -> None:
        url = endpoint.rstrip("/")
        self._exporter = OTLPSpanExporter(
            endpoint=url if url.endswith(TRACES_PATH) else url + TRACES_PATH, timeout=REQUEST_TIMEOUT
        )
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=QUEUE,
            schedule_delay_millis=DELAY_MS,
            max_export_batch_size=BATCH,
            export_timeout_millis=REQUEST_TIMEOUT * 1_000,
        )
        self._quiet = Quiet(url)
        for name in _NOISY:
            logging.getLogger(name).addFilter(self._quiet)

    def add(self, span: ReadableSpan) -> None:
        """Queue an ended span."""
        self._processor.on_end(span)

    async def aclose(self, within: float) -> None:
        """Send what waits, then stop.

        Args:
            within: seconds after which what is left is given up.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK is not fully annotated
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(done.set)

        # Not the loop's executor: asyncio.run would wait for it, however long the collector does not answer.
        threading.Thread(target=shut_down, name="otlp-close", daemon=True).start()
        try:
            async with asyncio.timeout(within):
                await done.wait()
        except TimeoutError:
            log.warning("the collector does not answer; spans that were not sent yet are given up")
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await done.wait()
        finally:
            for name in _NOISY:
                logging.getLogger(name).removeFilter(self._quiet)
