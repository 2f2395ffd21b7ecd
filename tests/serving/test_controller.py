"""The controller on an in-memory ledger and deployer, with a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.arms import arm

from tidemill.adapters.clock import SetClock
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.memory.deployer import MemoryDeployer
from tidemill.answer import Answer
from tidemill.control.deployer_choice import NEEDS_CLUSTER, rollback_targets
from tidemill.control.rollout_controller import Controller
from tidemill.control.rollout_events import lifecycle_kind
from tidemill.engine.shadow_pair import ReleaseAnswer, ShadowPair
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth
from tidemill.records import RolloutRecord, RolloutUpdate

CHAT = "support-chat"
SPEC: dict[str, Any] = {
    "apiVersion": "tidemill/v1",
    "kind": "Rollout",
    "name": "reply",
    "of": "reply-int8",
    "judged_by": "reply-eval",
    "service": CHAT,
    "steps": [
        {"percent": 10, "hold": "30s"},
        {"percent": 50, "hold": "30s"},
        {"percent": 100, "hold": "30s"},
    ],
    "guardrails": [
        {"signal": "error_rate", "at_most": 0.05},
        {"signal": "latency_p95", "max_ratio_to_live": 2},
    ],
    "interval": "10s",
}
GOOD = arm(100, 0, 0.1, 0.2)
FAILING = arm(100, 50, 0.1, 0.2)
SLOW = arm(100, 0, 0.5, 0.9)


class Stage:
    """A service on its way, played step by step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.ledger = RolloutLedger(open_engine("sqlite://"))
        self.deployer = MemoryDeployer()
        self.told: list[str] = []
        self.forgotten: list[str] = []
        self.cluster: MemoryDeployer | str = NEEDS_CLUSTER
        self.controller = self.fresh()

    def fresh(self) -> Controller:
        """A controller that remembers nothing, as after a kill."""
        return Controller(
            ledger=self.ledger,
            deployer=self.deployer,
            clock=self.clock,
            tell=self.hear,
            elsewhere=lambda spec: self.cluster,
            forget=lambda walking: self.forgotten.append(walking.release),
        )

    def hear(self, _row: RolloutRecord, change: RolloutUpdate) -> None:
        """Remember which kinds of events were told."""
        if kind := lifecycle_kind(change):
            self.told.append(kind)

    def ask(self, release: str, **changes: Any) -> int:
        return self.ledger.request(CHAT, release, str(self.folder), {**SPEC, **changes})

    def pass_time(self, seconds: float, **health: ArmHealth) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        for release, seen in health.items():
            self.deployer.record_health(CHAT, release, self.clock.now(), seen)
        self.controller.tick()

    def go_live(self, release: str, **changes: Any) -> None:
        """Walk a release to everybody."""
        key = self.ask(release, **changes)
        while self.ledger.get(key).state in ("requested", "running"):
            seen = {arm.release: GOOD for arm in self.deployer.arms.get(CHAT, ())}
            self.pass_time(10, **seen)

    @property
    def shares(self) -> dict[str, float]:
        return {arm.release: arm.percent for arm in self.deployer.arms.get(CHAT, ())}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.controller.close()


@pytest.fixture
def walking(stage: Stage) -> Stage:
    """`one` is live, `two` was asked for and has its first share."""
    stage.ask("one")
    stage.controller.tick()
    stage.ask("two")
    stage.controller.tick()
    return stage


def test_the_first_release_gets_everything_as_soon_as_it_is_ready(stage: Stage) -> None:
    key = stage.ask("one")
    stage.controller.tick()

    assert stage.shares == {"one": 100}
    assert stage.ledger.live_release(CHAT) == "one"
    assert "first release" in stage.ledger.decisions(key)[-1].reason


def test_a_first_release_is_watched_for_its_hold_and_what_compares_is_named_as_skipped(
    stage: Stage,
) -> None:
    key = stage.ask("one", quality={"metric": "thumbs"})
    stage.controller.tick()
    for _ in range(4):
        stage.pass_time(10, one=GOOD)
    first, *_, last = stage.ledger.decisions(key)

    assert first.reason == (
        "the first release of this service: it is live for everybody; "
        "watched for 30 s: error_rate at most 0.05; "
        "skipped: first release, no baseline "
        "(10 % step, 50 % step, latency_p95 at most 2 times live, thumbs ratings)"
    )
    assert (last.decision, last.reason) == (
        "done",
        "the watch is over: error_rate at most 0.05: 0 <= 0.05",
    )
    assert stage.shares == {"one": 100}


