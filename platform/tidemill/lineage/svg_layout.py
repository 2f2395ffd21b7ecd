"""Where the nodes of a lineage stand in a picture: parents left of children, few crossings.

The steps of Sugiyama, Tagawa and Toda (1981), each in its simplest form: layers by longest path,
order within a layer by the mean place of the neighbours. An edge over several layers bends once in
each of them, so that it runs between the boxes and not through them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tidemill.engine.lineage import Edge

SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """A layered drawing: `places` in (layer, height), `bends` of edges over several layers."""

    places: Mapping[str, tuple[int, float]]
    bends: Mapping[tuple[str, str], Sequence[tuple[int, float]]]
    """By (child, parent): the places an edge passes on its way from the parent to the child."""
    layers: int
    height: float
    """The largest height in use; heights begin at 0, and neighbours are at least 1 apart."""


def transitive_reduction(edges: Iterable[Edge]) -> list[Edge]:
    """Edges without those that a longer way says already: the ancestry stays the same.

    Of several edges between the same two nodes one stays. Expects no cycles.
    """
    once = {(edge.child, edge.parent): edge for edge in sorted(edges, reverse=True)}
    parents: dict[str, set[str]] = defaultdict(set)
    for child, parent in once:
        parents[child].add(parent)
    above: dict[str, set[str]] = {}
    for node in _parents_first(parents):
        above[node] = set().union(
            *(above.get(parent, set()) | {parent} for parent in parents[node])
        )
    return sorted(
        edge
        for (child, parent), edge in once.items()
        if not any(parent in above.get(other, ()) for other in parents[child] - {parent})
    )


def layout(nodes: Iterable[str], edges: Iterable[Edge]) -> Layout:
    """Places for nodes and for the bends of their edges; the same input gives the same picture.

    An edge that closes a cycle is left out.
    """
    names = sorted(set(nodes))
    pairs = _without_cycles(names, edges)
    layer = _layers(names, pairs)
    chains = _chains(pairs, layer)
    columns = _columns(names, chains, layer)
    links = [link for chain in chains.values() for link in pairwise(chain)]
    heights = _heights(_reduce_crossings(columns, links), links)
    bends = {
        pair: [_position(bend, heights, layer) for bend in chain[1:-1]]
        for pair, chain in chains.items()
    }
    places = {node: (layer[node], heights[node]) for node in names}
    top = max(heights.values(), default=0.0)
    return Layout(places, bends, max(layer.values(), default=-1) + 1, top)


def _parents_first(parents: Mapping[str, Iterable[str]]) -> list[str]:
    """Every node with all its parents before it; a cycle is cut where it is met."""
    done: dict[str, None] = {}
    for start in sorted(parents):
        stack: list[tuple[str, bool]] = [(start, False)]
        met: set[str] = set()
        while stack:
            node, ready = stack.pop()
            if ready:
                done.setdefault(node)
            elif node not in done and node not in met:
                met.add(node)
                stack.append((node, True))
                stack += [(parent, False) for parent in sorted(parents.get(node, ()))]
    return list(done)


def _without_cycles(nodes: Sequence[str], edges: Iterable[Edge]) -> list[tuple[str, str]]:
    node_set = set(nodes)
    pairs = sorted({(e.child, e.parent) for e in edges if {e.child, e.parent} <= node_set})
    parents: dict[str, set[str]] = {node: set() for node in nodes}
    for child, parent in pairs:
        parents[child].add(parent)
    rank = {node: index for index, node in enumerate(_parents_first(parents))}
    return [(child, parent) for child, parent in pairs if rank[parent] < rank[child]]


def _layers(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Longest way from a node without parents; such nodes then move up to their first child."""
    parents: dict[str, set[str]] = {node: set() for node in nodes}
    children: dict[str, set[str]] = {node: set() for node in nodes}
    for child, parent in pairs:
        parents[child].add(parent)
        children[parent].add(child)
    layer: dict[str, int] = {}
    for node in _parents_first(parents):
        layer[node] = max((layer[other] + 1 for other in parents[node]), default=0)
    for node in nodes:
        if not parents[node] and children[node]:
            layer[node] = min(layer[other] for other in children[node]) - 1
    return layer


