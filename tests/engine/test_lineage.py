"""Walks along lineage: forward and back are inverse, and a picture says the same as the edges."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.records import release_record

from tidemill.engine.lineage import (
    Edge,
    artefact_edges,
    materialisation_edges,
    reachable,
    release_edges,
)
from tidemill.lineage.svg_layout import layout, transitive_reduction

NODES = st.integers(0, 12)
# A child has a larger number than its parents, so there is no cycle.
ANCESTRIES = st.lists(
    st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1]).map(sorted), max_size=40
).map(lambda pairs: [Edge(f"n{child}", f"n{parent}") for parent, child in pairs])
TANGLES = st.lists(st.builds(Edge, NODES.map(str), NODES.map(str)), max_size=40)
MAKING: dict[str, Any] = {
    "artefact": "sha256:out",
    "steps": {"merge": "sha256:step"},
    "inputs": {"rows": "sha256:in"},
    "spec_digest": "sha256:spec",
    "sha": "c0ffee",
}


def nodes_of(edges: Iterable[Edge]) -> set[str]:
    return {node for edge in edges for node in (edge.child, edge.parent)}


@given(TANGLES)
def test_what_is_reached_forwards_reaches_back(edges: list[Edge]) -> None:
    for one in nodes_of(edges):
        for other in reachable([one], edges, "forward"):
            assert one in reachable([other], edges, "back")


@given(TANGLES)
def test_a_walk_ends_on_a_cycle_and_counts_each_node_once(edges: list[Edge]) -> None:
    for one in nodes_of(edges):
        found = reachable([one, one], edges, "back")

        assert found[one] == 0
        assert set(found) <= nodes_of(edges)


@given(TANGLES)
def test_distances_grow_by_at_most_one_along_an_edge(edges: list[Edge]) -> None:
    for one in nodes_of(edges):
        found = reachable([one], edges, "forward")
        for edge in edges:
            if edge.parent in found:
                assert found[edge.child] <= found[edge.parent] + 1


@given(ANCESTRIES)
def test_a_reduced_picture_has_the_same_ancestors(edges: list[Edge]) -> None:
    fewer = transitive_reduction(edges)

    assert set(fewer) <= set(edges)
    for one in nodes_of(edges):
        assert set(reachable([one], edges, "back")) == set(reachable([one], fewer, "back"))


@given(ANCESTRIES)
def test_a_reduced_picture_has_no_edge_that_another_way_says(edges: list[Edge]) -> None:
    fewer = transitive_reduction(edges)
    for edge in fewer:
        others = [other for other in fewer if other != edge]

        assert edge.parent not in reachable([edge.child], others, "back")


@given(ANCESTRIES)
def test_parents_stand_left_of_their_children_and_nothing_overlaps(edges: list[Edge]) -> None:
    placed = layout(nodes_of(edges), edges)
    for edge in edges:
        assert placed.places[edge.parent][0] < placed.places[edge.child][0]
    points = [*placed.places.values(), *(at for way in placed.bends.values() for at in way)]
    columns: dict[int, list[float]] = {}
    for layer, height in points:
        columns.setdefault(layer, []).append(height)
    for heights in columns.values():
        for lower, upper in pairwise(sorted(heights)):
            assert upper - lower > 1 - 1e-6
    assert all(0 <= height <= placed.height for _, height in points)


@given(TANGLES)
def test_a_cycle_is_cut_where_it_is_drawn(edges: list[Edge]) -> None:
    placed = layout(nodes_of(edges), edges)

    assert set(placed.places) == nodes_of(edges)


def test_the_same_edges_in_any_order_give_the_same_picture() -> None:
    edges = [Edge("c", "a"), Edge("c", "b"), Edge("d", "c"), Edge("d", "a")]

    assert layout("abcd", edges) == layout("dcba", edges[::-1])


def test_an_edge_over_several_layers_bends_in_each() -> None:
    edges = [Edge("b", "a"), Edge("c", "b"), Edge("d", "c"), Edge("d", "a")]
    placed = layout("abcd", edges)

    assert [layer for layer, _ in placed.bends["d", "a"]] == [1, 2]
    assert placed.layers == 4


def test_nothing_is_an_empty_picture() -> None:
    placed = layout([], [])

    assert (placed.layers, placed.height, dict(placed.places)) == (0, 0.0, {})


def test_a_making_stands_between_what_went_in_and_what_came_out() -> None:
    assert materialisation_edges(7, "tuned", **MAKING) == [
        Edge("sha256:out", "materialisation:7", "output"),
        Edge("sha256:step", "materialisation:7", "step:merge"),
        Edge("materialisation:7", "sha256:in", "rows"),
        Edge("materialisation:7", "spec:sha256:spec", "tuned"),
        Edge("materialisation:7", "commit:c0ffee", "commit"),
    ]


def test_outside_git_there_is_no_commit_to_come_of() -> None:
    edges = materialisation_edges(7, "tuned", **MAKING | {"sha": ""})

    assert not [edge for edge in edges if edge.role == "commit"]


def test_a_release_comes_of_its_artefacts_specs_and_commit() -> None:
    record = release_record(
        digest="sha256:r",
        artefacts={"tuned": {"digest": "sha256:out"}},
        specs={"tuned": "sha256:spec"},
        commit={"sha": "c0ffee"},
    )

    assert release_edges(record) == [
        Edge("sha256:r", "sha256:out", "tuned"),
        Edge("sha256:r", "spec:sha256:spec", "tuned"),
        Edge("sha256:r", "commit:c0ffee", "commit"),
    ]


def test_without_makings_what_came_out_stands_beside_what_went_in() -> None:
    edges = [*materialisation_edges(7, "tuned", **MAKING), Edge("sha256:r", "sha256:out", "tuned")]

    assert artefact_edges(edges) == [
        Edge("sha256:out", "commit:c0ffee", "commit"),
        Edge("sha256:out", "sha256:in", "rows"),
        Edge("sha256:out", "spec:sha256:spec", "tuned"),
        Edge("sha256:r", "sha256:out", "tuned"),
        Edge("sha256:step", "commit:c0ffee", "commit"),
        Edge("sha256:step", "sha256:in", "rows"),
        Edge("sha256:step", "spec:sha256:spec", "tuned"),
    ]


def test_bytes_that_a_making_left_as_they_were_do_not_come_of_themselves() -> None:
    same = MAKING | {"inputs": {"rows": "sha256:out"}}

    assert Edge("sha256:out", "sha256:out", "rows") not in artefact_edges(
        materialisation_edges(7, "tuned", **same)
    )