def test_a_first_release_without_requests_is_live_and_stays_watched(stage: Stage) -> None:
    key = stage.ask("one")
    for _ in range(20):
        stage.pass_time(10)
    assert stage.shares == {"one": 100}
    assert stage.ledger.get(key).state == "live"
    assert stage.ledger.get(key).reason.startswith("the watch ends once there is data: ")

    stage.pass_time(10, one=FAILING)

    assert stage.ledger.get(key).awaits_person


def test_a_failing_first_release_asks_a_person_even_after_a_kill(stage: Stage) -> None:
    key = stage.ask("one")
    stage.controller.tick()
    stage.controller = stage.fresh()
    stage.pass_time(10, one=FAILING)
    row = stage.ledger.get(key)

    assert (row.state, row.awaits_person) == ("live", True)
    assert "there is no other release to go back to" in row.reason
    assert "tidemill rollout promote support-chat" in row.reason
    assert stage.shares == {"one": 100}


def test_a_person_accepts_a_failing_first_release(stage: Stage) -> None:
    key = stage.ask("one")
    stage.controller.tick()
    stage.pass_time(10, one=FAILING)
    stage.ledger.send_command(key, "promote", "ann")
    stage.pass_time(10, one=FAILING)
    accepted = stage.ledger.get(key)
    stage.pass_time(10, one=FAILING)

    assert not accepted.awaits_person
    assert accepted.reason == "accepted by ann; it is watched no longer"
    assert stage.ledger.get(key) == accepted


def test_a_better_release_replaces_a_failing_first_one_while_it_is_watched(stage: Stage) -> None:
    stage.ask("one")
    stage.controller.tick()
    stage.pass_time(10, one=FAILING)
    stage.ask("two")
    while stage.ledger.live_release(CHAT) != "two":
        stage.pass_time(10, one=FAILING, two=GOOD)

    assert stage.shares == {"two": 100}


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "shadow", "steps": [{"percent": 0, "hold": "30s"}]},
        {"mode": "ab", "steps": [{"percent": 50, "hold": "30s"}], "quality": {}},
    ],
    ids=["shadow", "ab"],
)
def test_what_compares_with_a_live_release_gets_no_traffic_where_none_is(
    stage: Stage, changes: dict[str, Any]
) -> None:
    key = stage.ask("one", **changes)
    stage.ledger.send_command(key, "promote", "ann")
    for _ in range(5):
        stage.pass_time(10, one=GOOD)
    row = stage.ledger.get(key)

    assert stage.shares == {}
    assert stage.deployer.running[CHAT] == {}
    assert (row.state, row.percent) == ("requested", 0)
    assert "a live release, and 'support-chat' has none" in row.reason
    assert "set `mode: canary`" in row.reason

    stage.ask("two")
    stage.controller.tick()
    assert stage.shares == {"two": 100}


def test_a_release_that_waits_for_its_approval_takes_no_memory(stage: Stage) -> None:
    stage.ask("one")
    stage.controller.tick()
    key = stage.ask("two", approval={"by": ["ann"]})
    for _ in range(3):
        stage.pass_time(10, one=GOOD)
    assert stage.ledger.get(key).awaits_person
    assert set(stage.deployer.running[CHAT]) == {"one"}

    stage.ledger.send_command(key, "promote", "ann")
    stage.pass_time(1, one=GOOD)
    assert stage.shares == {"one": 90, "two": 10}


def test_a_good_release_walks_all_steps_and_the_former_one_stays_ready(walking: Stage) -> None:
    seen = [walking.shares["two"]]
    while walking.ledger.live_release(CHAT) != "two":
        walking.pass_time(10, one=GOOD, two=GOOD)
        seen.append(walking.shares["two"])

    assert sorted(set(seen)) == [10, 50, 100]
    assert len(seen) <= 12
    assert walking.shares == {"two": 100}
    assert set(walking.deployer.running[CHAT]) == {"one", "two"}
    last = walking.ledger.decisions(walking.ledger.newest(CHAT)[0].id)[-1]
    assert last.numbers["rollback"]["to"] == "one"


@pytest.mark.parametrize("bad", [FAILING, SLOW], ids=["failing", "slow"])
def test_a_bad_release_is_rolled_back_within_two_looks(walking: Stage, bad: ArmHealth) -> None:
    key = walking.ledger.newest(CHAT)[0].id
    for _ in range(2):
        walking.pass_time(10, one=GOOD, two=bad)

    assert walking.shares == {"one": 100}
    assert walking.ledger.get(key).state == "rolled_back"
    assert set(walking.deployer.running[CHAT]) == {"one"}
    assert "rolled-back" in walking.told
    assert walking.ledger.decisions(key)[-1].numbers["health"]["candidate"]["requests"] == 100


