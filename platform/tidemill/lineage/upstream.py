"""Reads from the ledger, the store and Git what an answer, a release, an artefact or a row was made
from, and compares every digest with the bytes on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tidemill.engine.lineage import BUILD, Edge, artefact_edges, reachable
from tidemill.engine.provenance import (
    BuiltArtefact,
    Facts,
    ProvenanceEvidence,
    ProvenanceLink,
    ancestry,
    provenance_links,
)
from tidemill.engine.release_record import ReleaseRecord, SpecCommit
from tidemill.errors import ArtefactError, MissingArtefact, TidemillError
from tidemill.home import Home
from tidemill.lineage.identifiers import Identifier, resolve_identifier
from tidemill.lineage.result import UpstreamLineage, VerifiedLink
from tidemill.lineage.spec_blame import Lines, blame_row, blame_specs
from tidemill.ports import Materialisation

MAX_ROWS = 5
"""Nearest rows that are listed; as many of the feedback that became rows."""
_WITHOUT_BYTES = ("spec", "release")
_KINDS = {"base model": "model", "evaluation": "report"}


class _Trail(NamedTuple):
    """What one target came from, its digests not compared yet."""

    links: Sequence[ProvenanceLink]
    edges: Sequence[Edge]
    notes: Sequence[str]


def trace_upstream(
    home: Home, text: str, *, every_byte: bool = False, by_embedding: bool = False
) -> UpstreamLineage:
    """What an answer, a release, an artefact or a row was made from, each digest compared with the
    bytes on disk.

    `text` is an identifier as `resolve_identifier` takes it. `every_byte` hashes all files again
    instead of trusting those whose size, times and inode are as they were when they were last
    hashed. `by_embedding` compares rows by the project's sentence encoder instead of by their
    words. Raises TidemillError for an unknown identifier and for a kind without an upstream.
    """
    target = resolve_identifier(home, text)
    trail = _TRAILS[target.kind](home, target, by_embedding)
    links = verify_links(home, trail.links, every_byte=every_byte)
    return UpstreamLineage(target, links, tuple(trail.edges), tuple(trail.notes))


def _answer(home: Home, target: Identifier, by_embedding: bool) -> _Trail:
    inference = home.ledger.service_metrics.inference_record(target.id)
    assert inference is not None
    release = home.ledger.materialisations.release(inference["release"])
    if release is None:
        raise TidemillError(
            f"the ledger has the answer but not its release {inference['release'][:19]}; "
            "the release was created with another ledger (see TIDEMILL_LEDGER_URL)"
        )
    trail = _from_release(home, release, inference, by_embedding)
    edge = Edge(f"answer:{target.id}", release.digest, "answered by")
    return trail._replace(edges=[*trail.edges, edge])


def _release(home: Home, target: Identifier, by_embedding: bool) -> _Trail:
    release = home.ledger.materialisations.release(target.id)
    assert release is not None
    return _from_release(home, release, None, by_embedding)


def _from_release(
    home: Home, release: ReleaseRecord, inference: Facts | None, by_embedding: bool
) -> _Trail:
    edges = home.ledger.lineage.edges([release.digest], "back")
    datasets = [item.digest for item in release.artefacts.values() if item.kind == "dataset"]
    lines, notes = _spec_lines(home, release.project, release.commit)
    rows: list[Facts] = []
    if inference:
        rows, row_notes = nearest_rows(home, datasets, inference["input"], by_embedding)
        notes = [*notes, *row_notes]
    row_count, feedback = _feedback_rows(home, datasets)
    evidence = ProvenanceEvidence(
        rollout_decisions=rollout_decisions(home, release),
        approvals=[
            approval.to_dict() for approval in home.ledger.approvals.of_subject(release.digest)
        ],
        lines=lines,
        rows=rows,
        feedback=feedback,
        feedback_row_count=row_count,
    )
    links = provenance_links(inference, release, evidence)
    return _Trail(links, [*artefact_edges(edges), *_row_edges([*rows, *feedback], datasets)], notes)


def _artefact(home: Home, target: Identifier, _by_embedding: bool) -> _Trail:
    edges = home.ledger.lineage.edges([target.id], "back")
    built = _built_artefacts(home, list(reachable([target.id], edges, "back")), edges)
    lines: Lines = {}
    notes: dict[str, None] = {}
    for artefact in built:
        if artefact.commit.sha and artefact.spec_name not in lines:
            commit_lines, commit_notes = _spec_lines(home, artefact.project, artefact.commit)
            lines = {**commit_lines, **lines}
            notes |= dict.fromkeys(commit_notes)
    datasets = [artefact.digest for artefact in built if artefact.kind == "dataset"]
    row_count, feedback = _feedback_rows(home, datasets)
    evidence = ProvenanceEvidence(lines=lines, feedback=feedback, feedback_row_count=row_count)
    links = ancestry(target.id, built, evidence)
    return _Trail(links, [*artefact_edges(edges), *_row_edges(feedback, datasets)], list(notes))


def _row(home: Home, target: Identifier, _by_embedding: bool) -> _Trail:
    """A row comes from a line of a file, or from feedback on an answer."""
    row = home.ledger.lineage.row_origin(target.id)
    assert row is not None
    source, notes = _source_line(home, row)
    links = [ProvenanceLink("row", row["id"], None, {**_without_nulls(row), **source})]
    edges = []
    if row["event"]:
        links.append(ProvenanceLink("feedback", row["event"], None, {"place": row["place"]}))
        edges.append(Edge(f"row:{row['id']}", f"event:{row['event']}", "feedback"))
    if row["answer"]:
        inference = home.ledger.service_metrics.inference_record(row["answer"]) or {}
        links.append(ProvenanceLink("answer", row["answer"], None, _without_nulls(inference)))
        edges.append(Edge(f"event:{row['event']}", f"answer:{row['answer']}", "about"))
        if inference:
            links.append(ProvenanceLink("release", inference["service"], inference["release"]))
            edges.append(Edge(f"answer:{row['answer']}", inference["release"], "answered by"))
        else:
            notes.append(f"the answer {row['answer']} is no longer in the ledger")
    return _Trail(links, edges, notes)


def _source_line(home: Home, row: Facts) -> tuple[Facts, list[str]]:
    """Who wrote the line of a file that a row came from, at the commit of a dataset with it."""
    datasets = [member["dataset"] for member in home.ledger.lineage.datasets_with_rows([row["id"]])]
    origins = home.ledger.lineage.builds_of(datasets)
    makings = home.ledger.lineage.materialisations(key for key, _ in origins.values())
    for _, making in sorted(makings.items(), reverse=True):
        if row["line"] and making.commit.sha:
            return blame_row(home.settings.specs, making.project, making.commit, row)
    return {}, []


def _commit(_home: Home, target: Identifier, _by_embedding: bool) -> _Trail:
    raise TidemillError(
        f"a commit has no upstream; run `tidemill why --forward commit:{target.id[:12]}` for what "
        "was built from it"
    )


def _downstream_only(_home: Home, target: Identifier, _by_embedding: bool) -> _Trail:
    raise TidemillError(
        f"a {target.kind} has no upstream; run `tidemill why --forward {target.kind}:{target.id}`"
    )


_TRAILS = {
    "answer": _answer,
    "release": _release,
    "artefact": _artefact,
    "row": _row,
    "commit": _commit,
    "event": _downstream_only,
    "subject": _downstream_only,
}


def rollout_decisions(home: Home, release: ReleaseRecord) -> Sequence[Facts]:
    """The decisions of the newest rollout of a release, oldest first."""
    rollouts = home.ledger.rollouts.of_release(release.digest)
    own = [rollout for rollout in rollouts if rollout.service == release.service]
    decisions = home.ledger.rollouts.decisions(own[-1].id) if own else []
    return [{**decision.to_dict(), "at": decision.decided_at} for decision in decisions]


def verify_links(
    home: Home, links: Sequence[ProvenanceLink], *, every_byte: bool = False
) -> tuple[VerifiedLink, ...]:
    """The links with their digests compared with the bytes in the store."""
    return tuple(_verify(home, link, every_byte) for link in links)


def _verify(home: Home, link: ProvenanceLink, every_byte: bool) -> VerifiedLink:
    if not link.digest or link.kind in _WITHOUT_BYTES:
        return VerifiedLink(link)
    kind = _KINDS.get(link.kind, link.kind)
    try:
        artefact = home.store.check_local(link.digest, kind, every_byte=every_byte)
    except MissingArtefact as error:
        return VerifiedLink(link, problem=str(error))
    except ArtefactError as error:
        return VerifiedLink(link, bytes_match=False, problem=str(error))
    return VerifiedLink(link, bytes_match=True, folder=str(artefact.path))


def nearest_rows(
    home: Home, digests: Sequence[str], query: Any, by_embedding: bool
) -> tuple[list[Facts], list[str]]:
    """The rows of these datasets nearest to a request, and notes on datasets that cannot be
    read."""
    rows: dict[str, Facts] = {}
    notes: list[str] = []
    for digest in dict.fromkeys(digests):
        try:
            folder = home.store.check_local(digest, "dataset").path
            nearest: Sequence[Facts]
            if by_embedding:
                from tidemill.lineage.row_embeddings import nearest_by_embedding

                nearest = nearest_by_embedding(home, digest, folder, query, MAX_ROWS)
            else:
                nearest = home.row_index.nearest(digest, folder, query, MAX_ROWS)
            rows |= {row["id"]: {**row, "dataset": digest} for row in nearest}
        except (TidemillError, OSError) as error:
            notes.append(f"the rows of dataset {digest[7:19]} cannot be compared: {error}")
    order = sorted(rows.values(), key=lambda row: (-row["similarity"], row["id"]))
    return order[:MAX_ROWS], notes


def _spec_lines(home: Home, project: str, commit: SpecCommit) -> tuple[Lines, list[str]]:
    return blame_specs(home.settings.specs, home.settings.home / "why", project, commit)


def _feedback_rows(home: Home, digests: Sequence[str]) -> tuple[int, list[Facts]]:
    """How many rows of these datasets were feedback, and some of them."""
    total = 0
    listed: list[Facts] = []
    for digest in dict.fromkeys(digests):
        count, rows = home.ledger.lineage.feedback_rows(digest, MAX_ROWS)
        total += count
        listed += [{**row, "dataset": digest} for row in rows]
    return total, listed


def _row_edges(rows: Sequence[Facts], datasets: Sequence[str]) -> list[Edge]:
    edges = []
    for row in rows:
        node = f"row:{row['id']}"
        edges.append(Edge(row["dataset"] if "dataset" in row else datasets[0], node, "row"))
        if row.get("event"):
            edges.append(Edge(node, f"event:{row['event']}", "feedback"))
        if row.get("answer"):
            edges.append(Edge(f"event:{row['event']}", f"answer:{row['answer']}", "about"))
    return list(dict.fromkeys(edges))


def _built_artefacts(
    home: Home, nodes: Sequence[str], edges: Sequence[Edge]
) -> list[BuiltArtefact]:
    """The artefacts among these nodes, nearest first, with the first making of each."""
    makings = home.ledger.lineage.materialisations(
        int(node.removeprefix(BUILD)) for node in nodes if node.startswith(BUILD)
    )
    origins: dict[str, tuple[int, str]] = {}
    for edge in edges:
        if edge.parent.startswith(BUILD):
            origin = (int(edge.parent.removeprefix(BUILD)), edge.role)
            origins[edge.child] = min(origins.get(edge.child, origin), origin)
    digests = [node for node in nodes if node.startswith("sha256:")]
    items = home.ledger.lineage.artefact_rows(digests)
    built = []
    for digest in digests:
        key, role = origins.get(digest, (0, ""))
        built.append(_built_artefact(digest, items.get(digest, {}), makings.get(key), role))
    return built


def _built_artefact(
    digest: str, item: Facts, making: Materialisation | None, role: str
) -> BuiltArtefact:
    kind, size = item.get("kind") or "artefact", item.get("bytes")
    step = role.removeprefix("step:") if role.startswith("step:") else ""
    if making is None:
        return BuiltArtefact(digest, kind, f"?/{step}" if step else "?", size)
    return BuiltArtefact(
        digest=digest,
        kind=kind,
        name=f"{making.name}/{step}" if step else making.name,
        bytes=size,
        spec_name=making.name,
        spec_digest=making.spec_digest,
        project=making.project,
        started=making.started_at,
        seconds=making.seconds,
        commit=making.commit,
        tools=making.tools,
    )


def _without_nulls(facts: Facts) -> Mapping[str, object]:
    return {name: value for name, value in facts.items() if value is not None}
