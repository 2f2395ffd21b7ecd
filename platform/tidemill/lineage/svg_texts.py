"""The texts of the boxes in a lineage drawing: kind, name and tooltip by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tidemill.engine.provenance import Facts, ProvenanceLink
from tidemill.lineage.result import DownstreamLineage, UpstreamLineage


class NodeText(NamedTuple):
    """The texts of a box."""

    kind: str
    name: str
    tooltip: str


NodeTexts = dict[str, NodeText]


def node_texts(lineage: UpstreamLineage | DownstreamLineage) -> NodeTexts:
    """The texts of every node that the lineage lists, in the order of its lists."""
    if isinstance(lineage, UpstreamLineage):
        return _upstream_texts(lineage)
    return _downstream_texts(lineage)


def _upstream_texts(lineage: UpstreamLineage) -> NodeTexts:
    texts: NodeTexts = {}
    for link in (verified.link for verified in lineage.links):
        tooltip = _tooltip(link.facts, link.digest)
        texts.setdefault(_link_node(link), NodeText(link.kind, link.name, tooltip))
        for event in ("event", "answer") if link.kind in ("row", "feedback") else ():
            name = link.facts.get(event)
            if name:
                kind = "feedback" if event == "event" else "answer"
                texts.setdefault(f"{event}:{name}", NodeText(kind, name, name))
    return texts


def _downstream_texts(lineage: DownstreamLineage) -> NodeTexts:
    texts: NodeTexts = {}
    for release in lineage.releases:
        tooltip = f"{release.digest}\n{release.answers:,} answers"
        texts[release.digest] = NodeText("release", release.service, tooltip)
    for artefact in lineage.artefacts:
        name = artefact.name or artefact.digest[7:19]
        texts[artefact.digest] = NodeText(artefact.kind, name, artefact.digest)
    for row in lineage.rows:
        texts[f"row:{row['id']}"] = NodeText("row", row["id"], _tooltip(row, None))
    for answer in lineage.newest_answers:
        response = answer["response_id"]
        texts[f"answer:{response}"] = NodeText("answer", response, answer["output"])
    return texts


def _link_node(link: ProvenanceLink) -> str:
    if link.kind == "spec":
        return f"spec:{link.digest}"
    if link.kind == "feedback":
        return f"event:{link.name}"
    return link.digest or f"{link.kind}:{link.name}"


def _tooltip(facts: Facts, digest: str | None) -> str:
    lines = (f"{name}: {value}" for name, value in facts.items() if not isinstance(value, Mapping))
    return "\n".join([*([digest] if digest else []), *(line[:300] for line in lines)])[:1500]
