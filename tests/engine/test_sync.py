"""The decisions of sync: refuse or apply, what to make, which former release comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import release_record

from tidemill.engine.cost import BudgetLimits, BuildCost, Workload
from tidemill.engine.plan import PlanEntry
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import (
    ArtefactMissing,
    Fresh,
    InputChanged,
    NeverBuilt,
    SpecChanged,
    Staleness,
)
from tidemill.engine.sync import (
    NOT_RESTORABLE_STATES,
    CommitSignature,
    CommitVerdict,
    assets_to_build,
    changes,
    over_budget,
    release_of_same_specs,
    validate_commit,
)
from tidemill.errors import Problem

GOOD = CommitSignature("a" * 40, "good", "ada", "key")
BAD = CommitSignature("b" * 40, "unsigned", reason="is not signed")
PROBLEM = Problem(Path("specs/a.yaml"), 4, "it is wrong", "mend it")


def item(name: str, state: Any, kind: str = "Dataset", project: str = "p") -> PlanEntry:
    return PlanEntry(project, name, kind, state)


def test_nothing_against_it_applies() -> None:
    assert validate_commit() == CommitVerdict()
    assert validate_commit(signatures=[GOOD]).refusal is None


def test_one_bad_signature_among_good_ones_refuses() -> None:
    found = validate_commit(signatures=[GOOD, BAD, GOOD])

    assert found == CommitVerdict("unsigned", "1 of 3 new commits: bbbbbbbbbb is not signed")


def test_problems_are_named_and_the_rest_counted() -> None:
    one = validate_commit(problems=[PROBLEM])
    many = validate_commit(problems=[PROBLEM] * 5)

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
    assert validate_commit(**given_).refusal == refusal


def test_only_what_is_made_can_be_over_budget_and_only_with_a_past() -> None:
    items = [item("slow", "changed"), item("same", "reused"), item("unknown", "new", "Prompt")]
    wishes = [
        Workload("p", "slow", "Dataset", budget=BudgetLimits(hours=1.0)),
        Workload("p", "same", "Dataset", budget=BudgetLimits(hours=1.0)),
        Workload("p", "unknown", "Prompt", budget=BudgetLimits(hours=1.0)),
    ]
    past = [BuildCost("p", name, "Dataset", 7200.0) for name in ("slow", "same")]

    assert over_budget(items, wishes, past) == [
        "p/slow will take about 2 hours by what earlier builds took, its budget is 1; "
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

    assert assets_to_build(items) == {"p": ("rows", "tune", "release"), "q": ("rows",)}
    assert assets_to_build(items, {"p/release"})["p"] == ("rows", "tune")


SPECS = {
    "p/a": SpecSnapshot("p", "a", "Dataset", "1"),
    "p/b": SpecSnapshot("p", "b", "FineTune", "2", ("a",)),
    "p/c": SpecSnapshot("p", "c", "Evaluation", "3", ("b",)),
    "p/t": SpecSnapshot("p", "t", "Trigger", "4"),
}


def built(**states: Staleness) -> dict[str, Staleness]:
    """What is built of `SPECS`; up to date where nothing else is said."""
    return {f"p/{name}": states.get(name, Fresh()) for name in "abc"}


def entry_states(entries: tuple[PlanEntry, ...]) -> list[str]:
    return [entry.state for entry in entries]


def test_an_asset_counts_by_what_is_built_and_not_by_the_commit_before() -> None:
    edited = {**SPECS, "p/b": SpecSnapshot("p", "b", "FineTune", "former", ("a",))}

    assert entry_states(changes(SPECS, edited, built())) == ["reused"] * 4
    assert entry_states(changes(SPECS, SPECS, built(b=SpecChanged())))[1] == "changed"
    assert entry_states(changes(SPECS, SPECS, built(c=NeverBuilt())))[2] == "never_built"


def test_a_spec_that_only_steers_counts_by_the_commit_before() -> None:
    former = {key: spec for key, spec in SPECS.items() if key != "p/t"}

    assert entry_states(changes(SPECS, former, built()))[3] == "new"


def test_an_input_that_was_rebuilt_is_the_reason() -> None:
    entry = changes(SPECS, SPECS, built(b=InputChanged("a", "a", "rebuilt")))[1]

    assert (entry.state, entry.reason) == ("stale", "'a' was rebuilt after it")


def test_missing_files_are_built_again_only_where_something_needs_them() -> None:
    alone = changes(SPECS, SPECS, built(a=ArtefactMissing("x")))
    needed = changes(SPECS, SPECS, built(a=ArtefactMissing("x"), c=SpecChanged()))

    assert entry_states(alone) == ["reused"] * 4
    assert entry_states(needed) == ["missing_artefact", "reused", "changed", "reused"]


def test_nothing_is_built_from_an_input_that_failed_its_checks() -> None:
    states = built(b=NeverBuilt(), c=NeverBuilt())
    failed = changes(SPECS, SPECS, states, {"p/a"})
    again = changes(SPECS, SPECS, states | {"p/a": SpecChanged()}, {"p/a"})

    assert entry_states(failed) == ["reused", "blocked", "blocked", "reused"]
    assert failed[2].reason == "'a' did not pass its checks"
    assert entry_states(again) == ["changed", "never_built", "never_built", "reused"]


def record(digest: str, **specs: str) -> ReleaseRecord:
    return release_record(digest=digest, specs=specs)


def test_the_newest_release_of_the_same_specs_comes_back() -> None:
    releases = [record("1", a="x"), record("2", a="x"), record("3", a="y")]
    states = {"1": "retired", "2": "retired", "3": "live"}

    assert release_of_same_specs(releases, {"a": "x"}, states) == releases[1]
    assert release_of_same_specs(releases, {"a": "z"}, states) is None
    assert release_of_same_specs(releases, {"a": "x", "b": "x"}, states) is None


@given(st.sampled_from(sorted(NOT_RESTORABLE_STATES)))
def test_a_release_that_was_given_up_never_comes_back(state: str) -> None:
    releases = [record("1", a="x"), record("2", a="x")]

    assert release_of_same_specs(releases, {"a": "x"}, {"1": "retired", "2": state}) == releases[0]
    assert release_of_same_specs(releases, {"a": "x"}, {"1": state, "2": state}) is None


def test_a_release_without_a_rollout_does_not_come_back() -> None:
    assert release_of_same_specs([record("1", a="x")], {"a": "x"}, {}) is None


@given(st.lists(st.sampled_from(["good", "unsigned", "bad", "unknown", "expired", "revoked"])))
def test_signatures_let_a_commit_in_exactly_when_all_are_good(verdicts: list[Any]) -> None:
    found = validate_commit(signatures=[CommitSignature("c" * 40, verdict) for verdict in verdicts])

    assert (found.refusal is None) == all(verdict == "good" for verdict in verdicts)
