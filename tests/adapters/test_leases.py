"""Leases: one holder at a time, and none for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.leases import ALIVE, LeaseLedger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=30)


def test_a_second_owner_waits_until_the_first_lease_ran_out() -> None:
    leases = LeaseLedger(open_engine("sqlite://"))

    assert leases.acquire("make:a", "one", LENGTH, NOW)
    assert not leases.acquire("make:a", "two", LENGTH, NOW + timedelta(seconds=29))
    assert leases.acquire("make:a", "two", LENGTH, NOW + timedelta(seconds=31))
    assert leases.holder("make:a", NOW + timedelta(seconds=32)) == "two"


def test_an_owner_renews_its_own_lease() -> None:
    leases = LeaseLedger(open_engine("sqlite://"))

    leases.acquire("make:a", "one", LENGTH, NOW)

    assert leases.acquire("make:a", "one", LENGTH, NOW + timedelta(seconds=20))
    assert leases.holder("make:a", NOW + timedelta(seconds=45)) == "one"


def test_a_lease_is_free_after_its_block() -> None:
    leases = LeaseLedger(open_engine("sqlite://"))

    with leases.hold("make:a", "one") as first, leases.hold("make:a", "two") as second:
        held = (first, second)

    assert held == (True, False)
    assert leases.holder("make:a", datetime.now(UTC)) is None


def test_waiting_for_a_lease_gets_it_once_it_is_free() -> None:
    leases = LeaseLedger(open_engine("sqlite://"))
    leases.acquire("make:a", "killed", timedelta(milliseconds=300), datetime.now(UTC))

    with leases.hold("make:a", "next", wait=timedelta(seconds=5)) as held:
        assert held


def test_an_owner_between_two_pieces_of_work_is_seen_to_live_for_a_while() -> None:
    leases, length = LeaseLedger(open_engine("sqlite://")), timedelta(seconds=20)

    with leases.show_alive("run-1", length=length):
        with leases.hold("make:a", "run-1"):
            pass
        between = leases.has_lease("run-1", datetime.now(UTC))
    now = datetime.now(UTC)

    assert between
    assert leases.has_lease("run-1", now)
    assert not leases.has_lease("run-1", now + length)


def test_leases_of_owners_that_are_gone_do_not_pile_up() -> None:
    leases = LeaseLedger(open_engine("sqlite://"))
    for number in range(5):
        with leases.show_alive(f"run-{number}", length=timedelta(0)):
            pass
    with leases.show_alive("newest"):
        found = leases.with_prefix(ALIVE, NOW - timedelta(days=9999))

    assert {lease.owner for lease in found} <= {"run-4", "newest"}


def test_a_lease_says_since_when_its_owner_has_it() -> None:
    leases, length = LeaseLedger(open_engine("sqlite://")), timedelta(seconds=30)
    assert leases.acquire("make:a/b", "first", length, NOW)
    assert leases.acquire("make:a/b", "first", length, NOW + timedelta(seconds=20))
    (renewed,) = leases.with_prefix("make:", NOW)
    later = NOW + timedelta(seconds=90)
    assert leases.acquire("make:a/b", "second", length, later)
    (taken_over,) = leases.with_prefix("make:", later)

    assert (renewed.owner, renewed.acquired_at) == ("first", NOW)
    assert (taken_over.owner, taken_over.acquired_at) == ("second", later)
