"""The way back from an answer, a release or an artefact to what it was made of, as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tidemill.engine.release_record import BaseModel, ReleaseRecord


@dataclass(frozen=True)
class Link:
    """One thing on the way: what it is, its name, its digest where it has one, and its facts."""

    what: str
    name: str
    digest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What was found beside the release's record."""

    steps: Sequence[Mapping[str, Any]] = ()
    """Decisions of the release's rollout: `at`, `decision`, `percent`, `reason`, oldest first."""
    approvals: Sequence[Mapping[str, Any]] = ()
    """Who agreed: `by`, and `at` and `saw` where they are known."""
    lines: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Lines of each spec by its name: `path`, `line`, `field`, `value`, `commit`, `author`."""
    rows: Sequence[Mapping[str, Any]] = ()
    """The rows that were closest to what was asked, nearest first."""
    fed: Sequence[Mapping[str, Any]] = ()
    """Feedback that became rows: `event`, `place`, `answer`, and the row's `id`."""
    fed_rows: int = 0
    """How many rows were feedback; `fed` shows some of them."""


def trail(
    inference: Mapping[str, Any] | None, release: ReleaseRecord, evidence: Evidence
) -> list[Link]:
    """Links from an answer backwards; from the release itself where `inference` is None.

    `inference` is the answer's event, `release` the record of the release that gave it.
    """
    return [
        *([_answer(inference)] if inference else []),
        Link("release", release.service, release.digest, {"created": release.created}),
        *_steps(inference, evidence.steps),
        *_approvals(release, evidence.approvals),
        _commit(release.commit.to_dict()),
        *_specs(release.specs, evidence),
        _dataset(release),
        *_rows(evidence),
        *(_base(base) for base in release.bases),
        *_artefacts(release),
        _evaluation(release),
        Link("seed", str(release.seed)),
        _tools(release.tools),
    ]


def ancestry(digest: str, made: Sequence[Mapping[str, Any]], evidence: Evidence) -> list[Link]:
    """Links from an artefact backwards.

    `made` are the artefacts it came of, itself first: `digest`, `kind`, `name`, `bytes`, and what
    is known of the making of each (`started`, `seconds`, `commit`, `spec`, `tools`).
    """
    own = next((one for one in made if one["digest"] == digest), None)
    artefacts = []
    for one in made:
        known = ("bytes", "started", "seconds", "project")
        facts = {name: one[name] for name in known if one.get(name) is not None}
        artefacts.append(Link(one["kind"], one["name"], one["digest"], facts))
    commits = {one["commit"]["sha"]: one["commit"] for one in made if one.get("commit")}
    specs = {one["spec_name"]: one["spec"] for one in made if one.get("spec")}
    return [
        *artefacts[:1],
        *(map(_commit, commits.values()) if commits else [_commit({})]),
        *_specs(specs, evidence),
        *_rows(evidence),
        *artefacts[1:],
        *([_tools(own["tools"])] if own and own.get("tools") else []),
    ]


def as_json(links: Sequence[Link]) -> list[dict[str, Any]]:
    """The trail for machines."""
    return [asdict(link) for link in links]


def _answer(inference: Mapping[str, Any]) -> Link:
    known = ("time", "latency", "tokens_in", "tokens_out", "cached", "arm", "label", "output")
    facts = {key: inference[key] for key in known if inference.get(key) is not None}
    return Link("answer", inference["response_id"], None, facts)


def _steps(inference: Mapping[str, Any] | None, steps: Sequence[Mapping[str, Any]]) -> list[Link]:
    """Every decision, the one in force when the answer was given marked: the newest before it."""
    when = inference.get("time") if inference else None
    before = [step for step in steps if when is None or _time(step["at"]) <= _time(when)]
    found = []
    for step in steps:
        facts = {key: step[key] for key in ("at", "decision", "reason", "numbers") if key in step}
        if inference:
            facts["in_force"] = bool(before) and step is before[-1]
        found.append(Link("rollout step", f"{step['percent']:g} %", None, facts))
    return found


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _approvals(release: ReleaseRecord, approvals: Sequence[Mapping[str, Any]]) -> list[Link]:
    said = {str(one["who"]): one for one in approvals}
    known = [*said, *(who for who in release.approved_by if who not in said)]
    return [Link("approval", who, None, said.get(who, {})) for who in known]


def _commit(commit: Mapping[str, Any]) -> Link:
    if not commit:
        return Link("commit", "none: the specs were not in Git")
    return Link("commit", commit["sha"], None, {k: v for k, v in commit.items() if k != "sha"})


def _specs(specs: Mapping[str, str], evidence: Evidence) -> list[Link]:
    return [
        Link("spec", name, digest, {"lines": list(evidence.lines.get(name, ()))})
        for name, digest in specs.items()
    ]


def _rows(evidence: Evidence) -> list[Link]:
    rows = [Link("row", row["id"], None, _without_id(row)) for row in evidence.rows]
    shown = {row["event"] for row in evidence.rows if row.get("event")}
    fed = [one for one in evidence.fed if one["event"] not in shown]
    events = [Link("feedback", one["event"], None, {**one, "row": one["id"]}) for one in fed]
    more = evidence.fed_rows - len(fed) - len(shown)
    if more > 0:
        events.append(Link("feedback", f"{more} more", None, {"rows": evidence.fed_rows}))
    return [*rows, *events]


def _without_id(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id" and value is not None}


def _tools(tools: Mapping[str, str]) -> Link:
    return Link("tools", f"{len(tools)} packages", None, tools)


def _dataset(release: ReleaseRecord) -> Link:
    dataset = release.dataset
    facts = {"rows": dataset.rows, "offsets": dataset.offsets}
    return Link("dataset", dataset.name, dataset.digest, facts)


def _base(base: BaseModel) -> Link:
    facts = {"sha256": base.sha256, "source": base.source}
    return Link("base model", base.name, base.digest, facts)


def _artefacts(release: ReleaseRecord) -> list[Link]:
    listed = {release.dataset.digest, *(base.digest for base in release.bases)}
    return [
        Link(item.kind, name, item.digest, {"bytes": item.bytes})
        for name, item in release.artefacts.items()
        if item.digest not in listed and item.kind != "report"
    ]


def _evaluation(release: ReleaseRecord) -> Link:
    evaluation = release.evaluation
    facts = {
        "measures": [measure.to_dict() for measure in evaluation.overall],
        "gates": [check.message for check in evaluation.checks],
    }
    return Link("evaluation", evaluation.name, evaluation.digest, facts)
