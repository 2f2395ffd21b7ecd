"""The lineage of a target as values: upstream to its sources, downstream to its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from tidemill.engine.lineage import Edge
from tidemill.engine.provenance import Facts, ProvenanceLink
from tidemill.lineage.identifiers import Identifier


@dataclass(frozen=True)
class VerifiedLink:
    """A link of the provenance, its digest compared with the bytes on disk."""

    link: ProvenanceLink
    bytes_match: bool | None = None
    """None where the link has no bytes, or they are not on this machine."""
    folder: str | None = None
    problem: str = ""
    """Why the bytes are missing or differ."""

    def to_dict(self) -> dict[str, object]:
        """The JSON form; `problem` only where there is one."""
        check = {"bytes_match": self.bytes_match, "folder": self.folder}
        return self.link.to_dict() | check | ({"problem": self.problem} if self.problem else {})


@dataclass(frozen=True)
class UpstreamLineage:
    """What an answer, a release, an artefact or a row was made from, nearest first."""

    target: Identifier
    links: tuple[VerifiedLink, ...]
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what could not be read."""

    @property
    def is_verified(self) -> bool:
        """True where no bytes on disk differ from their digest."""
        return all(link.bytes_match is not False for link in self.links)

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `why --json`."""
        response = {"response_id": self.target.id} if self.target.kind == "answer" else {}
        return {
            **response,
            "target": self.target.to_dict(),
            "direction": "back",
            "verified": self.is_verified,
            "links": [link.to_dict() for link in self.links],
            "edges": [edge._asdict() for edge in self.edges],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class DownstreamArtefact:
    """An artefact that was built from the target."""

    digest: str
    kind: str
    bytes: int
    created: datetime
    name: str = ""
    """The spec's name, and `/step` for an artefact of a step."""
    project: str = ""


@dataclass(frozen=True)
class DownstreamRelease:
    """A release that holds something built from the target."""

    digest: str
    project: str
    service: str
    created: datetime
    live: bool
    answers: int
    """How many answers it gave."""


@dataclass(frozen=True)
class DownstreamLineage:
    """What was built from a target, newest first: rows, artefacts, releases, answers."""

    target: Identifier
    facts: Facts = field(default_factory=dict)
    """`answers_given` of a subject."""
    artefact_counts: Mapping[str, int] = field(default_factory=dict)
    """Kind → number of artefacts, the listed ones and the others."""
    rows: tuple[Facts, ...] = ()
    """The dataset rows that belong to the target: `id`, `dataset`, `split` and their source."""
    artefacts: tuple[DownstreamArtefact, ...] = ()
    releases: tuple[DownstreamRelease, ...] = ()
    answer_count: int = 0
    newest_answers: tuple[Facts, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `why --forward --json`."""
        return {
            "target": self.target.to_dict(),
            "direction": "forward",
            "facts": dict(self.facts),
            "counts": {"artefacts": self.artefact_counts, "releases": len(self.releases)},
            "rows": list(self.rows),
            "artefacts": [asdict(artefact) for artefact in self.artefacts],
            "releases": [asdict(release) for release in self.releases],
            "answers": {"count": self.answer_count, "newest": list(self.newest_answers)},
            "edges": [edge._asdict() for edge in self.edges],
            "notes": list(self.notes),
        }
