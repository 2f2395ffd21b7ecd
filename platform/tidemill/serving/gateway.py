"""The local gateway: one address for all services, splitting traffic between releases.

    POST /{service}/openai/v1/chat/completions      GET|POST /{service}/v2/...
    GET  /-/health                                  GET /-/arms?service=NAME&since=UNIX_SECONDS

Routes come from `gateway.json`, which is looked at on every request: a rollback written there is in
force for the next one, and survives a restart of the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tidemill import entry_points
from tidemill.adapters.local.routing import FILE, Route, RouteFile, bucket
from tidemill.errors import MissingExtra, suggest
from tidemill.ports import Arm
from tidemill.serving.traffic_metrics import RequestOutcome, Result, Timing, TrafficMetrics
from tidemill.settings import Settings

if TYPE_CHECKING:
    from aiohttp import ClientSession, web

SUBJECT, ARM = "x-tidemill-subject", "x-tidemill-arm"
PAIR = "x-tidemill-pair"
"""The id that a request shares with its copies; none is taken from a client."""
CACHED = "x-tidemill-cached"
_LONGEST_BODY = 8 * 2**20
_OVERLOADED = (429, 503)
"""Statuses of a server whose queue is full or that starts: no error of its release."""
_HOP = {
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "transfer-encoding",
    "upgrade",
}
_NOT_PASSED_ON = _HOP | {PAIR}


class UpstreamFailed(Exception):
    """An arm gave no answer that could be passed on."""


class Gateway:
    """Passes requests to arms and counts how they fare."""

    def __init__(self, routes: RouteFile, key: bytes, upstream_timeout: float = 120.0) -> None:
        self.routes, self.key, self.tally = routes, key, TrafficMetrics()
        self.timeout = upstream_timeout
        self.session: ClientSession | None = None
        self._copies: set[asyncio.Task[None]] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        service, _, path = request.path.lstrip("/").partition("/")
        if service == "-":
            return self._admin(path, request.query)
        routes = self.routes.read()
        if service not in routes:
            hint = suggest(service, sorted(routes)) if routes else "no release is live yet"
            return _error(404, f"no service '{service}' here; {hint}")
        body = await _read(request)
        if body is None:
            return _error(413, f"the body is over {_LONGEST_BODY >> 20} MiB")
        return await self._serve(request, service, path, body, routes[service])

    async def _serve(
        self, request: web.BaseRequest, service: str, path: str, body: bytes, route: Route
    ) -> web.StreamResponse:
        arm = route.arm_for(bucket(self.key, route.salt, _routing_key(request.headers, body)))
        if route.shadows:
            request[PAIR] = uuid4().hex
        for shadow in route.shadows:
            self._copy(request, service, path, body, shadow)
        try:
            return await self._forward(request, service, path, body, arm, route)
        except UpstreamFailed as error:
            if arm == route.live:
                return _error(503, f"{service}: {error}", retry=1)
        try:
            return await self._forward(request, service, path, body, route.live, route)
        except UpstreamFailed as error:
            return _error(503, f"{service}: {error}", retry=1)

    async def _forward(
        self,
        request: web.BaseRequest,
        service: str,
        path: str,
        body: bytes,
        arm: Arm,
        route: Route,
    ) -> web.StreamResponse:
        """Pass it on; raises UpstreamFailed as long as nothing was sent to the client."""
        started, timing = time.perf_counter(), _UNTIMED
        result: Result = "failed"
        try:
            async with self._call(request, path, body, arm, route.arm_name(arm)) as answer:
                result, timing = _result(answer), _timing(request, answer)
                if answer.status >= 500:
                    raise UpstreamFailed(
                        f"the {route.arm_name(arm)} release returned HTTP {answer.status}; "
                        "try again in a moment, or see its log in run/models in TIDEMILL_HOME"
                    )
                response, broke_off = await _relay(request, answer)
                result = "failed" if broke_off else result
                return response
        except _upstream_errors() as error:
            result = "failed"
            failure = f"the {route.arm_name(arm)} release does not answer ({error})"
            raise UpstreamFailed(f"{failure}; it is being restarted") from error
        finally:
            self._count(service, arm, started, result, timing)

    def _count(
        self, service: str, arm: Arm, started: float, result: Result, timing: Timing
    ) -> None:
        outcome = RequestOutcome(time.time(), time.perf_counter() - started, result, timing)
        self.tally.add(service, arm.release, outcome, arm.url)

    def _call(self, request: web.BaseRequest, path: str, body: bytes, arm: Arm, name: str) -> Any:
        assert self.session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_PASSED_ON}
        headers |= {ARM: name} | ({PAIR: request[PAIR]} if PAIR in request else {})
        query = f"?{request.query_string}" if request.query_string else ""
        return self.session.request(
            request.method,
            f"{arm.url}/{path}{query}",
            data=body or None,
            headers=headers,
            allow_redirects=False,
        )

    def _copy(
        self, request: web.BaseRequest, service: str, path: str, body: bytes, arm: Arm
    ) -> None:
        async def send() -> None:
            started, timing = time.perf_counter(), _UNTIMED
            result: Result = "failed"
            try:
                async with self._call(request, path, body, arm, "shadow") as answer:
                    await answer.read()
                    result, timing = _result(answer), _timing(request, answer)
            except _upstream_errors():
                pass
            self._count(service, arm, started, result, timing)

        task = asyncio.get_running_loop().create_task(send())
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    def _admin(self, path: str, query: Mapping[str, str]) -> web.Response:
        if path == "health":
            return _json(200, {"ok": True})
        if path != "arms":
            return _error(404, "available: /-/health and /-/arms")
        try:
            since = float(query.get("since", "0"))
        except ValueError:
            return _error(400, "`since` is a number: seconds of the Unix clock")
        only = query.get("service")
        routes = {n: r for n, r in self.routes.read().items() if only in (None, n)}
        return _json(200, {name: self._arms(name, route, since) for name, route in routes.items()})

    def _arms(self, service: str, route: Route, since: float) -> dict[str, object]:
        arms = [
            {**asdict(arm), **self.tally.health_since(service, arm.release, since).to_dict()}
            for arm in route.arms
        ]
        return {"mode": route.mode, "arms": arms}


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body; None for one that is too long, of which no more is kept than the limit."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > _LONGEST_BODY:
        return None
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > _LONGEST_BODY:
            return None
    return b"".join(pieces)


_UNTIMED: Timing = "untimed"


def _result(answer: Any) -> Result:
    """How an arm took a request, by the status of its answer."""
    if answer.status in _OVERLOADED:
        return "overloaded"
    return "failed" if answer.status >= 500 else "answered"


def _timing(request: web.BaseRequest, answer: Any) -> Timing:
    """Which work the latency of an answer measures: only what was generated is work."""
    cached = answer.headers.get(CACHED) == "true"
    if request.method != "POST" or answer.status >= 300 or cached:
        return "untimed"
    return "streamed" if _is_stream(answer) else "generated"


def _is_stream(answer: Any) -> bool:
    return "text/event-stream" in answer.headers.get("content-type", "")


def _routing_key(headers: Mapping[str, str], body: bytes) -> str:
    """The subject, else the conversation, else nobody in particular."""
    named = headers.get(SUBJECT)
    if named:
        return f"subject {named}"
    try:
        raw = json.loads(body) if body[:1] == b"{" else {}
    except (ValueError, RecursionError):  # the release says what is wrong with it
        raw = {}
    extension = raw.get("tidemill") or raw.get("parameters") or {}
    extension = extension if isinstance(extension, dict) else {}
    subject = extension.get("subject") or raw.get("user")
    if subject:
        return f"subject {subject}"
    conversation = extension.get("conversation")
    return f"conversation {conversation}" if conversation else f"anyone {random.random()}"


async def _relay(request: web.BaseRequest, answer: Any) -> tuple[web.StreamResponse, bool]:
    """The response to the client, and whether the arm broke off after the first byte."""
    from aiohttp import web

    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
    if not _is_stream(answer):
        body = await answer.read()
        return web.Response(body=body, status=answer.status, headers=headers), False
    response = web.StreamResponse(status=answer.status, headers=headers)
    try:
        await response.prepare(request)
    except ConnectionResetError:  # the client left before the first piece: no fault of the arm
        return response, False
    while True:
        try:
            piece = await answer.content.readany()
        except _upstream_errors():
            if request.transport is not None:
                request.transport.close()  # the client has to see that the answer is not whole
            return response, True
        try:
            if not piece:
                await response.write_eof()
                return response, False
            await response.write(piece)
        except ConnectionResetError:  # the client has gone; leaving closes the arm's connection
            return response, False


def _upstream_errors() -> tuple[type[BaseException], ...]:
    from aiohttp import ClientError

    return (ClientError, asyncio.TimeoutError)


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    from aiohttp import web

    body = json.dumps(value).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _error(status: int, message: str, retry: int | None = None) -> web.Response:
    kind = {404: "not_found_error", 503: "unavailable_error"}.get(status, "invalid_request_error")
    value = {"error": {"message": message, "type": kind, "param": None, "code": str(status)}}
    return _json(status, value, {"retry-after": str(retry)} if retry else None)


async def serve(gateway: Gateway, host: str, port: int) -> None:
    """Listen until cancelled."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

    limits = ClientTimeout(total=None, sock_connect=2, sock_read=gateway.timeout)
    async with ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=30),
        timeout=limits,
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
    ) as session:
        gateway.session = session
        server = web.Server(gateway.handle, access_log=None)
        listening = await asyncio.get_running_loop().create_server(
            server, host, port, reuse_address=True
        )
        try:
            await listening.serve_forever()
        finally:
            await server.shutdown(1)


def main(arguments: list[str] | None = None) -> None:
    """`python -m tidemill.serving.gateway --home DIR --port N`."""
    parser = argparse.ArgumentParser(prog=entry_points.GATEWAY)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        import aiohttp  # noqa: F401
        import uvloop
    except ImportError as error:
        raise SystemExit(str(MissingExtra(error.name or "aiohttp", "serve"))) from None
    with entry_points.exit_with_message():
        key = Settings.read().subject_key or b"tidemill"
    gateway = Gateway(RouteFile(options.home / FILE), key)
    import signal

    async def run() -> None:
        task = asyncio.ensure_future(serve(gateway, options.host, options.port))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    uvloop.run(run())


if __name__ == "__main__":
    main()