def test_no_data_holds_for_its_time_and_then_the_others_judge(walking: Stage) -> None:
    for _ in range(20):
        walking.pass_time(10)

    assert walking.shares == {"one": 90, "two": 10}
    assert "waits for data until" in walking.ledger.newest(CHAT)[0].reason

    for _ in range(160):
        walking.pass_time(10)
    assert walking.shares == {"one": 50, "two": 50}


def test_a_killed_controller_goes_on_where_it_was(walking: Stage) -> None:
    while walking.shares["two"] != 50:
        walking.pass_time(10, one=GOOD, two=GOOD)
    walking.deployer.arms.clear()
    walking.deployer.running.clear()

    walking.controller = walking.fresh()
    walking.controller.tick()

    assert walking.shares == {"one": 50, "two": 50}


def test_a_newer_release_overtakes_the_one_under_way(walking: Stage) -> None:
    overtaken = walking.ledger.newest(CHAT)[0].id
    walking.ask("three")
    walking.pass_time(1)

    assert walking.ledger.get(overtaken).state == "superseded"
    assert set(walking.shares) == {"one", "three"}
    assert set(walking.deployer.running[CHAT]) == {"one", "three"}


def test_asking_twice_is_asking_once(stage: Stage) -> None:
    assert stage.ask("one") == stage.ask("one")


def test_a_release_that_does_not_start_fails_and_the_live_one_stays(walking: Stage) -> None:
    walking.folder = walking.folder / "nowhere"
    key = walking.ask("three")
    walking.pass_time(1)
    walking.pass_time(1)

    assert walking.ledger.get(key).state == "failed"
    assert "no release folder" in walking.ledger.get(key).reason
    assert walking.shares == {"one": 100}


def test_a_person_pauses_resumes_and_rolls_back(walking: Stage) -> None:
    key = walking.ledger.newest(CHAT)[0].id
    walking.ledger.send_command(key, "pause", "ann")
    for _ in range(5):
        walking.pass_time(10, one=GOOD, two=GOOD)
    assert walking.shares["two"] == 10

    walking.ledger.send_command(key, "promote", "ann")
    for _ in range(5):
        walking.pass_time(10, one=GOOD, two=GOOD)
    assert walking.shares["two"] == 50

    walking.ledger.send_command(key, "rollback", "bob")
    walking.pass_time(0.5)
    assert walking.shares == {"one": 100}
    assert walking.ledger.get(key).reason == "rolled back by bob"


def test_the_live_release_is_rolled_back_to_the_one_before(walking: Stage) -> None:
    while walking.ledger.live_release(CHAT) != "two":
        walking.pass_time(10, one=GOOD, two=GOOD)
    serving = walking.ledger.live_rollout(CHAT)
    assert serving is not None

    walking.ledger.send_command(serving.id, "rollback", "bob")
    walking.pass_time(0.5)

    assert walking.ledger.live_release(CHAT) == "one"
    assert walking.shares == {"one": 100}
    assert walking.ledger.get(serving.id).state == "rolled_back"
    assert set(walking.deployer.running[CHAT]) == {"one"}


def promoted(walking: Stage, **changes: Any) -> int:
    """`two` is live after its steps and watched; gives its rollout's id."""
    if changes:
        walking.ask("three", **changes)
    candidate = walking.ledger.newest(CHAT)[0]
    while walking.ledger.live_release(CHAT) != candidate.release:
        walking.pass_time(10, one=GOOD, **{candidate.release: GOOD})
    return candidate.id


@pytest.mark.parametrize("killed", [False, True])
def test_a_promoted_release_that_turns_bad_goes_back_by_itself(
    walking: Stage, killed: bool
) -> None:
    key = promoted(walking)
    assert "watched for 24 h: error_rate at most 0.05" in walking.ledger.get(key).reason
    if killed:
        walking.controller = walking.fresh()
    walking.pass_time(3600, two=GOOD)
    walking.pass_time(10, two=FAILING)
    walking.pass_time(10, one=GOOD)

    row = walking.ledger.get(key)
    assert (row.state, row.percent) == ("rolled_back", 0)
    assert row.reason.startswith("error_rate at most 0.05: 0.5 > 0.05")
    assert walking.ledger.live_release(CHAT) == "one"
    assert walking.shares == {"one": 100}
    assert walking.told[-1] == "rolled-back"
    assert set(walking.deployer.running[CHAT]) == {"one"}


