"""The lineage graph: edges of materialisations and releases, and their transitive closure.

A node is named by a string that is unique over all kinds: a digest (`sha256:…`) for an artefact or
a release, `materialisation:17`, `commit:<sha>`, `spec:<digest>`. An edge says that the
child was made from the parent. A materialisation stands between its inputs and its outputs, as an
activity stands between entities in W3C PROV (https://www.w3.org/TR/prov-dm/).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from tidemill.engine.release_record import ReleaseRecord

Direction = Literal["back", "forward"]
BUILD = "materialisation:"
"""How the node of a materialisation begins; its id follows."""


class Edge(NamedTuple):
    """A node that was made from another, and the role of the other."""

    child: str
    parent: str
    role: str = ""
    """`output` or `step:merge` for an output of a materialisation; the spec's name for an input."""


def materialisation_edges(
    key: int,
    name: str,
    *,
    artefact: str,
    steps: Mapping[str, str],
    inputs: Mapping[str, str],
    spec_digest: str,
    sha: str,
) -> list[Edge]:
    """Edges of the materialisation `key` of the spec `name`: from its outputs to it, and to its
    inputs, spec and commit.

    `artefact` and `steps` are digests that came out, `inputs` digests that went in, by spec name;
    `sha` is empty outside Git.
    """
    node = f"{BUILD}{key}"
    outputs = [Edge(artefact, node, "output")]
    outputs += [Edge(digest, node, f"step:{step}") for step, digest in steps.items()]
    parents = [Edge(node, digest, parent) for parent, digest in inputs.items()]
    spec = [Edge(node, f"spec:{spec_digest}", name)]
    return _without_loops([*outputs, *parents, *spec, *_commit(node, sha)])


def release_edges(record: ReleaseRecord) -> list[Edge]:
    """Edges of one release: to its artefacts, its specs and its commit."""
    node = record.digest
    artefacts = [Edge(node, item.digest, name) for name, item in record.artefacts.items()]
    specs = [Edge(node, f"spec:{digest}", name) for name, digest in record.specs.items()]
    return _without_loops([*artefacts, *specs, *_commit(node, record.commit.sha)])


def reachable(starts: Iterable[str], edges: Iterable[Edge], direction: Direction) -> dict[str, int]:
    """Every reachable node, the starts included, with its distance in edges.

    Nearest first. A node counts once however many paths lead to it, so a cycle (bytes that left a
    materialisation unchanged) ends the walk there.
    """
    following: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        before, after = edge.child, edge.parent
        if direction == "forward":
            before, after = after, before
        following[before].append(after)
    distances: dict[str, int] = {}
    frontier, distance = list(dict.fromkeys(starts)), 0
    while frontier:
        distances |= dict.fromkeys(frontier, distance)
        ahead = (after for node in frontier for after in following[node])
        frontier = [node for node in dict.fromkeys(ahead) if node not in distances]
        distance += 1
    return distances


def artefact_edges(edges: Iterable[Edge]) -> list[Edge]:
    """The same graph without the materialisations: outputs joined to inputs, for a picture.

    Each edge has the role of the input.
    """
    outputs_of: dict[str, list[Edge]] = defaultdict(list)
    inputs_of: dict[str, list[Edge]] = defaultdict(list)
    plain = []
    for edge in edges:
        if edge.parent.startswith(BUILD):
            outputs_of[edge.parent].append(edge)
        elif edge.child.startswith(BUILD):
            inputs_of[edge.child].append(edge)
        else:
            plain.append(edge)
    joined = (
        Edge(out.child, source.parent, source.role) for out, source in _pairs(outputs_of, inputs_of)
    )
    return sorted({*plain, *(edge for edge in joined if edge.child != edge.parent)})


def _pairs(
    outputs_of: Mapping[str, Sequence[Edge]], inputs_of: Mapping[str, Sequence[Edge]]
) -> Iterator[tuple[Edge, Edge]]:
    for making, outputs in outputs_of.items():
        for source in inputs_of.get(making, ()):
            for out in outputs:
                yield out, source


def _commit(node: str, sha: str) -> list[Edge]:
    return [Edge(node, f"commit:{sha}", "commit")] if sha else []


def _without_loops(edges: list[Edge]) -> list[Edge]:
    return [edge for edge in dict.fromkeys(edges) if edge.child != edge.parent]
