"""`apply: {mode: render-to-git}`: each step is one commit, whoever runs it and however often."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.adapters.places import PROJECT, SERVICE, Shop, git
from tests.records import release_record

from tidemill.adapters.kserve.deployer import ManifestSource
from tidemill.adapters.kserve.schema import problems
from tidemill.adapters.kserve.to_git import GitDeployer
from tidemill.errors import ServiceError
from tidemill.ports import Arm
from tidemill.spec.rollout import RenderToGit, Rollout

ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")
FIRST = [Arm(ONE, 100)]
TENTH = [Arm(ONE, 90), Arm(TWO, 10)]
LAST = [Arm(ONE, 0), Arm(TWO, 100)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return Shop.open(tmp_path)


def deployer(shop: Shop, look: Any = None, **apply: Any) -> GitDeployer:
    home = shop.home()
    spec = home.project(PROJECT).specs["rollout"].spec
    assert isinstance(spec, Rollout)
    rollout = spec.model_copy(update={"driver": "kserve-standard"})
    known = ManifestSource(
        rollout_spec=lambda _: rollout,
        find_release=lambda digest: release_record(digest=digest, commit={"sha": "1" * 40}),
        live_release=lambda _: ONE,
        health=lambda _service, _since: {},
    )
    how = RenderToGit(mode="render-to-git", **apply)
    return GitDeployer(home.settings, known, how, look)


def pushed(shop: Shop, branch: str = "main") -> list[str]:
    """Subjects on the remote, newest first, without the first commit."""
    return git(shop.root / "remote.git", "log", "--format=%s", branch).splitlines()[:-1]


def test_each_step_is_a_commit_of_a_valid_manifest_that_is_pushed(shop: Shop) -> None:
    place = deployer(shop, path="clusters/prod")
    shares = []
    for arms in (FIRST, TENTH, LAST):
        place.set_traffic(SERVICE, arms)
        text = git(shop.root / "remote.git", "show", f"main:clusters/prod/{SERVICE}.yaml")
        manifest = yaml.safe_load(text)
        assert problems(manifest) == []
        shares.append([one["trafficPercent"] for one in manifest["spec"].get("canary", [])])

    assert shares == [[], [10], []]
    assert pushed(shop) == [
        "Rollout of chat: aaaaaaaaaaaa at 0 % and bbbbbbbbbbbb at 100 %",
        "Rollout of chat: aaaaaaaaaaaa at 90 % and bbbbbbbbbbbb at 10 %",
        "Rollout of chat: aaaaaaaaaaaa at 100 %",
    ]


def test_the_same_step_again_is_no_commit(shop: Shop) -> None:
    for _ in range(3):
        deployer(shop).set_traffic(SERVICE, TENTH)

    assert len(pushed(shop)) == 1
    assert git(shop.work, "status", "--porcelain") == ""


@pytest.mark.parametrize("branch", [None, "deploy"])
def test_a_push_that_was_lost_is_made_up_for(shop: Shop, branch: str | None) -> None:
    (shop.root / "remote.git").rename(shop.root / "away.git")
    with pytest.raises(ServiceError):
        deployer(shop, branch=branch).set_traffic(SERVICE, TENTH)
    (shop.root / "away.git").rename(shop.root / "remote.git")
    deployer(shop, branch=branch).set_traffic(SERVICE, TENTH)

    assert len(pushed(shop, branch or "main")) == 1


def test_a_branch_of_its_own_leaves_the_working_tree_alone(shop: Shop) -> None:
    (shop.work / "mine.txt").write_text("not committed")
    place = deployer(shop, branch="deploy")
    for arms in (FIRST, TENTH, TENTH, LAST):
        place.set_traffic(SERVICE, arms)

    assert len(pushed(shop, "deploy")) == 3
    assert pushed(shop) == []
    assert git(shop.work, "status", "--porcelain") == "?? mine.txt"
    assert git(shop.work, "symbolic-ref", "--short", "HEAD") == "main"


def test_what_somebody_else_pushed_to_the_branch_stays(shop: Shop) -> None:
    place = deployer(shop, branch="deploy")
    place.set_traffic(SERVICE, FIRST)
    git(shop.root, "clone", "--quiet", "--branch=deploy", "remote.git", "other")
    (shop.root / "other" / "kustomization.yaml").write_text("resources: [deploy/chat.yaml]\n")
    git(shop.root / "other", "add", ".")
    git(shop.root / "other", "commit", "--quiet", "-m", "Kustomise", who="ann")
    git(shop.root / "other", "push", "--quiet")
    place.set_traffic(SERVICE, TENTH)

    assert [subject.split(":")[0] for subject in pushed(shop, "deploy")] == [
        "Rollout of chat",
        "Kustomise",
        "Rollout of chat",
    ]


class Cluster:
    """What a cluster says it serves."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = shares

    def traffic_shares(self, service: str) -> Mapping[str, float]:
        return self.shares


def test_where_the_cluster_can_be_seen_the_split_is_read_back(shop: Shop) -> None:
    with pytest.raises(ServiceError, match="Argo CD or Flux has to apply 'deploy'"):
        deployer(shop, Cluster({ONE: 100})).set_traffic(SERVICE, TENTH)
    deployer(shop, Cluster({ONE: 90, TWO: 10})).set_traffic(SERVICE, TENTH)

    assert len(pushed(shop)) == 1


def test_a_folder_among_the_specs_a_shadow_and_no_repository_are_refused(shop: Shop) -> None:
    with pytest.raises(ServiceError, match="lies among the specs"):
        deployer(shop, path="specs/support-chat").set_traffic(SERVICE, FIRST)
    with pytest.raises(ServiceError, match="cannot mirror requests"):
        deployer(shop).set_traffic(SERVICE, FIRST, shadow=True)
    git(shop.work, "checkout", "--quiet", "--detach")
    with pytest.raises(ServiceError, match="no branch to commit"):
        deployer(shop).set_traffic(SERVICE, FIRST)
    (shop.work / ".git").rename(shop.root / "elsewhere")
    with pytest.raises(ServiceError, match="is in no Git repository"):
        deployer(shop).set_traffic(SERVICE, FIRST)


def test_nothing_starts_or_stops_but_by_a_commit(shop: Shop) -> None:
    place = deployer(shop)

    assert place.start(SERVICE, TWO, Path("unused")) == Arm(TWO, 0.0)
    place.stop(SERVICE, TWO)
    assert pushed(shop) == []
