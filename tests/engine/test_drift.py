"""Every way in which Git, ledger and live can differ has its name, and nothing else is a drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.config_drift import (
    OF_THE_LOCK,
    Drift,
    GitSide,
    LedgerSide,
    LiveSide,
    Standing,
    drifts,
)

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SPECS = {"reply": "a", "data": "b"}
SAME = Standing(
    "chat",
    "support",
    GitSide("c0ffee", ONE, specs=SPECS),
    LedgerSide(ONE, SPECS, {ONE: 100.0}),
    LiveSide({ONE: 100.0}),
)


def git(**changes: object) -> Standing:
    return replace(SAME, git=replace(SAME.git, **changes))  # type: ignore[arg-type]


PLANTED: dict[str, Standing] = {
    "lock unreadable": git(trouble="tidemill.lock:3: a tab", release=None),
    "lock missing": git(release=None),
    "lock behind": git(release=TWO),
    "lock edited": git(edited=True),
    "lock stray": replace(SAME, ledger=LedgerSide(), live=LiveSide({})),
    "specs ahead": git(specs={**SPECS, "data": "c"}),
    "live differs": replace(SAME, live=LiveSide({TWO: 100.0})),
    "live down": replace(SAME, live=LiveSide({ONE: 100.0}, down=(ONE,))),
    "artefact missing": replace(SAME, damaged={"reply": "missing"}),
    "artefact tampered": replace(SAME, damaged={"reply": "tampered"}),
}


def test_three_sides_that_say_the_same_are_no_drift() -> None:
    assert drifts(SAME) == ()


@pytest.mark.parametrize("kind", PLANTED)
def test_each_difference_is_named_once_with_its_way_out(kind: str) -> None:
    found = drifts(PLANTED[kind])

    assert [drift.kind for drift in found] == [kind]
    assert found[0].service == "support"
    assert found[0].way_out
    assert str(found[0]).startswith(f"{kind}: ")


def test_a_spec_that_was_removed_is_said_to_be() -> None:
    assert "data (removed) changed" in drifts(git(specs={"reply": "a"}))[0].cause


def test_what_cannot_be_seen_from_here_is_no_drift() -> None:
    outside = replace(SAME, git=GitSide(), live=LiveSide(None, "not reachable from here"))

    assert drifts(outside) == ()


def test_a_release_that_is_up_without_traffic_is_no_drift() -> None:
    assert drifts(replace(SAME, live=LiveSide({ONE: 100.0, TWO: 0.0}))) == ()


def test_a_service_without_a_release_has_no_drift() -> None:
    assert drifts(Standing("chat", "support", GitSide("c0ffee", specs=SPECS))) == ()


releases = st.sampled_from([None, ONE, TWO])
shares = st.dictionaries(st.sampled_from([ONE, TWO]), st.sampled_from([0.0, 50.0, 100.0]))
digests = st.dictionaries(st.sampled_from(["reply", "data"]), st.sampled_from("ab"))
standings = st.builds(
    Standing,
    project=st.just("chat"),
    service=st.just("support"),
    git=st.builds(
        GitSide,
        commit=st.sampled_from(["", "c0ffee"]),
        release=releases,
        trouble=st.sampled_from(["", "broken"]),
        edited=st.booleans(),
        specs=st.none() | digests,
    ),
    ledger=st.builds(LedgerSide, release=releases, specs=digests, shares=shares),
    live=st.builds(LiveSide, shares=st.none() | shares, why=st.just("")),
    damaged=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["missing", "tampered"])),
)


@given(standings)
def test_the_lock_drifts_exactly_where_it_does_not_say_what_the_ledger_says(at: Standing) -> None:
    of_lock = [drift for drift in drifts(at) if drift.kind in OF_THE_LOCK]
    same = at.git.release == at.ledger.release and not (at.git.edited and at.git.release)
    in_step = not at.git.trouble and (same or not at.git.commit)

    assert len(of_lock) == (0 if in_step else 1)


def mended(at: Standing, drift: Drift) -> Standing:
    """What following the way out of a drift makes of it."""
    git, wanted = at.git, at.ledger
    if drift.kind in OF_THE_LOCK:
        return replace(at, git=replace(git, release=wanted.release, trouble="", edited=False))
    mend: dict[str, Callable[[], Standing]] = {
        "specs ahead": lambda: replace(at, ledger=replace(wanted, specs=dict(git.specs or {}))),
        "live differs": lambda: replace(at, live=replace(at.live, shares=wanted.shares)),
        "live down": lambda: replace(at, live=replace(at.live, down=())),
    }
    return mend.get(drift.kind, lambda: replace(at, damaged={}))()


@given(standings)
def test_following_every_way_out_ends_without_drift(at: Standing) -> None:
    for drift in drifts(at):
        at = mended(at, drift)

    assert drifts(at) == ()
