"""The provenance of an answer, a release or an artefact as a list of links, nearest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.engine.release_record import BaseModel, ReleaseRecord, SpecCommit

Facts = Mapping[str, Any]
"""What is known of one thing, by name; the values can be written as JSON."""


@dataclass(frozen=True)
class ProvenanceLink:
    """One thing that the target was made from."""

    kind: str
    """answer, release, rollout step, approval, commit, spec, dataset, row, feedback, base model,
    evaluation, seed, tools, or an artefact's kind."""
    name: str
    digest: str | None = None
    facts: Facts = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The JSON form: `what` is the kind."""
        facts = dict(self.facts)
        return {"what": self.kind, "name": self.name, "digest": self.digest, "facts": facts}


@dataclass(frozen=True)
class BuiltArtefact:
    """An artefact of the ledger, and the materialisation that built it, where that is recorded."""

    digest: str
    kind: str
    name: str
    """The spec's name, and `/step` for an artefact of a step."""
    bytes: int | None = None
    spec_name: str = ""
    spec_digest: str = ""
    project: str = ""
    started: datetime | None = None
    seconds: float | None = None
    commit: SpecCommit = field(default_factory=SpecCommit)
    """The commit of the specs."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Package → version."""


@dataclass(frozen=True)
class ProvenanceEvidence:
    """Records beside the release's own record."""

    rollout_decisions: Sequence[Facts] = ()
    """Decisions of the release's rollout: `at`, `decision`, `percent`, `reason`, oldest first."""
    approvals: Sequence[Facts] = ()
    """Recorded approvals: `who`, and `at` and `saw` where they are known."""
    lines: Mapping[str, Sequence[Facts]] = field(default_factory=dict)
    """Lines of each spec by its name: `path`, `line`, `field`, `value`, `commit`, `author`."""
    rows: Sequence[Facts] = ()
    """The dataset rows nearest to the request, nearest first."""
    feedback: Sequence[Facts] = ()
    """Feedback that became rows: `event`, `place`, `answer`, and the row's `id`."""
    feedback_row_count: int = 0
    """Number of rows that were feedback; `feedback` lists some of them."""


def provenance_links(
    inference: Facts | None, release: ReleaseRecord, evidence: ProvenanceEvidence
) -> list[ProvenanceLink]:
    """Links from an answer backwards; from the release itself where `inference` is None.

    `inference` is the answer's event, `release` the record of the release that gave it.
    """
    return [
        *([_answer(inference)] if inference else []),
        ProvenanceLink("release", release.service, release.digest, {"created": release.created}),
        *_steps(inference, evidence.rollout_decisions),
        *_approvals(release, evidence.approvals),
        _commit(release.commit),
        *_specs(release.specs, evidence),
        _dataset(release),
        *_rows(evidence),
        *(_base(base) for base in release.bases),
        *_artefacts(release),
        _evaluation(release),
        ProvenanceLink("seed", str(release.seed)),
        _tools(release.tools),
    ]


def ancestry(
    digest: str, artefacts: Sequence[BuiltArtefact], evidence: ProvenanceEvidence
) -> list[ProvenanceLink]:
    """Links of an artefact; `artefacts` are itself and those it was built from, nearest first."""
    own = next((artefact for artefact in artefacts if artefact.digest == digest), None)
    links = [_build_link(artefact) for artefact in artefacts]
    commits = {a.commit.sha: a.commit for a in artefacts if a.commit.sha}
    specs = {
        artefact.spec_name: artefact.spec_digest for artefact in artefacts if artefact.spec_digest
    }
    return [
        *links[:1],
        *(map(_commit, commits.values()) if commits else [_commit(SpecCommit())]),
        *_specs(specs, evidence),
        *_rows(evidence),
        *links[1:],
        *([_tools(own.tools)] if own and own.tools else []),
    ]


def _build_link(artefact: BuiltArtefact) -> ProvenanceLink:
    values = {
        "bytes": artefact.bytes,
        "started": artefact.started,
        "seconds": artefact.seconds,
        "project": artefact.project or None,
    }
    facts = {name: value for name, value in values.items() if value is not None}
    return ProvenanceLink(artefact.kind, artefact.name, artefact.digest, facts)


