"""What the gateway and the model server add to an answer of the bare runtime."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import ProcessFolder, ProcessSpec, free_port, python_command
from tidemill.form import ModelForm
from tidemill.local.services import responds
from tidemill.ports import Arm
from tidemill.runtimes import LabelScores, Messages, Reply, Resolve

Row = dict[str, object]
ROUNDS, TOKENS = 300, 10
SAID = [{"role": "user", "content": "where is my order"}]
LIMIT = 5.0


class Steady:
    """A runtime of ten tokens, a matrix product or two each: like a decoder, but always alike."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        self.form = ModelForm.read(folder)
        self._left = np.random.default_rng(0).random((288, 288), dtype=np.float32)

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        return [[*self.stream(one, max_tokens=TOKENS)][-1] for one in conversations]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        for number in range(TOKENS):
            for _ in range(2):
                self._left @ self._left
            yield str(number)
        yield Reply("".join(map(str, range(TOKENS))), 4, TOKENS, 0.0, "stop")

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        raise NotImplementedError

    def close(self) -> None:
        return


def open_steady(folder: Path, *, resolve: Resolve) -> Steady:
    return Steady(folder)


def run() -> list[Row]:
    """Milliseconds at p50, the three ways asked in turn; cache and streaming off."""
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        from tests.serving.places import make_release  # this file is a script as well

        release, place = make_release(home / "release", cache=False)
        port = free_port()
        gateway = f"http://127.0.0.1:{port}"
        processes = ProcessFolder(home / "run")
        try:
            listen = ("--home", str(home), "--port", str(port))
            command = python_command("-m", "tidemill.serving.gateway", *listen)
            front = processes.start(ProcessSpec("gateway", command, gateway))
            processes.await_ready(front, lambda: responds(f"{gateway}/-/health"), 30)
            deployer = LocalDeployer(home, gateway, command=[sys.executable, __file__])
            arm = deployer.start(release.service, release.digest, place)
            deployer.set_traffic(release.service, [Arm(release.digest, 100, arm.url)])
            return measured(Steady(place / "model"), arm.url, f"{gateway}/{release.service}")
        finally:
            processes.stop_all()


def one_thread() -> None:
    """The bare runtime and the server's get one thread each, or more threads for one of them would
    count as what the other adds. NumPy reads this when it is loaded."""
    assert "numpy" not in sys.modules
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


def measured(runtime: Steady, server: str, gateway: str) -> list[Row]:
    """The p50 of each way, and what is added."""
    ways = {
        "bare": lambda: runtime.answer([SAID], max_tokens=TOKENS),
        "server": asker(server),
        "gateway": asker(gateway),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 10):
        for name, ask in ways.items():
            started = time.perf_counter()
            ask()
            if number >= 10:
                seconds[name].append(time.perf_counter() - started)
    p50 = {name: statistics.median(found) * 1e3 for name, found in seconds.items()}
    added = p50["gateway"] - p50["bare"]
    return [
        row("bare runtime, p50", p50["bare"]),
        row("model server adds, p50", p50["server"] - p50["bare"]),
        row("gateway and model server add, p50", added, LIMIT),
    ]


def asker(url: str) -> Callable[[], object]:
    """Ask over one connection that stays open, with a client that costs next to nothing."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    path, body = f"{parts.path}/openai/v1/chat/completions", json.dumps({"messages": SAID})

    def ask() -> None:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url} answers {answer.status}")

    return ask


def row(name: str, value: float, limit: float | None = None) -> Row:
    """One row of the table."""
    return {
        "name": name,
        "value": value,
        "unit": "ms",
        "limit": f"<= {limit:g}" if limit else "",
        "ok": limit is None or value <= limit,
    }


if __name__ == "__main__":
    one_thread()
    from tidemill.serving import model_server

    model_server.load.__kwdefaults__["open_model"] = open_steady
    model_server.main()
