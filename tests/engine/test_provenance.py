"""The trail of an answer, a release and an artefact, as links in a fixed order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.records import release_record

from tidemill.engine.provenance import Evidence, Link, ancestry, as_json, trail
from tidemill.engine.release_record import SpecCommit

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COMMIT = {"sha": "c0ffee", "author": "Ann", "subject": "Describe it", "dirty": False}
RELEASE = release_record(
    digest="sha256:r",
    service="chat",
    created="2026-03-01",
    approved_by=[],
    commit=COMMIT,
    specs={"rows": "sha256:s"},
    dataset={"name": "rows", "digest": "sha256:d", "rows": {"train": 3}, "offsets": {}},
    bases=[{"name": "base", "digest": "sha256:b", "sha256": "bb", "source": {}}],
    artefacts={
        "base": {"digest": "sha256:b", "kind": "model", "bytes": 1},
        "rows": {"digest": "sha256:d", "kind": "dataset", "bytes": 2},
        "tuned": {"digest": "sha256:t", "kind": "adapter", "bytes": 3},
        "judged": {"digest": "sha256:e", "kind": "report", "bytes": 4},
    },
    evaluation={
        "name": "judged",
        "digest": "sha256:e",
        "measures": [{"metric": "accuracy", "slice": None}, {"metric": "accuracy", "slice": "x"}],
        "checks": [{"message": "good enough"}],
    },
    seed=1,
    tools={"tidemill": "0"},
)
ANSWER = {"response_id": "r1", "time": NOW, "output": "hello", "label": None}


def kinds(links: list[Link]) -> list[str]:
    return [link.what for link in links]


def step(hours: int, percent: float) -> dict[str, Any]:
    at = NOW + timedelta(hours=hours)
    return {"at": at, "decision": "promote", "percent": percent, "reason": "well", "numbers": {}}


def test_an_answer_leads_back_to_everything_once() -> None:
    assert kinds(trail(ANSWER, RELEASE, Evidence())) == [
        "answer",
        "release",
        "commit",
        "spec",
        "dataset",
        "base model",
        "adapter",
        "evaluation",
        "seed",
        "tools",
    ]


def test_a_release_leads_back_without_an_answer() -> None:
    assert kinds(trail(None, RELEASE, Evidence()))[0] == "release"


def test_an_answer_says_only_what_is_known_of_it() -> None:
    assert trail(ANSWER, RELEASE, Evidence())[0].facts == {"time": NOW, "output": "hello"}


def test_the_decision_in_force_is_the_newest_before_the_answer() -> None:
    steps = [step(-2, 10), step(-1, 50), step(1, 100)]
    found = [link for link in trail(ANSWER, RELEASE, Evidence(steps)) if link.facts.get("decision")]

    assert [link.name for link in found] == ["10 %", "50 %", "100 %"]
    assert [link.facts["in_force"] for link in found] == [False, True, False]


def test_no_decision_was_in_force_before_the_first() -> None:
    found = trail(ANSWER, RELEASE, Evidence([step(1, 100)]))

    assert found[2].facts["in_force"] is False


def test_times_as_text_compare_as_times() -> None:
    text = {**step(0, 100), "at": "2026-02-28T23:00:00+00:00"}
    found = trail({**ANSWER, "time": "2026-03-01T00:30:00+01:00"}, RELEASE, Evidence([text]))

    assert found[2].facts["in_force"] is True


def test_an_approval_is_told_once_with_what_was_seen() -> None:
    release = replace(RELEASE, approved_by=("Cleo", "Dan"))
    approvals = [{"who": "Cleo", "at": "today", "saw": "the plan"}]
    found = [
        link
        for link in trail(ANSWER, release, Evidence(approvals=approvals))
        if link.what == "approval"
    ]

    assert [link.name for link in found] == ["Cleo", "Dan"]
    assert found[0].facts["saw"] == "the plan"


def test_specs_that_were_not_in_git_say_so() -> None:
    found = trail(ANSWER, replace(RELEASE, commit=SpecCommit()), Evidence())

    assert found[2] == Link("commit", "none: the specs were not in Git")


def test_a_spec_has_the_lines_that_say_it() -> None:
    lines = {"rows": [{"path": "rows.yaml", "line": 3}], "other": [{"line": 1}]}
    found = trail(ANSWER, RELEASE, Evidence(lines=lines))

    assert found[3].facts == {"lines": [{"path": "rows.yaml", "line": 3}]}


def test_feedback_that_is_among_the_nearest_rows_is_not_told_twice() -> None:
    near = {"id": "1", "event": "e1", "similarity": 1.0, "line": None}
    fed = [{"id": "1", "event": "e1"}, {"id": "2", "event": "e2"}]
    found = trail(ANSWER, RELEASE, Evidence(rows=[near], fed=fed, fed_rows=5))
    told = [(link.what, link.name) for link in found if link.what in ("row", "feedback")]

    assert told == [("row", "1"), ("feedback", "e2"), ("feedback", "3 more")]


def test_an_evaluation_is_told_over_all_rows() -> None:
    found = {link.what: link for link in trail(ANSWER, RELEASE, Evidence())}["evaluation"]

    assert [(one["metric"], one["slice"]) for one in found.facts["measures"]] == [
        ("accuracy", None)
    ]
    assert found.facts["gates"] == ["good enough"]


def test_an_artefact_leads_back_to_what_went_in_and_who_said_so() -> None:
    mine = {"digest": "sha256:t", "kind": "adapter", "name": "tuned", "bytes": 3}
    mine |= {"commit": COMMIT, "spec": "sha256:s", "spec_name": "tuned", "tools": {"torch": "2"}}
    base = {"digest": "sha256:b", "kind": "model", "name": "base", "bytes": None}
    found = ancestry("sha256:t", [mine, {**base, "spec_name": ""}], Evidence())

    assert kinds(found) == ["adapter", "commit", "spec", "model", "tools"]
    assert (found[0].facts, found[3].facts) == ({"bytes": 3}, {})
    assert found[4].facts == {"torch": "2"}


def test_an_artefact_that_nothing_is_known_of_says_that_too() -> None:
    lone = {"digest": "sha256:t", "kind": "model", "name": "?", "spec_name": ""}

    assert kinds(ancestry("sha256:t", [lone], Evidence())) == ["model", "commit"]


def test_links_are_plain_for_machines() -> None:
    assert as_json([Link("seed", "1")]) == [
        {"what": "seed", "name": "1", "digest": None, "facts": {}}
    ]
