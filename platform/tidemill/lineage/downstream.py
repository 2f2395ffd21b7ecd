"""Reads from the ledger what was built from a commit, a row, a subject, a base model or any other
identifier: every artefact, release and answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tidemill.engine.lineage import Edge, artefact_edges
from tidemill.engine.provenance import Facts
from tidemill.home import Home
from tidemill.lineage.commit_reach import later_commits
from tidemill.lineage.identifiers import Identifier, resolve_identifier
from tidemill.lineage.result import DownstreamArtefact, DownstreamLineage, DownstreamRelease

_BEFORE_ROWS = ("answer", "event", "subject")
NEWEST_ANSWERS = 5
"""Answers that are listed; the others are counted."""


@dataclass
class _Start:
    """Where a walk downstream begins."""

    nodes: list[str]
    rows: list[Facts] = field(default_factory=list)
    """The dataset rows of the target, each with the dataset and split that holds it."""
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)


def trace_downstream(
    home: Home, text: str, *, limit: int | None = None, with_edges: bool = True
) -> DownstreamLineage:
    """All that was built from one thing, newest first: artefacts, releases, counted answers.

    `text` is an identifier as `resolve_identifier` takes it. A subject is given by its plain id,
    which is hashed with the key of the environment, or by the hash. At most `limit` artefacts are
    listed; all are counted. `with_edges` reads the edges between them. Raises TidemillError.
    """
    home.backfill_row_index()
    target = resolve_identifier(home, text)
    start = _STARTS[target.kind](home, target)
    with home.ledger.lineage.closure(start.nodes, "forward") as reached:
        counts, answered = reached.artefact_counts(), reached.answer_counts()
        artefacts, releases = reached.artefacts(limit), reached.releases()
        edges = artefact_edges(reached.edges()) if with_edges else []
    if target.kind in _BEFORE_ROWS:
        origin = f"{target.kind}:{target.id}"
        start.edges += [Edge(f"row:{row['id']}", origin, target.kind) for row in start.rows]
    newest = _newest(home, answered)
    edges += [
        Edge(f"answer:{answer['response_id']}", answer["release"], "answered by")
        for answer in newest
    ]
    return DownstreamLineage(
        target=target,
        facts=start.facts,
        artefact_counts=counts,
        rows=tuple(start.rows),
        artefacts=_with_spec_names(home, artefacts),
        releases=_releases(home, releases, answered),
        answer_count=sum(count for count, _ in answered.values()),
        newest_answers=tuple(newest),
        edges=(*start.edges, *edges),
        notes=tuple(start.notes),
    )


def downstream_answers(home: Home, lineage: DownstreamLineage) -> Iterator[Facts]:
    """Every answer that `trace_downstream` counted, release by release, newest first."""
    digests = [release.digest for release in lineage.releases]
    yield from home.ledger.lineage.answers("release", digests, None)


def _commit(home: Home, target: Identifier) -> _Start:
    """What was built at the commit, and at later ones from specs that still have its lines."""
    commit = f"commit:{target.id}"
    later, notes = later_commits(home, target.id)
    edges = [Edge(node, commit, "spec lines") for node in later]
    return _Start([commit, *later], edges=edges, notes=notes)


def _artefact(_home: Home, target: Identifier) -> _Start:
    return _Start([target.id, *target.older_ids])


def _answer(home: Home, target: Identifier) -> _Start:
    start = _from_rows(home, home.ledger.lineage.rows_from("answer", target.id))
    if not start.rows:
        start.notes.append("no feedback on this answer was used in a dataset")
    return start


def _event(home: Home, target: Identifier) -> _Start:
    return _from_rows(home, home.ledger.lineage.rows_from("event", target.id))


def _row(home: Home, target: Identifier) -> _Start:
    row = home.ledger.lineage.row_origin(target.id)
    return _from_rows(home, [row] if row else [])


def _subject(home: Home, target: Identifier) -> _Start:
    lineage = home.ledger.lineage
    names = subject_names(home, target.id)
    start = _from_rows(home, [row for name in names for row in lineage.rows_from("subject", name)])
    start.facts["answers_given"] = sum(map(lineage.count_of_subject, names))
    if home.settings.subject_key is None:
        start.notes.append(
            "TIDEMILL_SUBJECT_KEY is not set: only unhashed subject ids can be found"
        )
    if not start.rows and not start.facts["answers_given"]:
        start.notes.append("the ledger has nothing about this subject")
    return start


def subject_names(home: Home, subject: str) -> list[str]:
    """The names of a subject in events and rows: as given, and under each keyed hash."""
    key = home.settings.subject_key
    if key is None:
        return [subject]
    from tidemill.data.privacy import keyed_letters
    from tidemill.events import hash_subject

    return list(dict.fromkeys([subject, hash_subject(subject, key), keyed_letters(subject, key)]))


def _from_rows(home: Home, rows: Sequence[Facts]) -> _Start:
    by_id = {row["id"]: row for row in rows}
    memberships = home.ledger.lineage.datasets_with_rows(by_id)
    members: list[Facts] = [
        {**by_id[member["row"]], "dataset": member["dataset"], "split": member["split"]}
        for member in memberships
    ]
    start = _Start(list(dict.fromkeys(row["dataset"] for row in members)), members)
    start.edges = [Edge(row["dataset"], f"row:{row['id']}", row["split"]) for row in members]
    tested = sum(row["split"] == "test" for row in members)
    if tested and tested == len(members):
        start.notes.append("test rows only: used in evaluations, never in training")
    return start


_STARTS = {
    "answer": _answer,
    "release": _artefact,
    "artefact": _artefact,
    "commit": _commit,
    "row": _row,
    "event": _event,
    "subject": _subject,
}


def _with_spec_names(home: Home, artefacts: Sequence[Facts]) -> tuple[DownstreamArtefact, ...]:
    """Artefacts with the project and spec that built each."""
    origins = home.ledger.lineage.builds_of(item["digest"] for item in artefacts)
    makings = home.ledger.lineage.materialisation_rows(key for key, _ in origins.values())
    listed = []
    for item in artefacts:
        key, role = origins.get(item["digest"], (0, ""))
        making = makings.get(key, {})
        step = f"/{role.removeprefix('step:')}" if role.startswith("step:") else ""
        name = f"{making.get('name', '')}{step}"
        listed.append(DownstreamArtefact(**item, name=name, project=making.get("project", "")))
    return tuple(listed)


def _releases(
    home: Home, releases: Sequence[Facts], answered: dict[str, tuple[int, float]]
) -> tuple[DownstreamRelease, ...]:
    services = {release["service"] for release in releases}
    live = {service: home.ledger.rollouts.live_release(service) for service in services}
    return tuple(
        DownstreamRelease(
            **release,
            live=live[release["service"]] == release["digest"],
            answers=answered.get(release["digest"], (0, 0.0))[0],
        )
        for release in releases
    )


def _newest(home: Home, answered: dict[str, tuple[int, float]]) -> Sequence[Facts]:
    """The newest answers of all: they are among the newest of the releases that answered last."""
    latest = sorted(answered, key=lambda digest: -answered[digest][1])[:NEWEST_ANSWERS]
    answers: Iterator[Facts] = home.ledger.lineage.answers("release", latest, NEWEST_ANSWERS)
    return sorted(answers, key=lambda row: row["time"], reverse=True)[:NEWEST_ANSWERS]