def test_the_release_that_came_back_is_not_watched_so_that_two_never_take_turns(
    walking: Stage,
) -> None:
    promoted(walking)
    walking.pass_time(10, two=FAILING)
    for _ in range(5):
        walking.pass_time(10, one=FAILING)

    assert walking.ledger.live_release(CHAT) == "one"


def test_a_watch_ends_after_its_time_and_without_one_the_release_is_simply_live(
    walking: Stage,
) -> None:
    key = promoted(walking)
    for _ in range(24):
        walking.pass_time(3600, two=GOOD)
    assert walking.ledger.get(key).reason.startswith("the watch is over")
    other = promoted(walking, watch="0s")
    for _ in range(3):
        walking.pass_time(10, two=FAILING, three=FAILING)

    assert walking.ledger.get(other).reason == "every step went well: the candidate is live"
    assert walking.ledger.live_release(CHAT) == "three"


def test_a_person_ends_a_watch_or_takes_the_release_back(walking: Stage) -> None:
    key = promoted(walking)
    walking.ledger.send_command(key, "promote", "ann")
    walking.pass_time(10, two=FAILING)
    walking.pass_time(10, two=FAILING)
    assert walking.ledger.get(key).reason == "accepted by ann; it is watched no longer"
    assert walking.ledger.live_release(CHAT) == "two"

    walking.ledger.send_command(key, "rollback", "bob")
    walking.pass_time(1)
    assert walking.ledger.live_release(CHAT) == "one"


def test_a_candidate_begins_anew_where_the_watched_release_under_it_went_back(
    walking: Stage,
) -> None:
    promoted(walking)
    key = walking.ask("three")
    walking.pass_time(10, two=GOOD, three=GOOD)
    walking.pass_time(40, two=FAILING, three=GOOD)
    assert walking.ledger.live_release(CHAT) == "one"
    walking.pass_time(10, one=GOOD, three=GOOD)

    row = walking.ledger.get(key)
    assert row.rollout_state is not None
    assert row.rollout_state.live == "one"
    assert walking.shares == {"one": 90, "three": 10}


def test_with_nothing_before_it_the_live_release_stays(stage: Stage) -> None:
    stage.ask("one")
    stage.controller.tick()
    serving = stage.ledger.live_rollout(CHAT)
    assert serving is not None

    stage.ledger.send_command(serving.id, "rollback", "bob")
    stage.pass_time(1)

    assert stage.ledger.live_release(CHAT) == "one"
    assert "no previous release" in stage.ledger.get(serving.id).reason


def test_an_approval_is_waited_for_and_the_wrong_person_cannot_give_it(stage: Stage) -> None:
    stage.ask("one")
    stage.controller.tick()
    key = stage.ask("two", approval={"by": ["ann"], "before_percent": 10})
    stage.controller.tick()
    for _ in range(6):
        stage.pass_time(10, one=GOOD, two=GOOD)
    assert stage.shares["two"] == 10
    assert stage.ledger.get(key).awaits_person

    stage.ledger.send_command(key, "promote", "bob")
    stage.pass_time(10, one=GOOD, two=GOOD)
    assert stage.shares["two"] == 10

    stage.ledger.send_command(key, "promote", "ann")
    stage.pass_time(10, one=GOOD, two=GOOD)
    assert stage.shares["two"] == 50


def test_a_shadow_answers_nobody_and_ends(stage: Stage) -> None:
    stage.ask("one")
    stage.controller.tick()
    key = stage.ask("two", mode="shadow", steps=[{"percent": 0, "hold": "30s"}])
    stage.controller.tick()
    assert stage.shares == {"one": 100, "two": 0}
    assert stage.deployer.shadow[CHAT]

    for _ in range(6):
        stage.pass_time(10, one=GOOD, two=GOOD)

    assert stage.ledger.get(key).state == "ended"
    assert stage.ledger.live_release(CHAT) == "one"


def test_a_shadow_whose_answers_differ_goes_back(stage: Stage) -> None:
    live, other = (ReleaseAnswer(Answer(label, label), 0.1) for label in ("refund", "order"))
    stage.controller.pairs = lambda *_: [ShadowPair(f"r{n}", live, other) for n in range(50)]
    stage.ask("one")
    stage.controller.tick()
    shadow = {"mode": "shadow", "steps": [{"percent": 0, "hold": "30s"}], "min_agreement": 0.9}
    key = stage.ask("two", **shadow)
    stage.controller.tick()
    for _ in range(6):
        stage.pass_time(10, one=GOOD, two=GOOD)

    assert stage.ledger.get(key).state == "rolled_back"
    assert "the shadow answers differently: 0 of 50 rows" in stage.ledger.get(key).reason