def _chains(
    pairs: Sequence[tuple[str, str]], layer: Mapping[str, int]
) -> dict[tuple[str, str], list[str]]:
    """Each edge as nodes of neighbouring layers, from the parent to the child.

    A bend is named by its edge and its layer.
    """
    return {
        (child, parent): [
            parent,
            *(f"{child}\0{parent}\0{at}" for at in range(layer[parent] + 1, layer[child])),
            child,
        ]
        for child, parent in pairs
    }


def _columns(
    nodes: Sequence[str], chains: Mapping[tuple[str, str], list[str]], layer: Mapping[str, int]
) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in nodes:
        columns[layer[node]].append(node)
    for chain in chains.values():
        for bend in chain[1:-1]:
            columns[int(bend.rpartition("\0")[2])].append(bend)
    return columns


def _reduce_crossings(
    columns: list[list[str]], links: Sequence[tuple[str, str]]
) -> list[list[str]]:
    """Columns in the order of the best sweep: each node at the mean place of its neighbours."""
    parents: dict[str, list[str]] = defaultdict(list)
    children: dict[str, list[str]] = defaultdict(list)
    for parent, child in links:
        parents[child].append(parent)
        children[parent].append(child)
    best, fewest = columns, _crossings(columns, links)
    for sweep in range(SWEEPS):
        neighbours = children if sweep % 2 else parents
        position = {node: i for column in columns for i, node in enumerate(column)}
        swept = []
        for column in reversed(columns) if sweep % 2 else columns:
            ordered = sorted(
                column, key=lambda node: (_mean(neighbours[node], position), position[node])
            )
            position |= {node: i for i, node in enumerate(ordered)}
            swept.append(ordered)
        columns = swept[::-1] if sweep % 2 else swept
        count = _crossings(columns, links)
        if count < fewest:
            best, fewest = columns, count
    return best


def _mean(nodes: Sequence[str], position: Mapping[str, float]) -> float:
    return sum(position[node] for node in nodes) / len(nodes) if nodes else 0.0


def _crossings(columns: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> int:
    position = {node: (at, i) for at, column in enumerate(columns) for i, node in enumerate(column)}
    by_layer: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for parent, child in links:
        by_layer[position[parent][0]].append((position[parent][1], position[child][1]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for between in by_layer.values()
        for i, a in enumerate(between)
        for b in between[:i]
    )


def _heights(
    columns: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]
) -> dict[str, float]:
    """Heights that keep the order of each column, near the mean of the neighbours on both sides."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for parent, child in links:
        neighbours[child].append(parent)
        neighbours[parent].append(child)
    tallest = max((len(column) for column in columns), default=0)
    height = {
        node: i + (tallest - len(column)) / 2 for column in columns for i, node in enumerate(column)
    }
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 else reversed(columns):
            desired = [_mean(neighbours[n], height) if neighbours[n] else height[n] for n in column]
            height |= dict(zip(column, _separate(desired), strict=True))
    lowest = min(height.values(), default=0.0)
    return {node: at - lowest for node, at in height.items()}


def _separate(desired: Sequence[float]) -> list[float]:
    """The nearest heights (least squares) that rise by at least 1: pools of adjacent violators."""
    pools: list[tuple[float, int]] = []
    for index, value in enumerate(desired):
        total, count = value - index, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, many = pools.pop()
            total, count = total + before, count + many
        pools.append((total, count))
    flat = [total / count for total, count in pools for _ in range(count)]
    return [value + index for index, value in enumerate(flat)]


def _position(
    node: str, heights: Mapping[str, float], layer: Mapping[str, int]
) -> tuple[int, float]:
    return layer.get(node, int(node.rpartition("\0")[2] or 0)), heights[node]
