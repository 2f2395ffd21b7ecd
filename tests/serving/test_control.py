"""What the controller's process adds: folders that go, and where rollouts of each driver run."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.adapters.kube import Kube, kubeconfig, serve
from tests.adapters.places import NOW, SERVICE, Shop

from tidemill.adapters.clock import SetClock
from tidemill.adapters.kserve.deployer import KServeDeployer
from tidemill.adapters.kserve.to_git import GitDeployer
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.deployer import MemoryDeployer
from tidemill.control.cluster_deployer import elsewhere
from tidemill.control.deployer_choice import NEEDS_CLUSTER
from tidemill.control.rollout_controller import Controller
from tidemill.control.rollout_process import forgetting, waited_out
from tidemill.records import RolloutSpec


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return Shop.open(tmp_path)


def spec(shop: Shop, **fields: Any) -> dict[str, Any]:
    values = shop.home().project("support-chat").specs["rollout"].spec.model_dump(mode="json")
    return {**values, "driver": "kserve-standard", **fields}


def requested(shop: Shop, **fields: Any) -> RolloutSpec:
    return RolloutSpec(spec(shop, **fields))


def test_a_ledger_without_space_is_waited_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")

    def small(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    def turn() -> None:
        for name in range(500):
            ledger.leases.acquire(f"{name} {'x' * 150}", "me", timedelta(seconds=1), NOW)

    event.listen(ledger.engine, "connect", small)
    ledger.engine.dispose()
    full = waited_out(turn, "")
    again = waited_out(turn, full)
    told = [record.getMessage() for record in caplog.records]

    assert again == full == "database or disk is full"
    assert told == ["ledger unavailable: database or disk is full; retrying"]
    assert waited_out(lambda: None, again) == ""


def test_only_a_release_folder_of_this_home_is_removed(shop: Shop, tmp_path: Path) -> None:
    home = tmp_path / "home"
    mine, other = home / "releases" / "one", tmp_path / "elsewhere"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    ledger = shop.home().ledger.rollouts
    for name, folder in (("one", mine), ("two", other), ("three", home / "releases")):
        key = ledger.request(SERVICE, name, str(folder), spec(shop))
        forgetting(home)(ledger.get(key))
        forgetting(home)(ledger.get(key))

    assert not mine.exists()
    assert other.exists()
    assert (home / "releases").exists()


def test_a_driver_of_a_cluster_needs_one_and_git_does_not(shop: Shop) -> None:
    home = shop.home()
    pick = elsewhere(home.ledger, home.settings)
    git = pick(requested(shop, apply={"mode": "render-to-git"}))

    assert pick(requested(shop)) == NEEDS_CLUSTER
    assert isinstance(git, GitDeployer)
    assert git.cluster_reader is None


def test_with_a_kubeconfig_the_cluster_is_asked(shop: Shop) -> None:
    kube = Kube()
    shop.go_live(shop.release("a"), driver="kserve-standard")
    with serve(kube) as server:
        home = shop.home(KUBECONFIG=str(kubeconfig(shop.root, server)))
        pick = elsewhere(home.ledger, home.settings)
        place, git = pick(requested(shop)), pick(requested(shop, apply={"mode": "render-to-git"}))
        assert isinstance(place, KServeDeployer)
        place.start(SERVICE, "sha256:" + "a" * 64, Path("unused"))
        assert isinstance(git, GitDeployer)
        assert git.cluster_reader is place

    assert [one["metadata"]["name"] for one in kube.applied] == [SERVICE]


def test_a_kubeconfig_that_cannot_be_used_is_why_a_rollout_waits(shop: Shop) -> None:
    home = shop.home(KUBECONFIG=str(shop.root / "nowhere"))
    why = elsewhere(home.ledger, home.settings)(requested(shop))

    assert isinstance(why, str)
    assert "cannot be used" in why


def test_of_several_kubeconfigs_the_first_that_exists_counts(shop: Shop) -> None:
    there = kubeconfig(shop.root, "http://127.0.0.1:1")
    several = os.pathsep.join([str(shop.root / "nowhere"), str(there)])

    assert shop.home(KUBECONFIG=several).settings.kubeconfig == there


@pytest.mark.parametrize("driver", ["kserve-standard", "kserve-knative"])
def test_the_controller_walks_a_release_through_a_cluster_and_back(shop: Shop, driver: str) -> None:
    one, two = shop.release("a"), shop.release("b")
    steps = {"steps": [{"percent": p, "hold": "1s"} for p in (0, 25, 100)], "interval": "1s"}
    kube, clock = Kube(), SetClock(NOW)
    with serve(kube) as server:
        home = shop.home(KUBECONFIG=str(kubeconfig(shop.root, server)))
        ledger = home.ledger
        pick = elsewhere(ledger, home.settings)
        controller = Controller(
            ledger=ledger.rollouts, deployer=MemoryDeployer(), clock=clock, elsewhere=pick
        )
        place = pick(requested(shop, driver=driver))
        assert isinstance(place, KServeDeployer)
        seen: list[dict[str, float]] = []

        def tick(times: int) -> None:
            for _ in range(times):
                clock.advance(timedelta(seconds=2))
                controller.tick()
                shares = place.traffic_shares(SERVICE)
                if not seen or seen[-1] != shares:
                    seen.append(shares)

        for release in (one, two):
            key = shop.ask(release, driver=driver, **steps)
            until = time.monotonic() + 60
            while ledger.rollouts.get(key).state != "live" and time.monotonic() < until:
                tick(1)
        serving = ledger.rollouts.live_rollout(SERVICE)
        assert serving is not None
        ledger.rollouts.send_command(serving.id, "rollback", "bob")
        tick(1)
        controller.close()

    assert seen == [{one: 100}, {one: 100, two: 0}, {one: 75, two: 25}, {two: 100}, {one: 100}]
    assert ledger.rollouts.live_release(SERVICE) == one