def test_trouble_with_one_service_does_not_stop_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = stage.deployer.set_traffic

    def refuse(service: str, arms: list[Arm], *, shadow: bool = False) -> None:
        if service == "aaa":
            raise ServiceError("planted")
        split(service, arms, shadow=shadow)

    monkeypatch.setattr(stage.deployer, "set_traffic", refuse)
    stage.ledger.request("aaa", "x", str(stage.folder), SPEC)
    stage.ask("one")
    stage.controller.tick()

    assert stage.shares == {"one": 100}


def folders(stage: Stage) -> list[str]:
    """Former releases that a rollback can still reach, newest first."""
    return [
        w.release
        for w in rollback_targets(
            stage.ledger.live_rollout(CHAT), stage.ledger.retired_rollouts(CHAT)
        )
    ]


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_exactly_as_many_former_releases_stay_ready_as_the_spec_says(
    stage: Stage, keep: int
) -> None:
    names = ["one", "two", "three", "four", "five"]
    for name in names:
        stage.go_live(name, keep_versions=keep)
    stage.controller.tick()

    assert folders(stage) == names[-2::-1][:keep]
    assert stage.forgotten == names[: 4 - keep]
    assert set(stage.deployer.running[CHAT]) == {"five", "four"}


def test_each_rollback_goes_one_kept_release_further_and_no_further(stage: Stage) -> None:
    for name in ("one", "two", "three", "four"):
        stage.go_live(name, keep_versions=2)
    seen = []
    for _ in range(4):
        serving = stage.ledger.live_rollout(CHAT)
        assert serving is not None
        stage.ledger.send_command(serving.id, "rollback", "bob")
        stage.pass_time(1)
        seen.append(stage.ledger.live_release(CHAT))

    assert seen[:2] == ["three", "two"]
    assert "one" in stage.forgotten


def test_a_former_release_that_comes_back_keeps_its_folder(stage: Stage) -> None:
    for name in ("one", "two", "one"):
        stage.go_live(name, keep_versions=2)
    stage.controller.tick()

    assert stage.ledger.live_release(CHAT) == "one"
    assert folders(stage) == ["two"]
    assert stage.forgotten == []


def test_a_clusters_rollout_waits_for_a_cluster_and_is_never_walked_here(stage: Stage) -> None:
    key = stage.ask("one", driver="kserve-standard")
    for _ in range(3):
        stage.pass_time(10)
    walking = stage.ledger.get(key)

    assert (walking.state, walking.reason) == (
        "requested",
        "needs a cluster: set KUBECONFIG, or `driver: local`",
    )
    assert stage.deployer.running == {}
    assert stage.shares == {}
    assert [step.repeats for step in stage.ledger.decisions(key)] == [1]


def test_with_a_cluster_it_is_walked_there(stage: Stage) -> None:
    key = stage.ask("one", driver="kserve-standard")
    stage.controller.tick()
    there = stage.cluster = MemoryDeployer()
    stage.pass_time(1)
    stage.ask("two", driver="kserve-standard")
    stage.pass_time(1)

    assert stage.ledger.get(key).state == "live"
    assert {arm.release: arm.percent for arm in there.arms[CHAT]} == {"one": 90, "two": 10}
    assert stage.deployer.running == {}


def test_a_cluster_that_went_away_leaves_what_it_serves_alone(stage: Stage) -> None:
    there = stage.cluster = MemoryDeployer()
    stage.ask("one", driver="kserve-standard")
    stage.controller.tick()
    stage.cluster = "the kubeconfig cannot be used"
    serving = stage.ledger.live_rollout(CHAT)
    assert serving is not None
    stage.ledger.send_command(serving.id, "rollback", "bob")
    stage.pass_time(1)

    assert {arm.release: arm.percent for arm in there.arms[CHAT]} == {"one": 100}
    assert stage.ledger.get(serving.id).command is None
    assert stage.ledger.get(serving.id).reason == "the kubeconfig cannot be used"


def test_releases_of_two_drivers_never_share_traffic(walking: Stage) -> None:
    walking.cluster = MemoryDeployer()
    key = walking.ask("three", driver="kserve-knative")
    for _ in range(3):
        walking.pass_time(10, one=GOOD)

    assert walking.shares == {"one": 100}
    assert "driver local, which cannot share traffic with kserve-knative" in (
        walking.ledger.get(key).reason
    )
    assert walking.cluster.running == {}
