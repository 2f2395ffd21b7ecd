"""What the pretended forges share: an HTTP server on loopback, tokens, rate limits, faults."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "a-good-token"


@dataclass
class Answer:
    """What goes back."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Something that goes wrong with the next request of a method, once."""

    method: str
    answer: Answer | None = None
    """Sent in place of doing anything; None drops the connection."""
    after: bool = False
    """The request is carried out first: only its answer is lost."""


@dataclass
class Request:
    """One request as the routes see it."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    url: str


Route = tuple[str, str, Callable[..., Answer]]


class Server:
    """A forge that keeps everything in memory; subclasses give the routes."""

    prefix = ""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.seen: list[Request] = []
        """Every request that reached a route or a fault."""
        self.budget: int | None = None
        """Requests until the rate limit; None is no limit."""
        self.forbidden: set[str] = set()
        """Methods that this token may not use."""
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}{self.prefix}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def limited(self) -> Answer:
        raise NotImplementedError

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method came for a path with this part."""
        return sum(r.method == method and part in r.path for r in self.seen)

    def allow(self) -> None:
        """The rate limit's window has passed."""
        self.budget = None

    def _answer(self, request: Request, token: str) -> Answer:
        if token != f"Bearer {TOKEN}":
            return Answer(401, {"message": "Bad credentials"})
        if self.budget is not None:
            self.budget -= 1
            if self.budget < 0:
                return self.limited()
        if request.method in self.forbidden:
            return self.forbid(request)
        for method, pattern, act in self.routes():
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return act(request, *map(unquote, found.groups()))
        return Answer(404, {"message": "Not Found"})

    def forbid(self, request: Request) -> Answer:
        return Answer(403, {"message": "Resource not accessible by integration"})

    def pages(self, request: Request, items: list[Any]) -> Answer:
        """One page of a list, linked to the next as the API does."""
        per_page = int(request.query.get("per_page", "30"))
        page = int(request.query.get("page", "1"))
        shown = items[(page - 1) * per_page : page * per_page]
        return Answer(200, shown, self.next_page(request, page, page * per_page < len(items)))

    def next_page(self, request: Request, page: int, more: bool) -> dict[str, str]:
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length)
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                path = parts.path.removeprefix(forge.prefix)
                body = json.loads(raw) if raw else {}
                request = Request(self.command, path, query, body, self.path)
                with forge.lock:
                    answer = self.decide(request)
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                else:
                    self.write(answer)

            def decide(self, request: Request) -> Answer | None:
                forge.seen.append(request)
                token = self.headers.get("authorization", "")
                fault = next((f for f in forge.faults if f.method == request.method), None)
                if fault is None:
                    return forge._answer(request, token)
                forge.faults.remove(fault)
                if fault.after:
                    forge._answer(request, token)
                return fault.answer

            def write(self, answer: Answer) -> None:
                html = isinstance(answer.body, str)
                payload = answer.body.encode() if html else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "text/html" if html else "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815 - http.server asks

            def log_message(self, *_: object) -> None:
                return

        return Handler
