"""Reads what came of a commit, a row, a subject, a base model or anything else that the ledger
knows: every artefact, release and answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.engine.lineage import Edge, without_makings
from tidemill.home import Home
from tidemill.lineage.commit_reach import later
from tidemill.lineage.identifiers import Target, find

_BEFORE_ROWS = ("answer", "event", "subject")
NEWEST = 5
"""Answers that are listed; the others are counted."""
Row = dict[str, Any]


@dataclass
class _Begun:
    """Where a walk forwards begins."""

    nodes: list[str]
    rows: list[Row] = field(default_factory=list)
    """The rows in question, with the dataset and split that holds each."""
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: Row = field(default_factory=dict)


def descend(
    home: Home, text: str, *, limit: int | None = None, drawn: bool = True
) -> dict[str, Any]:
    """All that came of one thing, newest first: artefacts, releases, and answers with their count.

    `text` is an id as `targets.find` takes it. A subject may be given by its plain id, which is
    hashed with the key of the environment, or by the hash. At most `limit` artefacts and releases
    are listed; all are counted. The edges between them are there where it is to be `drawn`.
    """
    home.backfill_row_index()
    target = find(home, text)
    begun = _BEGIN[target.what](home, target)
    with home.ledger.lineage.closure(begun.nodes, "forward") as reached:
        kinds, answered = reached.artefact_counts(), reached.answer_counts()
        artefacts, releases = reached.artefacts(limit), reached.releases()
        edges = without_makings(reached.edges()) if drawn else []
    if target.what in _BEFORE_ROWS:
        start = f"{target.what}:{target.id}"
        begun.edges += [Edge(f"row:{row['id']}", start, target.what) for row in begun.rows]
    newest = _newest(home, answered)
    edges += [Edge(f"answer:{one['response_id']}", one["release"], "answered by") for one in newest]
    return {
        "target": {"what": target.what, "id": target.id},
        "direction": "forward",
        "facts": begun.facts,
        "counts": {"artefacts": kinds, "releases": len(releases)},
        "rows": begun.rows,
        "artefacts": _named(home, artefacts),
        "releases": _releases(home, releases, answered),
        "answers": {"count": sum(count for count, _ in answered.values()), "newest": newest},
        "edges": [edge._asdict() for edge in [*begun.edges, *edges]],
        "notes": begun.notes,
    }


def answers(home: Home, found: Row) -> Iterator[Row]:
    """Every answer that `descend` counted, release by release, newest first."""
    digests = [release["digest"] for release in found["releases"]]
    yield from home.ledger.lineage.answers("release", digests, None)


def _commit(home: Home, target: Target) -> _Begun:
    """What was made at the commit, and at later ones by specs in which its changes live on."""
    me = f"commit:{target.id}"
    made, notes = later(home, target.id)
    return _Begun([me, *made], edges=[Edge(node, me, "its lines") for node in made], notes=notes)


def _artefact(_home: Home, target: Target) -> _Begun:
    return _Begun([target.id, *target.older])


def _answer(home: Home, target: Target) -> _Begun:
    begun = _of_rows(home, home.ledger.lineage.rows_from("answer", target.id))
    if not begun.rows:
        begun.notes.append("no feedback on this answer became a row of a dataset")
    return begun


def _event(home: Home, target: Target) -> _Begun:
    return _of_rows(home, home.ledger.lineage.rows_from("event", target.id))


def _row(home: Home, target: Target) -> _Begun:
    row = home.ledger.lineage.row_origin(target.id)
    return _of_rows(home, [row] if row else [])


def _subject(home: Home, target: Target) -> _Begun:
    lineage = home.ledger.lineage
    names = names_of(home, target.id)
    begun = _of_rows(home, [row for name in names for row in lineage.rows_from("subject", name)])
    begun.facts["answers_given"] = sum(map(lineage.count_of_subject, names))
    if home.settings.subject_key is None:
        begun.notes.append(
            "TIDEMILL_SUBJECT_KEY is not set: a plain id is found only where the data has it plain"
        )
    if not begun.rows and not begun.facts["answers_given"]:
        begun.notes.append("nothing in this ledger is of this subject")
    return begun


def names_of(home: Home, subject: str) -> list[str]:
    """What a subject is called in events and rows: as given, and under each keyed hash."""
    key = home.settings.subject_key
    if key is None:
        return [subject]
    from tidemill.data.privacy import letters
    from tidemill.events import hash_subject

    return list(dict.fromkeys([subject, hash_subject(subject, key), letters(subject, key)]))


def _of_rows(home: Home, rows: Sequence[Row]) -> _Begun:
    told = {row["id"]: row for row in rows}
    held = home.ledger.lineage.datasets_with_rows(told)
    found = [{**told[one["row"]], "dataset": one["dataset"], "split": one["split"]} for one in held]
    begun = _Begun(list(dict.fromkeys(row["dataset"] for row in found)), found)
    begun.edges = [Edge(row["dataset"], f"row:{row['id']}", row["split"]) for row in found]
    tested = sum(row["split"] == "test" for row in found)
    if tested and tested == len(found):
        begun.notes.append(
            "test rows only: nothing was trained on them, evaluations judged by them"
        )
    return begun


_BEGIN = {
    "answer": _answer,
    "release": _artefact,
    "artefact": _artefact,
    "commit": _commit,
    "row": _row,
    "event": _event,
    "subject": _subject,
}


def _named(home: Home, artefacts: Sequence[Row]) -> list[Row]:
    """Artefacts with the project and spec that made each."""
    made = home.ledger.lineage.builds_of(item["digest"] for item in artefacts)
    makings = home.ledger.lineage.materialisation_rows(key for key, _ in made.values())
    found = []
    for item in artefacts:
        key, role = made.get(item["digest"], (0, ""))
        making = makings.get(key, {})
        step = f"/{role.removeprefix('step:')}" if role.startswith("step:") else ""
        name = f"{making.get('name', '')}{step}"
        found.append({**item, "name": name, "project": making.get("project", "")})
    return found


def _releases(
    home: Home, releases: Sequence[Row], answered: dict[str, tuple[int, float]]
) -> list[Row]:
    services = {release["service"] for release in releases}
    live = {service: home.ledger.rollouts.live_release(service) for service in services}
    return [
        {
            **release,
            "live": live[release["service"]] == release["digest"],
            "answers": answered.get(release["digest"], (0, 0.0))[0],
        }
        for release in releases
    ]


def _newest(home: Home, answered: dict[str, tuple[int, float]]) -> list[Row]:
    """The newest answers of all: they are among the newest of the releases that answered last."""
    latest = sorted(answered, key=lambda digest: -answered[digest][1])[:NEWEST]
    found = home.ledger.lineage.answers("release", latest, NEWEST)
    return sorted(found, key=lambda row: row["time"], reverse=True)[:NEWEST]
