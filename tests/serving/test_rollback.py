"""Planted bad releases on real processes: the guardrails take them back within two looks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from tests.serving.places import make_release
from tests.serving.test_controller import CHAT, SPEC

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import ProcessFolder
from tidemill.control.rollout_controller import Controller

INTERVAL = 2.0
WALK = {
    **SPEC,
    "interval": f"{INTERVAL:g}s",
    "steps": [{"percent": 50, "hold": "60s"}, {"percent": 100, "hold": "60s"}],
    "guardrails": [
        {"signal": "error_rate", "at_most": 0.05, "min_requests": 5},
        {"signal": "latency_p50", "max_ratio_to_live": 5, "min_requests": 5},
    ],
}


class Service:
    """A ledger, a controller that ticks, and users who ask."""

    def __init__(self, home: Path, gateway: str, deployer: LocalDeployer) -> None:
        self.home, self.gateway, self.deployer = home, gateway, deployer
        self.ledger = RolloutLedger(open_engine(f"sqlite:///{home / 'ledger.db'}"))
        self.controller = Controller(ledger=self.ledger, deployer=deployer, clock=SystemClock())
        self.stop, self.statuses = Event(), [0]
        self.threads = [Thread(target=self.tick), Thread(target=self.ask)]
        for thread in self.threads:
            thread.start()

    def tick(self) -> None:
        while not self.stop.wait(0.1):
            self.controller.tick()

    def ask(self) -> None:
        with httpx.Client(base_url=self.gateway, timeout=10) as client:
            number = 0
            while not self.stop.wait(0.02):
                number += 1
                body = {"messages": [{"role": "user", "content": "a b"}], "user": f"u{number}"}
                answer = client.post(f"/{CHAT}/openai/v1/chat/completions", json=body)
                self.statuses.append(answer.status_code)

    def release(self, name: str, faults: str = "") -> int:
        release, folder = make_release(self.home / "releases" / name, faults=faults)
        return self.ledger.request(CHAT, release.digest, str(folder), WALK)

    def until(self, true: Callable[[], Any], seconds: float = 60) -> float:
        started = time.monotonic()
        while not true():
            assert time.monotonic() - started < seconds, self.ledger.newest(CHAT)[0]
            time.sleep(0.02)
        return time.monotonic() - started

    def close(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.controller.close()
        ProcessFolder(self.home / "run", "models").stop_all()


@pytest.fixture
def service(tmp_path: Path, gateway: str, deployer: LocalDeployer) -> Iterator[Service]:
    service = Service(tmp_path, gateway, deployer)
    service.release("live")
    service.until(lambda: service.statuses[-1] == 200)
    yield service
    service.close()


@pytest.mark.slow
def test_a_failing_and_a_slow_release_are_rolled_back_and_no_user_notices(
    service: Service,
) -> None:
    for name, faults in (("failing", "fail"), ("slow", "slow 0.2")):
        service.statuses.clear()
        key = service.release(name, faults)
        service.until(lambda key=key: service.ledger.get(key).percent == 50)
        took = service.until(lambda key=key: service.ledger.get(key).state == "rolled_back")
        found = service.ledger.get(key)
        url = f"{service.gateway}/-/arms"
        service.until(lambda url=url: len(httpx.get(url).json()[CHAT]["arms"]) == 1, 2)

        assert took < 2 * INTERVAL + 1
        assert ("error_rate" if name == "failing" else "latency_p50") in found.reason
        assert set(service.statuses) == {200}


@pytest.mark.slow
def test_a_killed_model_server_comes_back_by_itself(service: Service) -> None:
    (server,) = service.deployer.processes.list_all()
    os.kill(server.pid, signal.SIGKILL)

    service.until(lambda: service.statuses[-1] == 503, 10)
    service.until(lambda: service.statuses[-1] == 200)

    (other,) = service.deployer.processes.list_all()
    assert other.pid != server.pid
