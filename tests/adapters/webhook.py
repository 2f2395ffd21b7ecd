"""A real web server that takes notifications: `json://127.0.0.1:PORT/TOKEN` goes to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "T0P-s3cret"


class Webhook:
    """What arrived, and the status with which the next request is answered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        self.port = 0

    @property
    def url(self) -> str:
        """The apprise URL, with a secret in its path and in its password."""
        return f"json://ada:{TOKEN}-pass@127.0.0.1:{self.port}/{TOKEN}"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A server on a free port for as long as the block runs."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.paths.append(self.path)
            if hook.status < 300:
                hook.messages.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
