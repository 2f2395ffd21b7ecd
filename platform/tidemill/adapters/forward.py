"""Reads what came of a commit, a row, a subject, a base model or anything else that the ledger
knows: every artefact, release and answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tidemill.adapters.home import Home
from tidemill.adapters.targets import Target, find
from tidemill.engine.lineage import Edge, walk, without_makings

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


def descend(home: Home, text: str) -> dict[str, Any]:
    """All that came of one thing, newest first: artefacts, releases, and answers with their count.

    `text` is an id as `targets.find` takes it. A subject may be given by its plain id, which is
    hashed with the key of the environment, or by the hash.
    """
    target = find(home, text)
    begun = _BEGIN[target.what](home, target)
    remember_rows(home)
    edges = home.ledger.lineage.edges(begun.nodes, "forward")
    reached = walk(begun.nodes, edges, "forward")
    digests = [node for node in reached if node.startswith("sha256:")]
    releases = home.ledger.lineage.release_rows(digests)
    artefacts = home.ledger.lineage.artefact_rows(digests)
    answered = home.ledger.lineage.answered(releases)
    newest = _newest(home, answered)
    drawn = [Edge(f"answer:{one['response_id']}", one["release"], "answered by") for one in newest]
    return {
        "target": {"what": target.what, "id": target.id},
        "direction": "forward",
        "facts": begun.facts,
        "rows": begun.rows,
        "artefacts": _artefacts(home, artefacts, reached, edges),
        "releases": _releases(home, releases, answered),
        "answers": {
            "count": sum(count for count, _ in answered.values()),
            "newest": newest,
        },
        "edges": [asdict(edge) for edge in [*begun.edges, *without_makings(edges), *drawn]],
        "notes": begun.notes,
    }


def answers(home: Home, found: Row) -> Iterator[Row]:
    """Every answer that `descend` counted, release by release, newest first."""
    digests = [release["digest"] for release in found["releases"]]
    yield from home.ledger.lineage.answers("release", digests, None)


def remember_rows(home: Home) -> None:
    """Take in the rows of datasets that an older version made, as far as their bytes are here."""
    from tidemill.adapters.store.shelf import name_of

    for digest in home.ledger.lineage.without_rows():
        folder = home.store.artefacts / name_of("dataset", digest)
        if folder.is_dir():
            from tidemill.data import origins

            home.ledger.lineage.keep_rows(digest, origins.read(folder))


def _commit(_home: Home, target: Target) -> _Begun:
    return _Begun([f"commit:{target.id}"])


def _artefact(_home: Home, target: Target) -> _Begun:
    return _Begun([target.id, *target.older])


def _answer(home: Home, target: Target) -> _Begun:
    begun = _of_rows(home, home.ledger.lineage.rows_of("answer", target.id))
    begun.edges += [
        Edge(f"row:{row['id']}", f"answer:{target.id}", "feedback") for row in begun.rows
    ]
    if not begun.rows:
        begun.notes.append("no feedback on this answer became a row of a dataset")
    return begun


def _event(home: Home, target: Target) -> _Begun:
    return _of_rows(home, home.ledger.lineage.rows_of("event", target.id))


def _row(home: Home, target: Target) -> _Begun:
    row = home.ledger.lineage.row(target.id)
    return _of_rows(home, [row] if row else [])


def _subject(home: Home, target: Target) -> _Begun:
    lineage = home.ledger.lineage
    names = names_of(home, target.id)
    begun = _of_rows(home, [row for name in names for row in lineage.rows_of("subject", name)])
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
    remember_rows(home)
    told = {row["id"]: row for row in rows}
    held = home.ledger.lineage.holding(told)
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


def _artefacts(
    home: Home, artefacts: dict[str, Row], reached: dict[str, int], edges: Sequence[Edge]
) -> list[Row]:
    """Artefacts with the project and spec that made each, newest first."""
    gave = {e.child: e for e in edges if e.parent.startswith("making:") and e.parent in reached}
    keys = {d: int(gave[d].parent.removeprefix("making:")) for d in artefacts if d in gave}
    makings = home.ledger.lineage.making_rows(keys.values())
    found = []
    for digest, item in artefacts.items():
        making = makings.get(keys.get(digest, 0), {})
        role = gave[digest].role if digest in gave else ""
        step = f"/{role.removeprefix('step:')}" if role.startswith("step:") else ""
        name = f"{making.get('name', '')}{step}"
        found.append({**item, "name": name, "project": making.get("project", "")})
    return sorted(found, key=lambda one: (one["created"], one["digest"]), reverse=True)


def _releases(
    home: Home, releases: dict[str, Row], answered: dict[str, tuple[int, float]]
) -> list[Row]:
    services = {release["service"] for release in releases.values()}
    live = {service: home.ledger.rollouts.live(service) for service in services}
    found = [
        {
            **release,
            "live": live[release["service"]] == digest,
            "answers": answered.get(digest, (0, 0.0))[0],
        }
        for digest, release in releases.items()
    ]
    return sorted(found, key=lambda one: (one["created"], one["digest"]), reverse=True)


def _newest(home: Home, answered: dict[str, tuple[int, float]]) -> list[Row]:
    """The newest answers of all: they are among the newest of the releases that answered last."""
    latest = sorted(answered, key=lambda digest: -answered[digest][1])[:NEWEST]
    found = home.ledger.lineage.answers("release", latest, NEWEST)
    return sorted(found, key=lambda row: row["time"], reverse=True)[:NEWEST]
