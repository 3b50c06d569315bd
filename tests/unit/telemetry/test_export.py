"""OTLP: a real collector on loopback gets what was recorded; one that is down or stuck holds nobody up."""

import asyncio
import gzip
import logging
import socket
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from orchestrator.domain.outcome import OutcomeKind, Usage
from orchestrator.settings import TelemetrySettings
from orchestrator.telemetry import Redactor, Tracing
from tests.unit.telemetry.conftest import RUN, claimed


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        self.spans = []
        self.services = set()
        self.paths = set()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.paths.add(self.path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.services |= {
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def record(tracing):
    with tracing.attempt_span(claimed(), redactor=Redactor(["hunter22"])) as span:
        span.span.set_attribute("key", "is hunter22")
        span.finish(OutcomeKind.SUCCEEDED, None, Usage())


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
async def test_a_collector_gets_the_spans(collector, sink, path):
    tracing = Tracing(TelemetrySettings(otlp_endpoint=collector.url + path, service_name="tests"), sink)
    await tracing.start()
    record(tracing)
    await tracing.aclose()
    [span], [row] = collector.spans, sink.rows
    attributes = {each.key: each.value.string_value for each in span.attributes}
    assert (collector.paths, collector.services) == ({"/v1/traces"}, {"tests"})
    assert (span.name, span.trace_id.hex(), span.span_id.hex()) == (row.name, RUN.hex, row.span_id)
    assert span.parent_span_id.hex() == row.parent_id
    assert attributes["key"] == "is [redacted]"
    assert attributes["orchestrator.tenant"] == "acme"
    assert uuid.UUID(attributes["orchestrator.run.id"]) == RUN


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_collector_that_is_down_costs_one_line(sink, caplog):
    def lines() -> list[str]:
        return [each.getMessage() for each in caplog.records if "not reaching" in each.getMessage()]

    caplog.set_level(logging.DEBUG)
    tracing = Tracing(TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{closed_port()}"), sink)
    await tracing.start()
    for _ in range(2_000):
        record(tracing)
    async with asyncio.timeout(60):
        while not lines():  # noqa: ASYNC110 - the SDK's own thread gives up after its retries
            await asyncio.sleep(0.05)
    began = time.monotonic()
    await tracing.aclose()
    assert time.monotonic() - began < 8
    assert len(sink.rows) == 2_000
    assert len(lines()) == 1
    assert all(each.exc_info is None for each in caplog.records)
    loud = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(loud) <= 2, [each.getMessage() for each in loud]


async def test_a_collector_that_never_answers_does_not_hold_up_the_end(sink):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracing = Tracing(TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"), sink)
        await tracing.start()
        record(tracing)
        began = time.monotonic()
        await tracing.aclose()
        assert time.monotonic() - began < 5
    assert len(sink.rows) == 1
