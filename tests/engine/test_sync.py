"""The decisions of sync: refuse or apply, what to make, which former release comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import release_record

from tidemill.engine.cost import Past, Wanted
from tidemill.engine.plan import Item, Known
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.sync import (
    GIVEN_UP,
    Judgement,
    Signature,
    changes,
    former,
    judge_commit,
    over_budget,
    targets,
)
from tidemill.errors import Problem

GOOD = Signature("a" * 40, "good", "ada", "key")
BAD = Signature("b" * 40, "unsigned", reason="is not signed")
PROBLEM = Problem(Path("specs/a.yaml"), 4, "it is wrong", "mend it")


def item(name: str, state: Any, kind: str = "Dataset", project: str = "p") -> Item:
    return Item(project, name, kind, state)


def test_nothing_against_it_applies() -> None:
    assert judge_commit() == Judgement()
    assert judge_commit(signatures=[GOOD]).refusal is None


def test_one_bad_signature_among_good_ones_refuses() -> None:
    found = judge_commit(signatures=[GOOD, BAD, GOOD])

    assert found == Judgement("unsigned", "1 of 3 new commits: bbbbbbbbbb is not signed")


def test_problems_are_named_and_the_rest_counted() -> None:
    one = judge_commit(problems=[PROBLEM])
    many = judge_commit(problems=[PROBLEM] * 5)

    assert one.reason == "a problem: specs/a.yaml:4: it is wrong; mend it"
    assert many.reason.startswith("5 problems: ")
    assert many.reason.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("given_", "refusal"),
    [
        ({"signatures": [BAD], "problems": [PROBLEM], "over": ["x"]}, "unsigned"),
        ({"signatures": [GOOD], "problems": [PROBLEM], "over": ["x"]}, "broken"),
        ({"over": ["x"]}, "over-budget"),
    ],
)
def test_the_gravest_reason_is_given(given_: dict[str, Any], refusal: str) -> None:
    assert judge_commit(**given_).refusal == refusal


def test_only_what_is_made_can_be_over_budget_and_only_with_a_past() -> None:
    items = [item("slow", "changed"), item("same", "reused"), item("unknown", "new", "Prompt")]
    wishes = [
        Wanted("p", "slow", "Dataset", budget={"hours": 1.0, "money": None}),
        Wanted("p", "same", "Dataset", budget={"hours": 1.0, "money": None}),
        Wanted("p", "unknown", "Prompt", budget={"hours": 1.0, "money": None}),
    ]
    past = [Past("p", name, "Dataset", 7200.0) for name in ("slow", "same")]

    assert over_budget(items, wishes, past) == [
        "p/slow will take about 2 hours by what such runs took, its budget is 1; "
        "raise `budget.hours` or make it smaller"
    ]


def test_targets_are_what_is_made_by_project_without_what_was_restored() -> None:
    items = [
        item("rows", "changed"),
        item("stream", "changed", "Feedback"),
        item("again", "new", "Trigger"),
        item("tune", "stale", "FineTune"),
        item("release", "stale", "Rollout"),
        item("words", "cosmetic"),
        item("gone", "removed"),
        item("rows", "new", project="q"),
    ]

    assert targets(items) == {"p": ("rows", "tune", "release"), "q": ("rows",)}
    assert targets(items, {"p/release"})["p"] == ("rows", "tune")


def test_what_comes_after_an_unmet_asset_is_stale_as_well() -> None:
    known = {
        "p/a": Known("p", "a", "Dataset", "1"),
        "p/b": Known("p", "b", "FineTune", "2", ("a",)),
        "p/c": Known("p", "c", "Evaluation", "3", ("b",)),
    }

    items = changes(known, known, {"p/b": "'a' was made anew after it"})

    assert [one.state for one in items] == ["reused", "stale", "stale"]


def test_an_unmet_asset_whose_spec_changed_too_is_changed() -> None:
    old = {"p/b": Known("p", "b", "FineTune", "2")}
    new = {"p/b": Known("p", "b", "FineTune", "3")}

    assert changes(new, old, {"p/b": "why"})[0].state == "changed"


def record(digest: str, **specs: str) -> ReleaseRecord:
    return release_record(digest=digest, specs=specs)


def test_the_newest_release_of_the_same_specs_comes_back() -> None:
    releases = [record("1", a="x"), record("2", a="x"), record("3", a="y")]
    states = {"1": "retired", "2": "retired", "3": "live"}

    assert former(releases, {"a": "x"}, states) == releases[1]
    assert former(releases, {"a": "z"}, states) is None
    assert former(releases, {"a": "x", "b": "x"}, states) is None


@given(st.sampled_from(sorted(GIVEN_UP)))
def test_a_release_that_was_given_up_never_comes_back(state: str) -> None:
    releases = [record("1", a="x"), record("2", a="x")]

    assert former(releases, {"a": "x"}, {"1": "retired", "2": state}) == releases[0]
    assert former(releases, {"a": "x"}, {"1": state, "2": state}) is None


def test_a_release_without_a_rollout_does_not_come_back() -> None:
    assert former([record("1", a="x")], {"a": "x"}, {}) is None


@given(st.lists(st.sampled_from(["good", "unsigned", "bad", "unknown", "expired", "revoked"])))
def test_signatures_let_a_commit_in_exactly_when_all_are_good(verdicts: list[Any]) -> None:
    found = judge_commit(signatures=[Signature("c" * 40, verdict) for verdict in verdicts])

    assert (found.refusal is None) == all(verdict == "good" for verdict in verdicts)
