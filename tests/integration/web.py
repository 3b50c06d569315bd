"""A web server on loopback whose answers a test writes down."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What a client asked; names of headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What it is told; `pieces` are sent one by one."""

    body: bytes | Iterator[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Web:
    """The server, and what was asked of it."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[Request], Answer], secure: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve until the block ends, over TLS where a context is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.path, {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length)
            )
            web.requests.append(request)
            given = answer(request)
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            if isinstance(given.body, bytes):
                self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            try:
                for piece in [given.body] if isinstance(given.body, bytes) else given.body:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass  # the client has heard enough

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web = Web(f"http://127.0.0.1:{server.server_port}", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
