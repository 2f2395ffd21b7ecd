"""Lineage: edges of materialisations and releases, and paths along them in both directions.

A node is named by a string that is unique over all kinds: a digest (`sha256:…`) for an artefact or
a release, `materialisation:17`, `commit:<sha>`, `spec:<digest>`. An edge says that the child was
built from the parent. A materialisation is the node between inputs and outputs, as an activity is
between entities in W3C PROV (https://www.w3.org/TR/prov-dm/).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tidemill.engine.release_record import ReleaseRecord

Direction = Literal["back", "forward"]
BUILD = "materialisation:"
"""How the node of a materialisation begins; its id follows."""


class Edge(NamedTuple):
    """One thing that came of another, and as what the other took part."""

    child: str
    parent: str
    role: str = ""
    """`output` or `step:merge` for what a making gave; the spec's name for what went in."""


def of_making(key: int, making: Mapping[str, Any]) -> list[Edge]:
    """Edges of one making: artefacts come of it, it comes of inputs, spec and commit.

    `making` has `artefact`, `steps`, `inputs`, `spec_digest`, `name` and `commit` as
    `ports.Making` has them.
    """
    me = f"{BUILD}{key}"
    outputs = [Edge(making["artefact"], me, "output")]
    outputs += [Edge(digest, me, f"step:{step}") for step, digest in making["steps"].items()]
    inputs = [Edge(me, digest, name) for name, digest in making["inputs"].items()]
    spec = [Edge(me, f"spec:{making['spec_digest']}", making["name"])]
    return _without_loops([*outputs, *inputs, *spec, *_commit(me, making["commit"])])


def of_release(record: ReleaseRecord) -> list[Edge]:
    """Edges of one release record: it comes of its artefacts, its specs and its commit."""
    me = record.digest
    artefacts = [Edge(me, item.digest, name) for name, item in record.artefacts.items()]
    specs = [Edge(me, f"spec:{digest}", name) for name, digest in record.specs.items()]
    return _without_loops([*artefacts, *specs, *_commit(me, record.commit.to_dict())])


def walk(starts: Iterable[str], edges: Iterable[Edge], direction: Direction) -> dict[str, int]:
    """Every node that can be reached, the starts included, with its distance in edges.

    Nearest first. A node counts once however many ways lead to it, so a cycle (bytes that came out
    of a making as they went in) ends the walk there.
    """
    following: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        before, after = edge.child, edge.parent
        if direction == "forward":
            before, after = after, before
        following[before].append(after)
    found: dict[str, int] = {}
    frontier, distance = list(dict.fromkeys(starts)), 0
    while frontier:
        found |= dict.fromkeys(frontier, distance)
        ahead = (after for node in frontier for after in following[node])
        frontier = [node for node in dict.fromkeys(ahead) if node not in found]
        distance += 1
    return found


def without_makings(edges: Iterable[Edge]) -> list[Edge]:
    """The same ancestry without the makings: what came out joined to what went in, for a picture.

    The edge keeps the role of what went in.
    """
    made: dict[str, list[Edge]] = defaultdict(list)
    used: dict[str, list[Edge]] = defaultdict(list)
    plain = []
    for edge in edges:
        if edge.parent.startswith(BUILD):
            made[edge.parent].append(edge)
        elif edge.child.startswith(BUILD):
            used[edge.child].append(edge)
        else:
            plain.append(edge)
    joined = (Edge(out.child, one.parent, one.role) for out, one in _pairs(made, used))
    return sorted({*plain, *(edge for edge in joined if edge.child != edge.parent)})


def _pairs(
    made: Mapping[str, Sequence[Edge]], used: Mapping[str, Sequence[Edge]]
) -> Iterator[tuple[Edge, Edge]]:
    for making, outputs in made.items():
        for one in used.get(making, ()):
            for out in outputs:
                yield out, one


def _commit(me: str, commit: Mapping[str, Any]) -> list[Edge]:
    return [Edge(me, f"commit:{commit['sha']}", "commit")] if commit else []


def _without_loops(edges: list[Edge]) -> list[Edge]:
    return [edge for edge in dict.fromkeys(edges) if edge.child != edge.parent]
