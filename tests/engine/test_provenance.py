"""The trail of an answer, a release and an artefact, as links in a fixed order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.records import release_record

from tidemill.engine.provenance import (
    BuiltArtefact,
    ProvenanceEvidence,
    ProvenanceLink,
    ancestry,
    provenance_links,
)
from tidemill.engine.release_record import SpecCommit

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COMMIT: dict[str, Any] = {
    "sha": "c0ffee",
    "author": "Ann",
    "subject": "Describe it",
    "dirty": False,
}
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


def kinds(links: list[ProvenanceLink]) -> list[str]:
    return [link.kind for link in links]


def step(hours: int, percent: float) -> dict[str, Any]:
    at = NOW + timedelta(hours=hours)
    return {"at": at, "decision": "promote", "percent": percent, "reason": "well", "numbers": {}}


def test_an_answer_leads_back_to_everything_once() -> None:
    assert kinds(provenance_links(ANSWER, RELEASE, ProvenanceEvidence())) == [
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
    assert kinds(provenance_links(None, RELEASE, ProvenanceEvidence()))[0] == "release"


def test_an_answer_says_only_what_is_known_of_it() -> None:
    assert provenance_links(ANSWER, RELEASE, ProvenanceEvidence())[0].facts == {
        "time": NOW,
        "output": "hello",
    }


def test_the_decision_in_force_is_the_newest_before_the_answer() -> None:
    steps = [step(-2, 10), step(-1, 50), step(1, 100)]
    found = [
        link
        for link in provenance_links(ANSWER, RELEASE, ProvenanceEvidence(steps))
        if link.facts.get("decision")
    ]

    assert [link.name for link in found] == ["10 %", "50 %", "100 %"]
    assert [link.facts["in_force"] for link in found] == [False, True, False]


def test_no_decision_was_in_force_before_the_first() -> None:
    found = provenance_links(ANSWER, RELEASE, ProvenanceEvidence([step(1, 100)]))

    assert found[2].facts["in_force"] is False


def test_times_as_text_compare_as_times() -> None:
    text = {**step(0, 100), "at": "2026-02-28T23:00:00+00:00"}
    found = provenance_links(
        {**ANSWER, "time": "2026-03-01T00:30:00+01:00"}, RELEASE, ProvenanceEvidence([text])
    )

    assert found[2].facts["in_force"] is True


def test_an_approval_is_told_once_with_what_was_seen() -> None:
    release = replace(RELEASE, approved_by=("Cleo", "Dan"))
    approvals = [{"who": "Cleo", "at": "today", "saw": "the plan"}]
    found = [
        link
        for link in provenance_links(ANSWER, release, ProvenanceEvidence(approvals=approvals))
        if link.kind == "approval"
    ]

    assert [link.name for link in found] == ["Cleo", "Dan"]
    assert found[0].facts["saw"] == "the plan"


def test_specs_that_were_not_in_git_say_so() -> None:
    found = provenance_links(ANSWER, replace(RELEASE, commit=SpecCommit()), ProvenanceEvidence())

    assert found[2] == ProvenanceLink("commit", "none: the specs were not in Git")


def test_a_spec_has_the_lines_that_say_it() -> None:
    lines = {"rows": [{"path": "rows.yaml", "line": 3}], "other": [{"line": 1}]}
    found = provenance_links(ANSWER, RELEASE, ProvenanceEvidence(lines=lines))

    assert found[3].facts == {"lines": [{"path": "rows.yaml", "line": 3}]}


def test_feedback_that_is_among_the_nearest_rows_is_not_told_twice() -> None:
    near = {"id": "1", "event": "e1", "similarity": 1.0, "line": None}
    fed = [{"id": "1", "event": "e1"}, {"id": "2", "event": "e2"}]
    found = provenance_links(
        ANSWER, RELEASE, ProvenanceEvidence(rows=[near], feedback=fed, feedback_row_count=5)
    )
    told = [(link.kind, link.name) for link in found if link.kind in ("row", "feedback")]

    assert told == [("row", "1"), ("feedback", "e2"), ("feedback", "3 more in --json")]


def test_an_evaluation_is_told_over_all_rows() -> None:
    found = {link.kind: link for link in provenance_links(ANSWER, RELEASE, ProvenanceEvidence())}[
        "evaluation"
    ]

    assert [(one["metric"], one["slice"]) for one in found.facts["measures"]] == [
        ("accuracy", None)
    ]
    assert found.facts["gates"] == ["good enough"]


def test_an_artefact_leads_back_to_what_went_in_and_who_said_so() -> None:
    adapter = BuiltArtefact(
        "sha256:t",
        "adapter",
        "tuned",
        3,
        "tuned",
        "sha256:s",
        commit=SpecCommit(**COMMIT),
        tools={"torch": "2"},
    )
    base = BuiltArtefact("sha256:b", "model", "base")
    found = ancestry("sha256:t", [adapter, base], ProvenanceEvidence())

    assert kinds(found) == ["adapter", "commit", "spec", "model", "tools"]
    assert (found[0].facts, found[3].facts) == ({"bytes": 3}, {})
    assert found[4].facts == {"torch": "2"}


def test_an_artefact_that_nothing_is_known_of_says_that_too() -> None:
    lone = BuiltArtefact("sha256:t", "model", "?")

    assert kinds(ancestry("sha256:t", [lone], ProvenanceEvidence())) == ["model", "commit"]


def test_links_are_plain_for_machines() -> None:
    assert ProvenanceLink("seed", "1").to_dict() == {
        "what": "seed",
        "name": "1",
        "digest": None,
        "facts": {},
    }
