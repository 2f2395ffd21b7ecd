"""Draws a lineage as one self-contained SVG: inputs on the left, answers on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from tidemill.engine.lineage import Edge
from tidemill.lineage.identifiers import Identifier
from tidemill.lineage.result import DownstreamLineage, UpstreamLineage
from tidemill.lineage.svg_layout import Layout, layout, transitive_reduction
from tidemill.lineage.svg_texts import NodeText, NodeTexts, node_texts

MAX_NODES = 60
"""Most nodes that are drawn: those nearest to the target."""
WIDE, HIGH, ACROSS, DOWN, MARGIN = 190, 46, 250, 60, 24
CHARACTERS = 21
_COLOURS = {
    "answer": "#fde9c8",
    "release": "#d6e8fb",
    "commit": "#e8e3f8",
    "spec": "#f2eefc",
    "dataset": "#d8f0df",
    "row": "#ecf8ef",
    "feedback": "#fbdfe6",
    "base model": "#e3e6ea",
    "model": "#e3e6ea",
    "evaluation": "#fff3b8",
    "report": "#fff3b8",
}
_OTHER = "#eef1f4"
_HEX = set("0123456789abcdef")
_STYLE = (
    "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2933}"
    ".w{font-size:11px;fill:#52606d}.n{font-size:13px;font-weight:600}"
    "rect{stroke:#9aa5b1;stroke-width:1}.t rect{stroke:#1f2933;stroke-width:2.5}"
    "path{fill:none;stroke:#9aa5b1;stroke-width:1.4}"
    "g:hover rect{stroke:#1f2933}path:hover{stroke:#1f2933;stroke-width:2.5}"
)


def render_svg(lineage: UpstreamLineage | DownstreamLineage) -> str:
    """The SVG of a lineage; every text in it is escaped."""
    edges = transitive_reduction(_without_commits(lineage.edges))
    texts, target = node_texts(lineage), _node(lineage.target)
    nodes, hidden = _nearest(target, edges, texts)
    edges = [edge for edge in edges if edge.child in nodes and edge.parent in nodes]
    placed = layout(nodes, edges)
    wide = max(placed.layers, 1) * ACROSS - (ACROSS - WIDE) + 2 * MARGIN
    high = int(placed.height * DOWN) + HIGH + 2 * MARGIN + 22
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" role="img" style="max-width:100%;height:auto">',
        f"<title>{_text(f'why {target}')}</title><style>{_STYLE}</style>",
        f'<rect width="{wide}" height="{high}" style="fill:#fff;stroke:none"/>',
        *(_path(edge, placed) for edge in edges),
        *(_box(node, placed, texts, target) for node in nodes),
        _footer(high, hidden, lineage),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _node(target: Identifier) -> str:
    return target.id if target.id.startswith("sha256:") else str(target)


def _without_commits(edges: Sequence[Edge]) -> list[Edge]:
    """Edges from a commit to its specs alone, not to each thing that was built from them."""
    specs_of: dict[str, set[str]] = {}
    for edge in edges:
        if edge.parent.startswith("spec:"):
            specs_of.setdefault(edge.child, set()).add(edge.parent)
    rewired = []
    for edge in edges:
        specs = specs_of.get(edge.child) if edge.parent.startswith("commit:") else None
        rewired += [Edge(spec, edge.parent, "commit") for spec in specs] if specs else [edge]
    return list(dict.fromkeys(rewired))


def _nearest(target: str, edges: Sequence[Edge], texts: NodeTexts) -> tuple[list[str], int]:
    """The nodes to draw, sorted, and the number of those that are not drawn."""
    neighbours: dict[str, list[str]] = {}
    for edge in edges:
        neighbours.setdefault(edge.child, []).append(edge.parent)
        neighbours.setdefault(edge.parent, []).append(edge.child)
    reached, frontier = {target: None}, [target]
    while frontier:
        ahead = dict.fromkeys(
            neighbour for node in frontier for neighbour in neighbours.get(node, ())
        )
        frontier = sorted((node for node in ahead if node not in reached), key=_rank(texts))
        reached |= dict.fromkeys(frontier)
    nodes = list(reached)
    return sorted(nodes[:MAX_NODES]), max(0, len(nodes) - MAX_NODES)


def _rank(texts: NodeTexts) -> Callable[[str], tuple[int, str]]:
    """Nodes in the order of the lineage's lists; nodes that it does not list come last."""
    order = {node: index for index, node in enumerate(texts)}
    return lambda node: (order.get(node, len(order)), node)


def _path(edge: Edge, placed: Layout) -> str:
    start, end = placed.places[edge.parent], placed.places[edge.child]
    stops = [start, *placed.bends.get((edge.child, edge.parent), ()), end]
    points = [(MARGIN + at * ACROSS, MARGIN + high * DOWN + HIGH / 2) for at, high in stops]
    x, y = points[0][0] + WIDE, points[0][1]
    parts = [f"M{x:g} {y:.1f}"]
    for number, (to, down) in enumerate(points[1:], start=2):
        half = (ACROSS - WIDE) / 2
        parts.append(f"C{x + half:g} {y:.1f} {to - half:g} {down:.1f} {to:g} {down:.1f}")
        x, y = to, down
        if number < len(points):
            x = to + WIDE
            parts.append(f"H{x:g}")
    return f'<path d="{"".join(parts)}"><title>{_text(edge.role)}</title></path>'


def _box(node: str, placed: Layout, texts: NodeTexts, target: str) -> str:
    column, row = placed.places[node]
    prefix, _, rest = node.partition(":")
    fallback = NodeText(prefix if prefix != "sha256" else "artefact", rest[:12], node)
    kind, name, tooltip = texts.get(node, fallback)
    x, y = MARGIN + column * ACROSS, MARGIN + row * DOWN
    colour = _COLOURS.get(kind, _OTHER)
    title = f"{kind} {rest[:12]}" if prefix == "sha256" else kind
    limit = CHARACTERS if set(name) - _HEX else 16  # digits are wider than letters
    label = name if len(name) <= limit else f"{name[: limit - 1]}…"
    return (
        f'<g class="{"t" if node == target else "b"}"><title>{_text(tooltip)}</title>'
        f'<rect x="{x:g}" y="{y:.1f}" width="{WIDE}" height="{HIGH}" rx="6" fill="{colour}"/>'
        f'<text class="w" x="{x + 10:g}" y="{y + 17:.1f}">{_text(title)}</text>'
        f'<text class="n" x="{x + 10:g}" y="{y + 35:.1f}">{_text(label)}</text></g>'
    )


def _footer(high: int, hidden: int, lineage: UpstreamLineage | DownstreamLineage) -> str:
    note = "inputs on the left; hover over a box for details"
    if isinstance(lineage, DownstreamLineage):
        note = f"{lineage.answer_count:,} answers downstream; {note}"
    if hidden:
        note += f"; {hidden:,} more nodes are not drawn (see --json)"
    return f'<text class="w" x="{MARGIN}" y="{high - 14}">{_text(note)}</text>'


def _text(value: object) -> str:
    """Escaped, and without the control characters that XML does not have."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in str(value)))
