"""A small threaded HTTP server that speaks `/v1/chat/completions`, streamed or not, and `/v1/models`."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from orchestrator.testing.replies import Answer, BrokenBody, DroppedConnection, Failure, Hang, Reply

ReplyTo = Callable[[dict[str, Any], dict[str, str]], Reply]


class CompletionsServer:
    """Serves on a free loopback port, in threads of its own.

    Args:
        reply_to: gives the reply to a request's JSON and headers; called in the request's thread.
    """

    def __init__(self, reply_to: ReplyTo) -> None:
        self._reply_to = reply_to
        self._closing = threading.Event()
        self._http: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            RuntimeError: it was not started.
        """
        if self._http is None:
            raise RuntimeError("the scripted model is a context manager: use it with `with ScriptedModel(…) as model`")
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Listen."""
        self._http = http = _Server(self._reply_to, self._closing)
        self._thread = threading.Thread(
            target=lambda: http.serve_forever(poll_interval=0.01), name="scripted-model", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end what hangs, and wait for the threads."""
        self._closing.set()
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._thread.join()
        self._http.drop_connections()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, reply_to: ReplyTo, closing: threading.Event) -> None:
        self.reply_to = reply_to
        self.closing = closing
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name, which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Wake the threads that wait for a next request on a connection that the client keeps open."""
        with self._open_lock:
            for each in self._open:
                _shut(each)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Tests have enough to print."""

    def do_GET(self) -> None:
        """The list of models, which says that the server is there."""
        if self.path.rstrip("/").endswith("/models"):
            models = [{"id": "scripted", "object": "model", "created": 0, "owned_by": "test"}]
            self._send(200, {"object": "list", "data": models})
        else:
            self._send(404, _error("there is nothing here", "not_found"))

    def do_POST(self) -> None:
        """One completion, as the script says."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if not self.path.rstrip("/").endswith("/chat/completions"):
            self._send(404, _error(f"{self.path} is not scripted", "not_found"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.reply_to(body, headers)
        match reply:
            case Answer() if body.get("stream"):
                self._stream(reply, body)
            case Answer():
                self._hold(reply)
                self._send(200, _completion(reply, body))
            case Failure():
                extra = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after:g}"}
                self._send(reply.status, _error(reply.message, reply.code), extra)
            case BrokenBody():
                self._send_bytes(200, b'{"choices": [{"message": ', {})
            case Hang():
                self.server.closing.wait(reply.seconds)
                self._drop()
            case DroppedConnection():
                self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        _shut(self.connection)

    def _send(self, status: int, body: dict[str, Any], extra: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), extra or {})

    def _send_bytes(self, status: int, data: bytes, extra: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, reply: Answer, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number, chunk in enumerate(_chunks(reply, body)):
            if number == 1:
                self._hold(reply)
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        if reply.finish_reason:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _hold(self, reply: Answer) -> None:
        """Wait until the test lets the answer go on, or the server is closed."""
        while reply.held is not None and not reply.held.wait(0.01):
            if self.server.closing.is_set():
                return


def _completion(reply: Answer, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tools:
        message["tool_calls"] = _calls(reply)
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": reply.usage}


def _chunks(reply: Answer, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head = _head(body, "chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in reply.pieces or _words(reply)]
    for index, call in enumerate(_calls(reply)):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        begun = {**call, "index": index, "function": {"name": name, "arguments": arguments[:1]}}
        rest = {"index": index, "function": {"arguments": arguments[1:]}}
        deltas += [{"tool_calls": [begun]}, {"tool_calls": [rest]}]
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}]}
    if not reply.finish_reason:
        return
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": reply.usage}


def _words(reply: Answer) -> list[str]:
    if not reply.text and not reply.finish_reason:
        return []
    pieces = [piece + " " for piece in reply.text.split(" ")]
    return [*pieces[:-1], pieces[-1][:-1]]


def _calls(reply: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": tool.id or f"call_{time.monotonic_ns()}_{number}",
            "type": "function",
            "function": {"name": tool.name, "arguments": tool.arguments},
        }
        for number, tool in enumerate(reply.tools)
    ]


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{time.monotonic_ns()}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
    }


def _error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": code, "code": code, "param": None}}


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster
