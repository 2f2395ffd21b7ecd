"""One contract for every deployer: the in-memory twin, and real processes behind the gateway."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.serving.places import ECHO, make_release

from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import ProcessFolder, ProcessSpec, free_port, python_command
from tidemill.adapters.memory.deployer import MemoryDeployer
from tidemill.engine.arm_health import WARM_UP
from tidemill.errors import ServiceError
from tidemill.local.services import responds
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.ports import Arm, ArmHealth, Deployer

SERVICE = "support-chat"


@dataclass
class Place:
    """A deployer, and how a request reaches the service it deploys."""

    deployer: Deployer
    ask: Callable[[], None]
    one: tuple[ServedRelease, Path]
    two: tuple[ServedRelease, Path]
    home: Path | None = None


@pytest.fixture(params=["memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    one, two = make_release(tmp_path / "one"), make_release(tmp_path / "two")
    if request.param == "memory":
        twin = MemoryDeployer()

        def observe() -> None:
            now = datetime.now(UTC)
            for arm in twin.arms.get(SERVICE, ()):
                if arm.percent == 100:
                    seen = ArmHealth.measure(1, 0, [0.01])
                    twin.record_health(SERVICE, arm.release, now, seen)

        yield Place(twin, observe, one, two)
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    processes = ProcessFolder(tmp_path / "run")
    listen = ("--home", str(tmp_path), "--port", str(port))
    gateway = processes.start(
        ProcessSpec("gateway", python_command("-m", "tidemill.serving.gateway", *listen))
    )
    processes.await_ready(gateway, lambda: responds(f"{url}/-/health"), 30)
    deployer = LocalDeployer(tmp_path, url, command=[sys.executable, str(ECHO)])

    def ask() -> None:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        httpx.post(f"{url}/{SERVICE}/openai/v1/chat/completions", json=body).raise_for_status()

    yield Place(deployer, ask, one, two, tmp_path)
    processes.stop_all()
    ProcessFolder(tmp_path / "run", "models").stop_all()


def test_a_release_starts_without_traffic_takes_it_and_hands_it_on(place: Place) -> None:
    deployer = place.deployer
    (one, first), (two, second) = place.one, place.two

    live = deployer.start(SERVICE, one.digest, first)
    again = deployer.start(SERVICE, one.digest, first)
    deployer.set_traffic(SERVICE, [Arm(one.digest, 100, live.url)])
    for _ in range(WARM_UP):
        place.ask()
    since = datetime.now(UTC)
    place.ask()
    before = deployer.health(SERVICE, since)[one.digest]
    new = deployer.start(SERVICE, two.digest, second)
    with pytest.raises(ServiceError, match="has traffic"):
        deployer.stop(SERVICE, one.digest)
    deployer.set_traffic(SERVICE, [Arm(one.digest, 0, live.url), Arm(two.digest, 100, new.url)])
    place.ask()
    after = deployer.health(SERVICE, since)
    deployer.set_traffic(SERVICE, [Arm(two.digest, 100, new.url)])
    deployer.stop(SERVICE, one.digest)
    deployer.stop(SERVICE, one.digest)

    assert (live.percent, live.url) == (0, again.url)
    assert (before.requests, before.errors) == (1, 0)
    assert before.timed == 1
    assert before.latency_p50 is not None
    assert after[two.digest].requests == 1
    assert (
        deployer.health(SERVICE, datetime.now(UTC) + timedelta(minutes=1)).get(
            two.digest, ArmHealth()
        )
        == ArmHealth()
    )


def test_a_release_that_cannot_run_is_a_service_error(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="release"):
        place.deployer.start(SERVICE, "sha256:none", tmp_path / "nowhere")
