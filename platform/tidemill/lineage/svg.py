"""What `why` found, drawn: one self-contained SVG, origins at the left, answers at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tidemill.engine.lineage import Edge
from tidemill.lineage.svg_layout import Layout, layout, reduced

MOST = 60
"""Nodes that are drawn; of more, those nearest to what was asked about."""
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
Known = dict[str, tuple[str, str, str]]


def draw(found: Mapping[str, Any]) -> str:
    """The SVG of what `trace` or `descend` gave; every text in it is escaped."""
    edges = reduced(_without_commits([Edge(**edge) for edge in found["edges"]]))
    known, target = _known(found), _node(found["target"])
    nodes, left_out = _nearest(target, edges, known)
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
        *(_box(node, placed, known, target) for node in nodes),
        _foot(high, left_out, found),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _node(target: Mapping[str, str]) -> str:
    whole = target["id"].startswith("sha256:")
    return target["id"] if whole else f"{target['what']}:{target['id']}"


def _without_commits(edges: Sequence[Edge]) -> list[Edge]:
    """A commit stands before the specs it says, not before each thing that was made of them."""
    says: dict[str, set[str]] = {}
    for edge in edges:
        if edge.parent.startswith("spec:"):
            says.setdefault(edge.child, set()).add(edge.parent)
    found = []
    for edge in edges:
        specs = says.get(edge.child) if edge.parent.startswith("commit:") else None
        found += [Edge(spec, edge.parent, "commit") for spec in specs] if specs else [edge]
    return list(dict.fromkeys(found))


def _nearest(target: str, edges: Sequence[Edge], known: Known) -> tuple[list[str], int]:
    """The nodes to draw, sorted, and how many there was no room for."""
    beside: dict[str, list[str]] = {}
    for edge in edges:
        beside.setdefault(edge.child, []).append(edge.parent)
        beside.setdefault(edge.parent, []).append(edge.child)
    found, frontier = {target: None}, [target]
    while frontier:
        ahead = dict.fromkeys(one for node in frontier for one in beside.get(node, ()))
        frontier = sorted((one for one in ahead if one not in found), key=_rank(known))
        found |= dict.fromkeys(frontier)
    everything = list(found)
    return sorted(everything[:MOST]), max(0, len(everything) - MOST)


def _rank(known: Known) -> Any:
    """What the result lists first comes first; nodes it does not list come last."""
    order = {node: place for place, node in enumerate(known)}
    return lambda node: (order.get(node, len(order)), node)


def _known(found: Mapping[str, Any]) -> Known:
    """Kind, name and tooltip of each node that the result says something of."""
    known: Known = {}
    for link in found.get("links", ()):
        node = _of_link(link)
        known.setdefault(node, (link["what"], link["name"], _told(link["facts"], link["digest"])))
        for event in ("event", "answer") if link["what"] in ("row", "feedback") else ():
            name = link["facts"].get(event)
            if name:
                what = "feedback" if event == "event" else "answer"
                known.setdefault(f"{event}:{name}", (what, name, name))
    for item in found.get("releases", ()):
        told = f"{item['digest']}\n{item['answers']:,} answers"
        known[item["digest"]] = ("release", item["service"], told)
    for item in found.get("artefacts", ()):
        known[item["digest"]] = (item["kind"], item["name"] or item["digest"][7:19], item["digest"])
    for row in found.get("rows", ()):
        known[f"row:{row['id']}"] = ("row", row["id"], _told(row, None))
    for one in found.get("answers", {}).get("newest", ()):
        known[f"answer:{one['response_id']}"] = ("answer", one["response_id"], one["output"])
    return known


def _of_link(link: Mapping[str, Any]) -> str:
    what, digest = link["what"], link["digest"]
    if what == "spec":
        return f"spec:{digest}"
    if what == "feedback":
        return f"event:{link['name']}"
    return digest or f"{what}:{link['name']}"


def _told(facts: Mapping[str, Any], digest: str | None) -> str:
    plain = (f"{name}: {value}" for name, value in facts.items() if not isinstance(value, dict))
    return "\n".join([*([digest] if digest else []), *(line[:300] for line in plain)])[:1500]


def _path(edge: Edge, placed: Layout) -> str:
    start, end = placed.places[edge.parent], placed.places[edge.child]
    stops = [start, *placed.bends.get((edge.child, edge.parent), ()), end]
    points = [(MARGIN + at * ACROSS, MARGIN + high * DOWN + HIGH / 2) for at, high in stops]
    x, y = points[0][0] + WIDE, points[0][1]
    parts = [f"M{x:g} {y:.1f}"]
    for place, (to, down) in enumerate(points[1:], start=2):
        half = (ACROSS - WIDE) / 2
        parts.append(f"C{x + half:g} {y:.1f} {to - half:g} {down:.1f} {to:g} {down:.1f}")
        x, y = to, down
        if place < len(points):
            x = to + WIDE
            parts.append(f"H{x:g}")
    return f'<path d="{"".join(parts)}"><title>{_text(edge.role)}</title></path>'


def _box(node: str, placed: Layout, known: Known, target: str) -> str:
    at, high = placed.places[node]
    kind, _, rest = node.partition(":")
    what, name, told = known.get(node, (kind if kind != "sha256" else "artefact", rest[:12], node))
    x, y = MARGIN + at * ACROSS, MARGIN + high * DOWN
    colour = _COLOURS.get(what, _OTHER)
    short = f"{what} {rest[:12]}" if kind == "sha256" else what
    most = CHARACTERS if set(name) - _HEX else 16  # digits are wider than letters
    shown = name if len(name) <= most else f"{name[: most - 1]}…"
    return (
        f'<g class="{"t" if node == target else "b"}"><title>{_text(told)}</title>'
        f'<rect x="{x:g}" y="{y:.1f}" width="{WIDE}" height="{HIGH}" rx="6" fill="{colour}"/>'
        f'<text class="w" x="{x + 10:g}" y="{y + 17:.1f}">{_text(short)}</text>'
        f'<text class="n" x="{x + 10:g}" y="{y + 35:.1f}">{_text(shown)}</text></g>'
    )


def _foot(high: int, left_out: int, found: Mapping[str, Any]) -> str:
    said = "origins at the left; point at a box for its facts"
    if "answers" in found:
        said = f"{found['answers']['count']:,} answers came of it; {said}"
    if left_out:
        said += f"; {left_out:,} more things are not drawn (see --json)"
    return f'<text class="w" x="{MARGIN}" y="{high - 14}">{_text(said)}</text>'


def _text(value: object) -> str:
    """Escaped, and without the control characters that XML does not have."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in str(value)))
