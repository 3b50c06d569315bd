"""What each failure of a model or the network means for `retry`, `on_invalid` and `on_error`."""

import errno
import socket

import httpx
import pytest
from langchain_core.exceptions import OutputParserException

from orchestrator.errors import Invalid, ModelUnavailable
from orchestrator.llm.errors import MalformedReply, classify

REQUEST = httpx.Request("GET", "http://example.test/")


def status_error(status):
    response = httpx.Response(status, request=REQUEST)
    return httpx.HTTPStatusError(f"status {status}", request=REQUEST, response=response)


@pytest.mark.parametrize(
    ("error", "error_class", "code"),
    [
        (TimeoutError("slow"), "timeout", "timeout"),
        (httpx.ReadTimeout("slow"), "timeout", "timeout"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection", "connection"),
        (ConnectionResetError(), "connection", "connection"),
        (socket.gaierror(-2, "unknown name"), "connection", "connection"),
        (OSError(errno.EHOSTUNREACH, "no route"), "connection", "connection"),
        (httpx.ConnectError("refused"), "connection", "connection"),
        (httpx.RemoteProtocolError("dropped"), "connection", "connection"),
        (status_error(429), "rate_limit", "rate_limit"),
        (status_error(503), "server_error", "server_error"),
        (status_error(408), "timeout", "timeout"),
        (status_error(404), "error", "not_found"),
        (status_error(418), "error", "http_418"),
        (MalformedReply("html"), "server_error", "malformed_reply"),
        (OutputParserException("no JSON"), "invalid_output", "malformed_output"),
        (ModelUnavailable("no key"), "error", "model_unavailable"),
    ],
)
def test_classes(error, error_class, code):
    info = classify(error)
    assert (info.error_class, info.code) == (error_class, code)
    assert info.message


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file"),
        PermissionError(errno.EACCES, "no"),
        ValueError("x"),
        KeyError("x"),
        Invalid("no"),
    ],
)
def test_what_is_neither_a_models_nor_the_networks_is_left_to_others(error):
    assert classify(error) is None


def test_a_wrapped_exception_means_what_its_wrapper_says():
    wrapper = RuntimeError("the search failed")
    wrapper.__cause__ = TimeoutError()
    assert classify(wrapper) is None
