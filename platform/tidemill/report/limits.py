"""What a reader should not expect of a release: sentences drawn from its own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.report import formatting
from tidemill.report.release_facts import Story
from tidemill.report.verdict import headline

FEW_ROWS = 100
"""Test rows below which an interval is named as wide."""
FEW_IN_SLICE = 30
FEW_PER_LABEL = 5


def limits(story: Story) -> list[str]:
    """Sentences, the most important first; never empty: what was not looked at is a limit too."""
    return [*_rows(story), *_slices(story), *_clusters(story), *_answers(story), *_made(story)]


def _rows(story: Story) -> Iterator[str]:
    one = headline(story)
    if one and one.rows < FEW_ROWS and formatting.interval(one):
        rows = formatting.counted(one.rows, "row")
        yield (
            f"The test split has {rows}, so {formatting.metric_name(one.metric)} is known only "
            f"to lie between {formatting.interval(one).replace('–', ' and ')}."
        )
    rare = [
        label
        for label, count in (story.data.summary.get("labels") or {}).get("test", {}).items()
        if count < FEW_PER_LABEL
    ]
    if rare:
        those = (
            formatting.listed(rare[:4]) if len(rare) <= 4 else f"{', '.join(rare[:4])} and others"
        )
        yield f"Fewer than {FEW_PER_LABEL} test rows each have the label {those}."


def _slices(story: Story) -> Iterator[str]:
    whole = headline(story)
    if whole is None:
        return
    name = formatting.metric_name(whole.metric)
    parts = [one for one in story.measures if one.slice and one.metric == whole.metric]
    if not parts:
        yield "No slices were measured: how it does for parts of its users is not known."
        return
    known = [one for one in parts if formatting.finite(one.value)]
    sign = -1 if formatting.lower_is_better(whole.metric) else 1
    worst = min(known, key=lambda one: sign * one.value, default=None)
    if worst and sign * worst.value < sign * whole.value:
        yield (
            f"It does worst on '{worst.slice}': {name} {formatting.with_interval(worst)} on "
            f"{formatting.counted(worst.rows, 'row')}, "
            f"against {formatting.measured(whole.value)} on all."
        )
    small = [f"'{one.slice}' ({one.rows})" for one in parts if one.rows < FEW_IN_SLICE]
    if small:
        yield f"Too few rows to judge a slice by itself: {formatting.listed(small)}."


def _clusters(story: Story) -> Iterator[str]:
    clusters = [one for one in story.faults.get("clusters") or () if one["rows"] > 1]
    for cluster in clusters[:3]:
        rows = formatting.counted(cluster["rows"], "test row")
        if cluster.get("wanted"):
            yield f"It takes '{cluster['wanted']}' for '{cluster['given']}' ({rows})."
        else:
            yield f"It fails on a group of {rows} around: {cluster.get('words', '')}."


def _answers(story: Story) -> Iterator[str]:
    rows = story.report.get("rows") or 0
    for key, what in (
        ("unreadable", "did not have the shape the prompt asks for"),
        ("cut_off", "were cut off at the longest allowed length"),
    ):
        count = story.report.get(key) or 0
        if count:
            yield f"{count} of {rows} answers {what}."
    if not story.gains:
        yield "It was not compared with another release: there was no baseline."
    if story.missing:
        yield "Parts of its evidence are not here any more."


def _made(story: Story) -> Iterator[str]:
    for name, making in story.made("FineTune").items():
        for key, what in (
            ("rows_truncated", "lost the beginning of their prompt"),
            ("rows_too_long", "were left out because their answer is too long"),
        ):
            count = making.facts.get(key) or 0
            if count:
                yield f"In training '{name}', {formatting.counted(count, 'row')} {what}."
    yield from (_unlike(hop) for hop in story.hops if _weak(hop))
    yield from (f"'{hop['step']}': {hop['note']}." for hop in story.hops if hop.get("note"))


def _weak(hop: Mapping[str, Any]) -> bool:
    return formatting.finite(hop.get("agreement")) and hop["agreement"] < 1


def _unlike(hop: Mapping[str, Any]) -> str:
    share = formatting.percent(1 - hop["agreement"])
    basis = str(hop.get("basis") or "answer")
    what = {"label": "the labels", "answer": "the answers"}.get(
        basis, formatting.metric_name(basis)
    )
    return f"'{hop['step']}' changed {share} of {what} on {hop['rows']} compared rows."