def _answer(inference: Facts) -> ProvenanceLink:
    fields = ("time", "latency", "tokens_in", "tokens_out", "cached", "arm", "label", "output")
    facts = {key: inference[key] for key in fields if inference.get(key) is not None}
    return ProvenanceLink("answer", inference["response_id"], None, facts)


def _steps(inference: Facts | None, steps: Sequence[Facts]) -> list[ProvenanceLink]:
    """Every decision, the one in force when the answer was given marked: the newest before it."""
    answered_at = inference.get("time") if inference else None
    before = [
        step for step in steps if answered_at is None or _time(step["at"]) <= _time(answered_at)
    ]
    links = []
    for step in steps:
        facts = {key: step[key] for key in ("at", "decision", "reason", "numbers") if key in step}
        if inference:
            facts["in_force"] = bool(before) and step is before[-1]
        links.append(ProvenanceLink("rollout step", f"{step['percent']:g} %", None, facts))
    return links


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _approvals(release: ReleaseRecord, approvals: Sequence[Facts]) -> list[ProvenanceLink]:
    by_person = {str(approval["who"]): approval for approval in approvals}
    people = [*by_person, *(person for person in release.approved_by if person not in by_person)]
    return [
        ProvenanceLink("approval", person, None, by_person.get(person, {})) for person in people
    ]


def _commit(commit: SpecCommit) -> ProvenanceLink:
    if not commit.sha:
        return ProvenanceLink("commit", "none: the specs were not in Git")
    facts = {name: value for name, value in commit.to_dict().items() if name != "sha"}
    return ProvenanceLink("commit", commit.sha, None, facts)


def _specs(specs: Mapping[str, str], evidence: ProvenanceEvidence) -> list[ProvenanceLink]:
    return [
        ProvenanceLink("spec", name, digest, {"lines": list(evidence.lines.get(name, ()))})
        for name, digest in specs.items()
    ]


def _rows(evidence: ProvenanceEvidence) -> list[ProvenanceLink]:
    rows = [ProvenanceLink("row", row["id"], None, _without_id(row)) for row in evidence.rows]
    events_of_rows = {row["event"] for row in evidence.rows if row.get("event")}
    feedback = [item for item in evidence.feedback if item["event"] not in events_of_rows]
    events = [
        ProvenanceLink("feedback", item["event"], None, {**item, "row": item["id"]})
        for item in feedback
    ]
    hidden = evidence.feedback_row_count - len(feedback) - len(events_of_rows)
    if hidden > 0:
        events.append(
            ProvenanceLink(
                "feedback", f"{hidden} more in --json", None, {"rows": evidence.feedback_row_count}
            )
        )
    return [*rows, *events]


def _without_id(row: Facts) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "id" and value is not None}


def _tools(tools: Mapping[str, str]) -> ProvenanceLink:
    return ProvenanceLink("tools", f"{len(tools)} packages", None, tools)


def _dataset(release: ReleaseRecord) -> ProvenanceLink:
    dataset = release.dataset
    facts = {"rows": dataset.rows, "offsets": dataset.offsets}
    return ProvenanceLink("dataset", dataset.name, dataset.digest, facts)


def _base(base: BaseModel) -> ProvenanceLink:
    facts = {"sha256": base.sha256, "source": base.source}
    return ProvenanceLink("base model", base.name, base.digest, facts)


def _artefacts(release: ReleaseRecord) -> list[ProvenanceLink]:
    listed = {release.dataset.digest, *(base.digest for base in release.bases)}
    return [
        ProvenanceLink(item.kind, name, item.digest, {"bytes": item.bytes})
        for name, item in release.artefacts.items()
        if item.digest not in listed and item.kind != "report"
    ]


def _evaluation(release: ReleaseRecord) -> ProvenanceLink:
    evaluation = release.evaluation
    facts = {
        "measures": [measure.to_dict() for measure in evaluation.overall],
        "gates": [check.message for check in evaluation.checks],
    }
    return ProvenanceLink("evaluation", evaluation.name, evaluation.digest, facts)
