"""How traffic is shared, and how an arm's health is counted."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.routing import Route, RouteFile, bucket
from tidemill.ports import Arm
from tidemill.serving.traffic_metrics import RequestOutcome, Result, TrafficMetrics, health

KEY = b"key"


def route(percent: float, mode: str = "split") -> Route:
    return Route((Arm("live", 100 - percent, "http://l"), Arm("new", percent, "http://n")), mode)  # type: ignore[arg-type]


def test_shares_come_out_as_asked() -> None:
    picked = [route(10).arm_for(bucket(KEY, "new", f"user {n}")).release for n in range(10_000)]

    assert 0.08 < picked.count("new") / len(picked) < 0.12


@given(who=st.text(), low=st.floats(0, 100), high=st.floats(0, 100))
@settings(max_examples=200, deadline=None)
def test_a_subject_who_has_the_candidate_keeps_it_while_the_share_rises(
    who: str, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    place = bucket(KEY, "new", who)

    if route(low).arm_for(place).release == "new":
        assert route(high).arm_for(place).release == "new"


def test_at_none_and_at_all_everybody_agrees() -> None:
    places = [bucket(KEY, "new", str(n)) for n in range(1000)]

    assert {route(0).arm_for(place).release for place in places} == {"live"}
    assert {route(100).arm_for(place).release for place in places} == {"new"}


def test_a_shadow_answers_nobody() -> None:
    shadowed = route(50, "shadow")

    assert shadowed.arm_for(1.0).release == "live"
    assert [arm.release for arm in shadowed.shadows] == ["new"]


def test_another_candidate_tries_its_luck_on_other_people() -> None:
    def guinea_pigs(salt: str) -> set[int]:
        return {n for n in range(1000) if bucket(KEY, salt, str(n)) < 10}

    assert len(guinea_pigs("a") & guinea_pigs("b")) < len(guinea_pigs("a")) / 2


def test_a_route_written_is_the_route_read_at_once(tmp_path: Path) -> None:
    reader, writer = RouteFile(tmp_path / "gateway.json"), RouteFile(tmp_path / "gateway.json")
    assert reader.read() == {}

    for percent in (10.0, 50.0, 100.0):
        writer.set("chat", route(percent))

        assert reader.read()["chat"] == route(percent)

    writer.set("chat", None)
    assert reader.read() == {}


def test_health_counts_since_a_moment_and_keeps_errors_out_of_latencies() -> None:
    tally = TrafficMetrics()
    for at in range(100):
        result: Result = "failed" if at % 10 == 0 else "answered"
        tally.add("chat", "new", RequestOutcome(float(at), at / 100, result))

    seen = tally.health_since("chat", "new", 50.0)

    assert (seen.requests, seen.errors) == (50, 5)
    assert seen.latency_p50 is not None
    assert 0.7 < seen.latency_p50 < 0.8


def test_no_requests_are_no_data() -> None:
    assert health([]).latency_p50 is None
    assert health([]).requests == 0
