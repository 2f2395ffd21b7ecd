"""Rows per label and split, as cards and reports show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from tidemill.data import SPLITS
from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import DatasetFacts

MOST = 30
_TONES = {"train": "ink", "validation": "soft", "test": "accent"}


@dataclass(frozen=True)
class Share:
    """One label, or all rows."""

    name: str
    counts: Mapping[str, int]
    """Rows per split."""

    @property
    def total(self) -> int:
        """Rows of all splits."""
        return sum(self.counts.values())


def balance(data: DatasetFacts) -> tuple[list[Share], int]:
    """Labels, the most frequent first, at most 30; and how many were left out."""
    labels = data.labels
    names = {label for counts in labels.values() for label in counts}
    shares = [Share(n, {s: labels.get(s, {}).get(n, 0) for s in SPLITS}) for n in names]
    ranked = sorted(shares, key=lambda share: (-share.total, share.name))
    return ranked[:MOST], max(len(ranked) - MOST, 0)


def plot(share: Share, most: int) -> Markup:
    """Its splits one after the other, against the most frequent label."""
    parts = [
        (count / max(most, 1), _TONES.get(name, "ink")) for name, count in share.counts.items()
    ]
    counts = ", ".join(f"{name} {count}" for name, count in share.counts.items())
    return strip.stacked_bar(f"{share.name}: {counts}", parts)


def sources(data: DatasetFacts) -> list[str]:
    """Where rows came from, as a line each."""
    declared = data.spec.get("sources") or ()
    if not declared:
        return list(data.summary.sources) if data.summary else []
    return [_source(source) for source in declared]


def _source(source: Mapping[str, object]) -> str:
    kind = source["type"]
    if kind == "hub":
        return f"{source['repo']}/{source.get('path', '')} of the hub at {source['revision']}"
    if kind == "feedback":
        kinds = source.get("kinds")
        listed = ", ".join(map(str, kinds)) if isinstance(kinds, list | tuple) else ""
        window = (
            f" of the last {formatting.format_duration(str(source['window']))}"
            if source.get("window")
            else ""
        )
        return f"feedback '{source['of']}': {listed}{window}"
    return str(source.get("path", kind))
