"""The ledger's memory of followed commits, on each of its databases."""

from __future__ import annotations

from datetime import UTC, datetime

from tidemill.adapters.ledger import Ledger
from tidemill.ports import Commit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def commit(letter: str) -> Commit:
    return Commit(letter * 40, "Ada <ada@example.com>", NOW, f"commit {letter}", dirty=False)


def test_a_commit_that_is_still_the_newest_arrives_once(ledger: Ledger) -> None:
    first = ledger.syncs.arrive(commit("a"), "main", NOW)

    assert ledger.syncs.arrive(commit("a"), "main", NOW) == first
    assert first.state == "seen"
    assert first.at == NOW


def test_a_newer_commit_supersedes_one_that_came_to_no_end(ledger: Ledger) -> None:
    ledger.syncs.move(ledger.syncs.arrive(commit("a"), "main", NOW).id, "applied", NOW)
    ledger.syncs.move(ledger.syncs.arrive(commit("b"), "main", NOW).id, "applying", NOW)
    ledger.syncs.arrive(commit("c"), "main", NOW)

    states = [(one.commit[0], one.state) for one in ledger.syncs.history()]

    assert states == [("c", "seen"), ("b", "superseded"), ("a", "applied")]
    assert [one.commit[0] for one in ledger.syncs.applied()] == ["a"]


def test_a_commit_that_comes_back_arrives_again(ledger: Ledger) -> None:
    for letter in "aba":
        ledger.syncs.move(ledger.syncs.arrive(commit(letter), "main", NOW).id, "applied", NOW)

    assert [one.commit[0] for one in ledger.syncs.history()] == ["a", "b", "a"]


def test_a_refusal_keeps_its_reason_plan_and_signer(ledger: Ledger) -> None:
    key = ledger.syncs.arrive(commit("a"), "main", NOW).id
    plan = [{"project": "p", "name": "n", "kind": "Dataset", "state": "new", "reason": ""}]

    found = ledger.syncs.move(
        key, "refused", NOW, "no", refusal="broken", signer="ada (key)", plan=plan
    )

    assert ledger.syncs.newest() == found
    assert (found.reason, found.refusal, found.signer) == ("no", "broken", "ada (key)")
    assert list(found.plan) == plan


def test_the_last_look_is_remembered(ledger: Ledger) -> None:
    assert ledger.syncs.look() is None
    ledger.syncs.looked("there", "main", "", NOW)
    ledger.syncs.looked("there", "main", "it is gone", NOW)

    look = ledger.syncs.look()

    assert look is not None
    assert (look.trouble, look.at) == ("it is gone", NOW)


def test_a_run_is_asked_for_once_and_taken_back_by_a_newer_commit(ledger: Ledger) -> None:
    decisions = ledger.decisions
    for _ in range(2):
        decisions.ask_for("@git/1/desk", "desk", "commit a", ["rows"], NOW)
    decisions.ask_for("@git/2/desk", "desk", "commit b", ["rows"], NOW)
    decisions.ask_for("@git/10/desk", "desk", "commit c", ["rows"], NOW)
    decisions.started("@git/2/desk", "run", NOW)

    decisions.withdraw("@git/10/", "c came", NOW)

    states = [(one.key, one.state) for one in decisions.synced("@git/")]
    assert states == [
        ("@git/1/desk", "refused"),
        ("@git/2/desk", "started"),
        ("@git/10/desk", "decided"),
    ]
    assert [one.key for one in decisions.synced("@git/1/")] == ["@git/1/desk"]
