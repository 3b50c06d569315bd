"""`Metrics`: what a process measures of its pools, exported over OTLP when an endpoint is set, else nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from orchestrator.settings import TelemetrySettings
from orchestrator.telemetry import names

if TYPE_CHECKING:
    from orchestrator.telemetry.export import Quiet

log = logging.getLogger(__name__)

METRICS_PATH = "/v1/metrics"
EVERY = 10.0
"""Seconds between two exports."""

CLOSE_TIMEOUT = 3.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_NOISY = (
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.sdk.metrics._internal.export",
)


class Metrics:
    """The instruments of this process. No global provider is set: other people's OpenTelemetry is left alone.

    Args:
        settings: where they are exported, and under which service name.
        reader: instead of the export, for who collects them in another way.
    """

    def __init__(self, settings: TelemetrySettings, reader: MetricReader | None = None) -> None:
        self._filter: Quiet | None = None
        if reader is None and settings.otlp_endpoint:
            reader = self._export(settings.otlp_endpoint)
        self._provider: MeterProvider | None = None
        meter: Meter = NoOpMeterProvider().get_meter("orchestrator")
        if reader is not None:
            resource = Resource.create({"service.name": settings.service_name})
            self._provider = MeterProvider([reader], resource, shutdown_on_exit=False)
            meter = self._provider.get_meter("orchestrator")
        self._depth = meter.create_gauge(names.QUEUE_DEPTH, "{attempt}", "Attempts of a pool that are due and wait.")
        self._wait = meter.create_histogram(
            names.QUEUE_WAIT,
            "s",
            "How long an attempt had been due when it was claimed.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._pools: set[str] = set()

    def depths(self, due: Mapping[str, int]) -> None:
        """How many attempts are due in each pool; one that is not named has none.

        A supervisor's sweep counts them, so each supervisor reports all pools: take the highest, not the sum.
        """
        self._pools |= due.keys()
        for pool in self._pools:
            self._depth.set(due.get(pool, 0), {names.POOL: pool})

    def waited(self, seconds: float, *, pool: str, worker: str) -> None:
        """An attempt was claimed after so long."""
        self._wait.record(max(0.0, seconds), {names.POOL: pool, names.WORKER: worker})

    async def aclose(self) -> None:
        """Send what was measured last, for a few seconds at the most, and stop."""
        try:
            if self._provider is not None:
                await asyncio.to_thread(self._provider.shutdown, CLOSE_TIMEOUT * 1_000)
        finally:
            if self._filter is not None:
                for name in _NOISY:
                    logging.getLogger(name).removeFilter(self._filter)

    def _export(self, endpoint: str) -> MetricReader:
        # Protobuf and requests take a fifth of a second: only where there is somewhere to export to.
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        from orchestrator.telemetry.export import REQUEST_TIMEOUT, TRACES_PATH, Quiet

        base = endpoint.rstrip("/").removesuffix(TRACES_PATH)
        self._filter = Quiet(base, "metrics")
        for name in _NOISY:
            logging.getLogger(name).addFilter(self._filter)
        exporter = OTLPMetricExporter(endpoint=base + METRICS_PATH, timeout=REQUEST_TIMEOUT)
        return PeriodicExportingMetricReader(
            exporter, export_interval_millis=EVERY * 1_000, export_timeout_millis=REQUEST_TIMEOUT * 1_000
        )
