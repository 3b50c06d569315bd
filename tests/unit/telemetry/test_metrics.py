"""Depth and wait of the pools as OpenTelemetry metrics: collected in memory, and sent to a real collector."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from orchestrator.settings import TelemetrySettings
from orchestrator.telemetry import Metrics


def points(reader: InMemoryMetricReader) -> dict[str, list]:
    data = reader.get_metrics_data()
    metrics = [metric for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
    return {metric.name: list(metric.data.data_points) for metric in metrics}


async def test_the_depth_of_a_pool_falls_to_nought_when_it_is_empty():
    reader = InMemoryMetricReader()
    metrics = Metrics(TelemetrySettings(), reader)
    metrics.depths({"io": 5, "gpu": 2})
    metrics.depths({"gpu": 1})
    found = {point.attributes["orchestrator.pool"]: point.value for point in points(reader)["orchestrator.queue.depth"]}
    assert found == {"io": 0, "gpu": 1}
    await metrics.aclose()


async def test_waits_are_counted_by_pool_and_worker():
    reader = InMemoryMetricReader()
    metrics = Metrics(TelemetrySettings(), reader)
    for seconds in (0.02, 0.4, -0.001):
        metrics.waited(seconds, pool="io", worker="web.fetch")
    (point,) = points(reader)["orchestrator.queue.wait"]
    assert (point.count, point.sum) == (3, pytest.approx(0.42))
    assert dict(point.attributes) == {"orchestrator.pool": "io", "orchestrator.worker": "web.fetch"}
    await metrics.aclose()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportMetricsServiceRequest.FromString(body)
        for each in request.resource_metrics:
            for scope in each.scope_metrics:
                self.server.names |= {(self.path, metric.name) for metric in scope.metrics}
        self.send_response(200)
        self.end_headers()


@pytest.mark.parametrize("suffix", ["", "/", "/v1/traces"])
async def test_a_collector_gets_them_before_the_process_ends(suffix):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.names = set()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        metrics = Metrics(TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{server.server_port}{suffix}"))
        metrics.depths({"io": 1})
        metrics.waited(0.1, pool="io", worker="web.fetch")
        await metrics.aclose()
        server.shutdown()
    assert server.names == {("/v1/metrics", "orchestrator.queue.depth"), ("/v1/metrics", "orchestrator.queue.wait")}


async def test_without_an_endpoint_nothing_is_kept():
    metrics = Metrics(TelemetrySettings())
    metrics.depths({"io": 1})
    metrics.waited(0.1, pool="io", worker="web.fetch")
    await metrics.aclose()
