"""Every way in which Git, ledger and live can differ has its name, and nothing else is a drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.config_drift import LOCK_DRIFTS, ConfigDrift, config_drifts
from tidemill.engine.service_status import DesiredState, ObservedState, RecordedState, ServiceStatus

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SPECS = {"reply": "a", "data": "b"}
SAME = ServiceStatus(
    "chat",
    "support",
    DesiredState("c0ffee", ONE, specs=SPECS),
    RecordedState(ONE, SPECS, {ONE: 100.0}),
    ObservedState({ONE: 100.0}),
)


def git(**changes: object) -> ServiceStatus:
    return replace(SAME, desired=replace(SAME.desired, **changes))  # type: ignore[arg-type]


PLANTED: dict[str, ServiceStatus] = {
    "lock unreadable": git(error="tidemill.lock:3: a tab", release=None),
    "lock missing": git(release=None),
    "lock behind": git(release=TWO),
    "lock edited": git(lock_edited=True),
    "lock stray": replace(SAME, recorded=RecordedState(), observed=ObservedState({})),
    "specs ahead": git(specs={**SPECS, "data": "c"}),
    "live differs": replace(SAME, observed=ObservedState({TWO: 100.0})),
    "live down": replace(SAME, observed=ObservedState({ONE: 100.0}, stopped_releases=(ONE,))),
    "artefact missing": replace(SAME, damaged_artefacts={"reply": "missing"}),
    "artefact tampered": replace(SAME, damaged_artefacts={"reply": "tampered"}),
}


def test_three_sides_that_say_the_same_are_no_drift() -> None:
    assert config_drifts(SAME) == ()


@pytest.mark.parametrize("kind", PLANTED)
def test_each_difference_is_named_once_with_its_way_out(kind: str) -> None:
    found = config_drifts(PLANTED[kind])

    assert [drift.kind for drift in found] == [kind]
    assert found[0].service == "support"
    assert found[0].way_out
    assert str(found[0]).startswith(f"{kind}: ")


def test_a_spec_that_was_removed_is_said_to_be() -> None:
    assert "data (removed) changed" in config_drifts(git(specs={"reply": "a"}))[0].cause


def test_what_cannot_be_seen_from_here_is_no_drift() -> None:
    outside = replace(
        SAME, desired=DesiredState(), observed=ObservedState(None, "not reachable from here")
    )

    assert config_drifts(outside) == ()


def test_a_release_that_is_up_without_traffic_is_no_drift() -> None:
    assert config_drifts(replace(SAME, observed=ObservedState({ONE: 100.0, TWO: 0.0}))) == ()


def test_a_service_without_a_release_has_no_drift() -> None:
    assert (
        config_drifts(ServiceStatus("chat", "support", DesiredState("c0ffee", specs=SPECS))) == ()
    )


releases = st.sampled_from([None, ONE, TWO])
shares = st.dictionaries(st.sampled_from([ONE, TWO]), st.sampled_from([0.0, 50.0, 100.0]))
digests = st.dictionaries(st.sampled_from(["reply", "data"]), st.sampled_from("ab"))
standings = st.builds(
    ServiceStatus,
    project=st.just("chat"),
    service=st.just("support"),
    desired=st.builds(
        DesiredState,
        commit=st.sampled_from(["", "c0ffee"]),
        release=releases,
        error=st.sampled_from(["", "broken"]),
        lock_edited=st.booleans(),
        specs=st.none() | digests,
    ),
    recorded=st.builds(RecordedState, release=releases, specs=digests, shares=shares),
    observed=st.builds(ObservedState, shares=st.none() | shares, reason=st.just("")),
    damaged_artefacts=st.dictionaries(
        st.sampled_from(["a", "b"]), st.sampled_from(["missing", "tampered"])
    ),
)


@given(standings)
def test_the_lock_drifts_exactly_where_it_does_not_say_what_the_ledger_says(
    at: ServiceStatus,
) -> None:
    of_lock = [drift for drift in config_drifts(at) if drift.kind in LOCK_DRIFTS]
    same = at.desired.release == at.recorded.release and not (
        at.desired.lock_edited and at.desired.release
    )
    in_step = not at.desired.error and (same or not at.desired.commit)

    assert len(of_lock) == (0 if in_step else 1)


def mended(at: ServiceStatus, drift: ConfigDrift) -> ServiceStatus:
    """What following the way out of a drift makes of it."""
    git, wanted = at.desired, at.recorded
    if drift.kind in LOCK_DRIFTS:
        return replace(
            at, desired=replace(git, release=wanted.release, error="", lock_edited=False)
        )
    mend: dict[str, Callable[[], ServiceStatus]] = {
        "specs ahead": lambda: replace(at, recorded=replace(wanted, specs=dict(git.specs or {}))),
        "live differs": lambda: replace(at, observed=replace(at.observed, shares=wanted.shares)),
        "live down": lambda: replace(at, observed=replace(at.observed, stopped_releases=())),
    }
    return mend.get(drift.kind, lambda: replace(at, damaged_artefacts={}))()


@given(standings)
def test_following_every_way_out_ends_without_drift(at: ServiceStatus) -> None:
    for drift in config_drifts(at):
        at = mended(at, drift)

    assert config_drifts(at) == ()
