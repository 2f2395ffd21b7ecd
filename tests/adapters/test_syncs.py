"""The ledger's memory of followed commits, on each of its databases."""

from __future__ import annotations

from datetime import UTC, datetime

from tidemill.adapters.ledger import Ledger
from tidemill.ports import Commit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def commit(letter: str) -> Commit:
    return Commit(letter * 40, "Ada <ada@example.com>", NOW, f"commit {letter}", dirty=False)


def test_a_commit_that_is_still_the_newest_arrives_once(ledger: Ledger) -> None:
    first = ledger.syncs.record_arrival(commit("a"), "main", NOW)

    assert ledger.syncs.record_arrival(commit("a"), "main", NOW) == first
    assert first.state == "pending"
    assert first.arrived_at == NOW


def test_a_newer_commit_supersedes_one_that_came_to_no_end(ledger: Ledger) -> None:
    ledger.syncs.set_state(ledger.syncs.record_arrival(commit("a"), "main", NOW).id, "applied", NOW)
    ledger.syncs.set_state(
        ledger.syncs.record_arrival(commit("b"), "main", NOW).id, "applying", NOW
    )
    ledger.syncs.record_arrival(commit("c"), "main", NOW)

    states = [(one.commit[0], one.state) for one in ledger.syncs.history()]

    assert states == [("c", "pending"), ("b", "superseded"), ("a", "applied")]
    assert [one.commit[0] for one in ledger.syncs.applied_commits()] == ["a"]


def test_a_commit_that_comes_back_arrives_again(ledger: Ledger) -> None:
    for letter in "aba":
        ledger.syncs.set_state(
            ledger.syncs.record_arrival(commit(letter), "main", NOW).id, "applied", NOW
        )

    assert [one.commit[0] for one in ledger.syncs.history()] == ["a", "b", "a"]


def test_a_refusal_keeps_its_reason_plan_and_signer(ledger: Ledger) -> None:
    key = ledger.syncs.record_arrival(commit("a"), "main", NOW).id
    plan = [{"project": "p", "name": "n", "kind": "Dataset", "state": "new", "reason": ""}]

    found = ledger.syncs.set_state(
        key, "refused", NOW, "no", refusal="broken", signer="ada (key)", plan=plan
    )

    assert ledger.syncs.newest() == found
    assert (found.reason, found.refusal, found.signer) == ("no", "broken", "ada (key)")
    assert list(found.plan) == plan


def test_the_last_look_is_remembered(ledger: Ledger) -> None:
    assert ledger.syncs.last_poll() is None
    ledger.syncs.record_poll("there", "main", "", NOW)
    ledger.syncs.record_poll("there", "main", "it is gone", NOW)

    look = ledger.syncs.last_poll()

    assert look is not None
    assert (look.error, look.polled_at) == ("it is gone", NOW)


def test_a_run_is_asked_for_once_and_taken_back_by_a_newer_commit(ledger: Ledger) -> None:
    decisions = ledger.trigger_decisions
    for _ in range(2):
        decisions.request_run("@git/1/desk", "desk", "commit a", ["rows"], NOW)
    decisions.request_run("@git/2/desk", "desk", "commit b", ["rows"], NOW)
    decisions.request_run("@git/10/desk", "desk", "commit c", ["rows"], NOW)
    decisions.mark_started("@git/2/desk", "run", NOW)

    decisions.withdraw_requests("@git/10/", "c came", NOW)

    states = [(one.key, one.state) for one in decisions.sync_requests("@git/")]
    assert states == [
        ("@git/1/desk", "refused"),
        ("@git/2/desk", "started"),
        ("@git/10/desk", "queued"),
    ]
    assert [one.key for one in decisions.sync_requests("@git/1/")] == ["@git/1/desk"]
