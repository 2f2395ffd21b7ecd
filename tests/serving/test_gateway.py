"""The gateway between real clients and real, if tiny, HTTP servers."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tidemill.adapters.local.routing import FILE, Route, RouteFile
from tidemill.engine.arm_health import WARM_UP, ArmHealth
from tidemill.ports import Arm

CHAT = "/chat/openai/v1/chat/completions"


class Upstream:
    """A server that says its name; `behaviour` plants faults."""

    def __init__(self, name: str) -> None:
        self.name, self.behaviour, self.seen = name, "good", []  # type: ignore[var-annotated]
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                upstream.seen.append((self.path, dict(self.headers), body))
                getattr(self, f"_{upstream.behaviour}")()

            do_GET = do_POST  # noqa: N815 - the name http.server calls

            def _good(self) -> None:
                self._send(200, json.dumps({"by": upstream.name}).encode())

            def _failing(self) -> None:
                self._send(500, b"{}")

            def _busy(self) -> None:
                self._send(503, b"{}")

            def _cached(self) -> None:
                self._send(200, json.dumps({"by": upstream.name}).encode(), cached="true")

            def _refusing(self) -> None:
                self._send(400, b"{}")

            def _late(self) -> None:
                time.sleep(0.5)
                self._streaming()

            def _streaming(self, end: bool = True) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in (b"data: one\n\n", b"data: two\n\n"):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    time.sleep(0.2)
                if end:
                    self.wfile.write(b"0\r\n\r\n")

            def _cut(self) -> None:
                self._streaming(end=False)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def _send(self, status: int, body: bytes, cached: str = "") -> None:
                self.send_response(status)
                if cached:
                    self.send_header("x-tidemill-cached", cached)
                self.send_header("content-type", "application/json")
                self.send_header("x-tidemill-release", upstream.name)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Front:
    """The gateway with a live and a candidate arm behind it."""

    def __init__(self, url: str, home: Path) -> None:
        self.client = httpx.Client(base_url=url, timeout=10)
        self.file = RouteFile(home / FILE)
        self.live, self.new = Upstream("live"), Upstream("new")

    def share(self, percent: float, mode: str = "split") -> None:
        arms = (Arm("live", 100 - percent, self.live.url), Arm("new", percent, self.new.url))
        self.file.set("chat", Route(arms, mode))  # type: ignore[arg-type]

    def ask(self, **body: Any) -> httpx.Response:
        return self.client.post(CHAT, json=body)

    def arms(self, since: float = 0.0) -> dict[str, dict[str, Any]]:
        found = self.client.get("/-/arms", params={"since": since}).json()
        return {arm["release"]: arm for arm in found["chat"]["arms"]}


@pytest.fixture
def front(gateway: str, tmp_path: Path) -> Iterator[Front]:
    front = Front(gateway, tmp_path)
    front.share(0)
    yield front
    front.client.close()
    front.live.close()
    front.new.close()


def test_it_passes_body_path_query_and_headers_on_and_back(front: Front) -> None:
    answer = front.client.post(f"{CHAT}?a=1", json={"x": "é"}, headers={"x-mine": "yes"})

    path, headers, body = front.live.seen[0]
    assert path == "/openai/v1/chat/completions?a=1"
    assert headers["x-mine"] == "yes"
    assert headers["x-tidemill-arm"] == "live"
    assert json.loads(body) == {"x": "é"}
    assert answer.json() == {"by": "live"}
    assert answer.headers["x-tidemill-release"] == "live"


def test_shares_are_kept_and_subjects_stay_with_their_arm(front: Front) -> None:
    front.share(30)

    first = {n: front.ask(tidemill={"subject": f"u{n}"}).json()["by"] for n in range(200)}
    second = {n: front.ask(user=f"u{n}").json()["by"] for n in range(200)}
    third = {
        n: front.client.post(CHAT, json={}, headers={"x-tidemill-subject": f"u{n}"}).json()["by"]
        for n in range(200)
    }

    assert first == second == third
    assert 30 < list(first.values()).count("new") < 95


def test_a_conversation_without_a_subject_stays_too(front: Front) -> None:
    front.share(50)

    said = {front.ask(tidemill={"conversation": "c1"}).json()["by"] for _ in range(20)}

    assert len(said) == 1


def test_a_rollback_is_in_force_for_the_next_request(front: Front) -> None:
    front.share(100)
    assert front.ask().json() == {"by": "new"}

    for _ in range(20):
        front.share(0)
        assert front.ask().json() == {"by": "live"}
        front.share(100)
        assert front.ask().json() == {"by": "new"}


@pytest.mark.parametrize("fault", ["failing", "down"])
def test_what_the_candidate_fails_the_live_release_answers_and_it_is_counted(
    front: Front, fault: str
) -> None:
    front.share(100)
    if fault == "failing":
        front.new.behaviour = "failing"
    else:
        front.new.close()

    answers = [front.ask() for _ in range(5)]

    assert {(one.status_code, one.json()["by"]) for one in answers} == {(200, "live")}
    assert (front.arms()["new"]["requests"], front.arms()["new"]["errors"]) == (5, 5)
    assert (front.arms()["live"]["requests"], front.arms()["live"]["errors"]) == (5, 0)


def test_a_live_release_that_is_down_is_said_to_be(front: Front) -> None:
    front.live.close()

    answer = front.ask()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    message = answer.json()["error"]["message"]
    assert "the live release does not answer" in message
    assert message.endswith("it is being restarted")


def test_a_live_release_that_answers_with_an_error_is_not_said_to_be_restarted(
    front: Front,
) -> None:
    front.live.behaviour = "failing"

    answer = front.ask()

    message = answer.json()["error"]["message"]
    assert answer.status_code == 503
    assert "the live release returned HTTP 500; try again" in message
    assert "restarted" not in message


def test_a_body_that_nests_too_deeply_is_left_to_the_release(front: Front) -> None:
    body = b'{"a":' * 100_000

    assert front.client.post(CHAT, content=body).json() == {"by": "live"}


def test_a_stream_comes_through_piece_by_piece(front: Front) -> None:
    front.live.behaviour = "streaming"
    started = time.monotonic()

    with front.client.stream("POST", CHAT, json={"stream": True}) as answer:
        pieces = [(time.monotonic() - started, piece) for piece in answer.iter_bytes()]

    assert b"".join(piece for _, piece in pieces) == b"data: one\n\ndata: two\n\n"
    assert pieces[-1][0] - pieces[0][0] > 0.1


def test_a_stream_that_breaks_off_is_seen_to_and_counts_as_an_error(front: Front) -> None:
    front.live.behaviour = "cut"

    with (
        pytest.raises(httpx.HTTPError),
        front.client.stream("POST", CHAT, json={"stream": True}) as answer,
    ):
        answer.read()

    assert front.arms()["live"]["errors"] == 1


def test_a_client_that_leaves_before_the_first_piece_is_no_fault_of_the_arm(front: Front) -> None:
    front.share(100)
    front.new.behaviour = "late"
    host, port = front.client.base_url.host, front.client.base_url.port
    head = f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\n{{}}"

    for _ in range(3):
        with socket.create_connection((host, port or 80)) as client:
            client.sendall(head.encode())
            time.sleep(0.1)
    until = time.monotonic() + 5
    while front.arms()["new"]["requests"] < 3 and time.monotonic() < until:
        time.sleep(0.05)

    assert (front.arms()["new"]["requests"], front.arms()["new"]["errors"]) == (3, 0)
    assert front.live.seen == []  # nobody waits for a second answer


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"user": "\\ud800"}', {}),
        (b"{}", {"x-tidemill-subject": b"\xff\xfe"}),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
        (b'{"user": "\xff"}', {}),
    ],
    ids=["a lone surrogate", "a header of any bytes", "nested too deeply", "no UTF-8"],
)
def test_a_body_or_a_name_that_cannot_be_read_is_the_releases_to_judge(
    front: Front, body: bytes, headers: dict[str, Any]
) -> None:
    front.share(50)

    answer = front.client.post(CHAT, content=body, headers=headers)

    assert answer.status_code == 200
    assert (front.live.seen + front.new.seen)[0][2] == body


def test_a_body_that_is_too_long_is_refused_before_it_is_read(front: Front) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(400):
            yield b"x" * 2**20

    before = _peak()
    answers = []
    for content in (b"x" * (9 * 2**20), endless()):
        try:
            answers.append(front.client.post(CHAT, content=content).status_code)
        except httpx.TransportError:  # it hangs up on who does not stop sending
            answers.append(413)

    assert answers == [413, 413]
    assert front.live.seen == []
    assert _peak() - before < 100 * 2**20


def _peak() -> int:
    """Memory of the gateway of this test, in bytes, at its highest."""
    alive = [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE]
    gateways = [child for child in alive if "tidemill.serving.gateway" in child.cmdline()]
    newest = max(gateways, key=lambda child: child.create_time())
    status = Path(f"/proc/{newest.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_release_that_is_busy_is_not_said_to_be_restarted(front: Front) -> None:
    front.live.behaviour = "busy"

    answer = front.ask()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["message"] == (
        "chat: the live release returned HTTP 503; try again in a moment, or see its log in "
        "run/models in TIDEMILL_HOME"
    )


def test_a_shadow_gets_copies_and_answers_nobody(front: Front) -> None:
    front.share(0, "shadow")

    answers = {front.ask().json()["by"] for _ in range(5)}
    until = time.monotonic() + 5
    while front.arms()["new"]["requests"] < 5 and time.monotonic() < until:
        time.sleep(0.05)

    assert answers == {"live"}
    assert front.arms()["new"]["requests"] == 5
    assert {headers["x-tidemill-arm"] for _, headers, _ in front.new.seen} == {"shadow"}


def test_a_request_and_its_copy_share_an_id_that_no_client_can_set(front: Front) -> None:
    theirs = {"x-tidemill-pair": "f" * 32}
    front.client.post(CHAT, json={}, headers=theirs)
    front.share(0, "shadow")
    for _ in range(3):
        front.client.post(CHAT, json={}, headers=theirs)
    until = time.monotonic() + 5
    while len(front.new.seen) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    alone, *shared = [headers.get("x-tidemill-pair") for _, headers, _ in front.live.seen]

    assert alone is None
    assert len(set(shared)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", pair) for pair in shared)
    assert theirs["x-tidemill-pair"] not in shared
    assert {headers["x-tidemill-pair"] for _, headers, _ in front.new.seen} == set(shared)


def test_counts_are_since_a_moment(front: Front) -> None:
    for _ in range(WARM_UP + 1):
        front.ask()
    time.sleep(0.05)
    moment = time.time()
    front.ask()

    assert front.arms()["live"]["requests"] == WARM_UP + 2
    assert front.arms(moment)["live"]["requests"] == 1
    assert front.arms(moment)["live"]["generated"]["p95"]["value"] > 0


def test_only_generated_answers_are_timed_and_streams_apart(front: Front) -> None:
    """The first ones after a start are a warm-up; a cached or refused answer is no work."""
    for behaviour, times in [("good", WARM_UP + 2), ("cached", 4), ("refusing", 3)]:
        front.live.behaviour = behaviour
        for _ in range(times):
            front.ask()
    front.live.behaviour = "streaming"
    front.ask()
    health = ArmHealth.from_dict(front.arms()["live"])

    assert (health.requests, health.errors) == (WARM_UP + 10, 0)
    assert health.generated is not None
    assert health.generated.timed == 2
    assert health.streamed is not None
    assert (health.streamed.timed, health.timed) == (1, 3)
    assert health.streamed.p50.value > 0.4


def test_a_full_queue_is_overload_and_no_error(front: Front) -> None:
    front.share(100)
    front.new.behaviour = "busy"
    answers = {front.ask(user=f"u{number}").status_code for number in range(4)}
    health = ArmHealth.from_dict(front.arms()["new"])

    assert answers == {200}
    assert (health.requests, health.errors, health.overloaded) == (0, 0, 4)


def test_an_unknown_service_gets_the_nearest_name(front: Front) -> None:
    answer = front.client.post("/chatt/openai/v1/chat/completions", json={})

    assert answer.status_code == 404
    assert "did you mean 'chat'?" in answer.json()["error"]["message"]
