"""Reads what the ledger, the store and Git know of where an answer, a release or an artefact came
from, and holds every digest against the bytes on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.engine.lineage import BUILD, Edge, walk, without_makings
from tidemill.engine.provenance import Evidence, Link, ancestry, as_json, trail
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import ArtefactError, MissingArtefact, TidemillError
from tidemill.home import Home
from tidemill.lineage.identifiers import Target, find
from tidemill.lineage.spec_blame import line_at, lines_at

ROWS = 5
"""Nearest rows that are shown; as many of the feedback that became rows."""
_WITHOUT_BYTES = ("spec", "release")
_KINDS = {"base model": "model", "evaluation": "report"}
Row = dict[str, Any]


def trace(
    home: Home, text: str, *, every_byte: bool = False, meaning: bool = False
) -> dict[str, Any]:
    """The trail of an answer, a release, an artefact, a row or a commit, each digest compared with
    the bytes on disk.

    `text` is an id as `targets.find` takes it. `every_byte` hashes all files again instead of
    trusting those whose size, times and inode are as they were when they were last hashed.
    `meaning` compares rows by the project's sentence encoder instead of by their words.
    """
    target = find(home, text)
    told = _TOLD[target.what](home, target, meaning)
    links = checked(home, told["links"], every_byte=every_byte)
    return {
        **({"response_id": target.id} if target.what == "answer" else {}),
        "target": {"what": target.what, "id": target.id},
        "direction": "back",
        "verified": all(link["bytes_match"] is not False for link in links),
        "links": links,
        "edges": [edge._asdict() for edge in told["edges"]],
        "notes": told["notes"],
    }


def _answer(home: Home, target: Target, meaning: bool) -> Row:
    inference = home.ledger.service_metrics.inference_record(target.id)
    assert inference is not None
    release = home.ledger.materialisations.release(inference["release"])
    if release is None:
        raise TidemillError(
            f"the ledger has the answer but not its release {inference['release'][:19]}; "
            "it was made with another ledger (see TIDEMILL_LEDGER_URL)"
        )
    told = _of_release(home, release, inference, meaning)
    told["edges"].append(Edge(f"answer:{target.id}", release.digest, "answered by"))
    return told


def _release(home: Home, target: Target, meaning: bool) -> Row:
    release = home.ledger.materialisations.release(target.id)
    assert release is not None
    return _of_release(home, release, None, meaning)


def _of_release(
    home: Home, release: ReleaseRecord, inference: Mapping[str, Any] | None, meaning: bool
) -> Row:
    edges = home.ledger.lineage.edges([release.digest], "back")
    held = [item.digest for item in release.artefacts.values() if item.kind == "dataset"]
    lines, notes = _lines(home, release.project, release.commit.to_dict())
    rows, more = nearest(home, held, inference["input"], meaning) if inference else ([], [])
    fed_rows, fed = _fed(home, held)
    evidence = Evidence(
        steps=decided(home, release),
        approvals=_approvals(home, release.digest),
        lines=lines,
        rows=rows,
        fed=fed,
        fed_rows=fed_rows,
    )
    drawn = [*without_makings(edges), *_row_edges([*rows, *fed], held)]
    return {"links": trail(inference, release, evidence), "edges": drawn, "notes": notes + more}


def _artefact(home: Home, target: Target, _meaning: bool) -> Row:
    edges = home.ledger.lineage.edges([target.id], "back")
    reached = list(walk([target.id], edges, "back"))
    made = _makings(home, reached, edges)
    lines: dict[str, Any] = {}
    notes: list[str] = []
    for one in made:
        if one.get("commit") and one["spec_name"] not in lines:
            found, said = _lines(home, one["project"], one["commit"])
            lines = {**found, **lines}
            notes += [note for note in said if note not in notes]
    held = [one["digest"] for one in made if one["kind"] == "dataset"]
    fed_rows, fed = _fed(home, held)
    links = ancestry(target.id, made, Evidence(lines=lines, fed=fed, fed_rows=fed_rows))
    return {
        "links": links,
        "edges": [*without_makings(edges), *_row_edges(fed, held)],
        "notes": notes,
    }


def _row(home: Home, target: Target, _meaning: bool) -> Row:
    """A row comes of a line of a file, or of feedback on an answer."""
    row = home.ledger.lineage.row_origin(target.id)
    assert row is not None
    about, notes = _source_line(home, row)
    links = [Link("row", row["id"], None, {k: v for k, v in row.items() if v is not None} | about)]
    edges = []
    if row["event"]:
        links.append(Link("feedback", row["event"], None, {"place": row["place"]}))
        edges.append(Edge(f"row:{row['id']}", f"event:{row['event']}", "feedback"))
    if row["answer"]:
        inference = home.ledger.service_metrics.inference_record(row["answer"]) or {}
        links.append(Link("answer", row["answer"], None, _known(inference)))
        edges.append(Edge(f"event:{row['event']}", f"answer:{row['answer']}", "about"))
        if inference:
            links.append(Link("release", inference["service"], inference["release"]))
            edges.append(Edge(f"answer:{row['answer']}", inference["release"], "answered by"))
        else:
            notes.append(f"the answer {row['answer']} is no longer in the ledger")
    return {"links": links, "edges": edges, "notes": notes}


def _source_line(home: Home, row: Row) -> tuple[Row, list[str]]:
    """Who wrote the line of a file that a row came from, at the commit of a dataset with it."""
    held = [one["dataset"] for one in home.ledger.lineage.datasets_with_rows([row["id"]])]
    made = home.ledger.lineage.builds_of(held)
    makings = home.ledger.lineage.materialisations(key for key, _ in made.values())
    for _, making in sorted(makings.items(), reverse=True):
        if row["line"] and making.commit:
            return line_at(home.settings.specs, making.project, making.commit, row)
    return {}, []


def _commit(_home: Home, target: Target, _meaning: bool) -> Row:
    raise TidemillError(
        f"a commit comes of nothing that Tidemill knows; `tidemill why --forward "
        f"commit:{target.id[:12]}` shows what came of it"
    )


def _needs_forward(_home: Home, target: Target, _meaning: bool) -> Row:
    raise TidemillError(
        f"`why` follows a {target.what} forwards only: `tidemill why --forward "
        f"{target.what}:{target.id}`"
    )


_TOLD = {
    "answer": _answer,
    "release": _release,
    "artefact": _artefact,
    "row": _row,
    "commit": _commit,
    "event": _needs_forward,
    "subject": _needs_forward,
}


def decided(home: Home, release: ReleaseRecord) -> list[Row]:
    """The decisions of the newest rollout of a release."""
    walks = home.ledger.rollouts.of_release(release.digest)
    mine = [walking for walking in walks if walking.service == release.service]
    decisions = home.ledger.rollouts.decisions(mine[-1].id) if mine else []
    return [{**decision, "at": decision["decided_at"]} for decision in decisions]


def checked(home: Home, links: Sequence[Link], *, every_byte: bool = False) -> list[Row]:
    """Links as dictionaries with `bytes_match`: True, False, or None where no bytes are here.

    A `problem` says what is wrong with them, or where they went.
    """
    found = as_json(links)
    for link in found:
        link["bytes_match"], link["folder"] = None, None
        if link["digest"] and link["what"] not in _WITHOUT_BYTES:
            kind = _KINDS.get(link["what"], link["what"])
            try:
                here = home.store.check_local(link["digest"], kind, every_byte=every_byte)
                link["folder"], link["bytes_match"] = str(here.path), True
            except MissingArtefact as error:
                link["problem"] = str(error)
            except ArtefactError as error:
                link["bytes_match"], link["problem"] = False, str(error)
    return found


def nearest(
    home: Home, digests: Sequence[str], asked: Any, meaning: bool
) -> tuple[list[Row], list[str]]:
    """The rows of these datasets nearest to what was asked, and what could not be looked at."""
    rows: dict[str, Row] = {}
    notes: list[str] = []
    for digest in dict.fromkeys(digests):
        try:
            folder = home.store.check_local(digest, "dataset").path
            if meaning:
                from tidemill.lineage.row_embeddings import by_meaning

                found = by_meaning(home, digest, folder, asked, ROWS)
            else:
                found = home.row_index.nearest(digest, folder, asked, ROWS)
            rows |= {row["id"]: {**row, "dataset": digest} for row in found}
        except (TidemillError, OSError) as error:
            notes.append(f"the rows of dataset {digest[7:19]} cannot be compared: {error}")
    order = sorted(rows.values(), key=lambda row: (-row["similarity"], row["id"]))
    return order[:ROWS], notes


def _lines(home: Home, project: str, commit: Mapping[str, Any]) -> tuple[Any, list[str]]:
    return lines_at(home.settings.specs, home.settings.home / "why", project, commit)


def _fed(home: Home, digests: Sequence[str]) -> tuple[int, list[Row]]:
    total, found = 0, []
    for digest in dict.fromkeys(digests):
        count, rows = home.ledger.lineage.feedback_rows(digest, ROWS)
        total += count
        found += [{**row, "dataset": digest} for row in rows]
    return total, found


def _row_edges(rows: Sequence[Mapping[str, Any]], held: Sequence[str]) -> list[Edge]:
    edges = []
    for row in rows:
        me = f"row:{row['id']}"
        edges.append(Edge(row["dataset"] if "dataset" in row else held[0], me, "row"))
        if row.get("event"):
            edges.append(Edge(me, f"event:{row['event']}", "feedback"))
        if row.get("answer"):
            edges.append(Edge(f"event:{row['event']}", f"answer:{row['answer']}", "about"))
    return list(dict.fromkeys(edges))


def _makings(home: Home, reached: Sequence[str], edges: Sequence[Edge]) -> list[Row]:
    """The artefacts among these nodes, nearest first, with the making that gave each first."""
    by = home.ledger.lineage.materialisations(
        int(node.removeprefix(BUILD)) for node in reached if node.startswith(BUILD)
    )
    gave: dict[str, tuple[int, str]] = {}
    for edge in edges:
        if edge.parent.startswith(BUILD):
            key = int(edge.parent.removeprefix(BUILD))
            gave[edge.child] = min(gave.get(edge.child, (key, edge.role)), (key, edge.role))
    known = home.ledger.lineage.artefact_rows(n for n in reached if n.startswith("sha256:"))
    found = []
    for digest in (node for node in reached if node.startswith("sha256:")):
        key, role = gave.get(digest, (0, ""))
        making, item = by.get(key), known.get(digest, {})
        found.append(
            {
                "digest": digest,
                "kind": item.get("kind") or "artefact",
                "bytes": item.get("bytes"),
                "name": _name(making, role),
                "spec_name": making.name if making else "",
                **_of_making(making),
            }
        )
    return found


def _name(making: Any, role: str) -> str:
    step = role.removeprefix("step:") if role.startswith("step:") else ""
    name = making.name if making else "?"
    return f"{name}/{step}" if step else name


def _of_making(making: Any) -> Row:
    if making is None:
        return {}
    names = ("project", "seconds", "commit", "tools")
    facts = {name: getattr(making, name) for name in names}
    return {**facts, "started": making.started_at, "spec": making.spec_digest}


def _approvals(home: Home, digest: str) -> list[Row]:
    return [
        {
            **{
                name: getattr(approval, name)
                for name in ("kind", "subject", "name", "step", "note")
            },
            "who": approval.principal,
            "how": approval.method,
            "called": approval.display_name,
            "key": approval.fingerprint,
            "statement": approval.statement,
            "signature": approval.signature,
            "saw": approval.evidence,
            "at": approval.approved_at,
        }
        for approval in home.ledger.approvals.of_subject(digest)
    ]


def _known(given: Row) -> Row:
    return {name: one for name, one in given.items() if one is not None}
