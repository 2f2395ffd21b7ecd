"""A release beside trivial baselines and beside the live release, as cards and reports show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidemill.engine.trivial_baseline import BaselineScore
from tidemill.report import formatting
from tidemill.report.evaluation_files import GroupReport
from tidemill.report.release_facts import ReleaseFacts


@dataclass(frozen=True)
class BaselineLine:
    """One baseline on one metric."""

    title: str
    note: str
    metric: str
    value: str
    difference: str
    """Model minus baseline; more is better."""
    rows: int


def baseline_lines(story: ReleaseFacts) -> list[BaselineLine]:
    """The table of baselines, by metric; empty for a report of an earlier version."""
    scores = story.report.trivial.scores
    metrics = list(dict.fromkeys(score.measure.metric for score in scores))
    ordered = sorted(scores, key=lambda score: metrics.index(score.measure.metric))
    return [_line(score) for score in ordered]


def baseline_sentence(story: ReleaseFacts) -> str:
    """Whether the release beats the best trivial baseline; empty where none was compared."""
    table = story.report.trivial
    if table.best is None:
        return ""
    return f"The release {table.message}."


def beaten_by(story: ReleaseFacts) -> str:
    """`does not beat the nearest-neighbour baseline (0.76 against 0.92)`; empty where it does, or
    where none was compared."""
    table = story.report.trivial
    best = table.best
    if best is None or table.state in ("beats", "unmeasured"):
        return ""
    verb = "is not shown to beat" if table.state == "unclear" else "does not beat"
    values = [formatting.format_measure(v, table.metric) for v in (table.model, best.measure.value)]
    return f"{verb} the {best.baseline} baseline ({values[0]} against {values[1]})"


def worse_parts(story: ReleaseFacts) -> list[str]:
    """Labels and slices that got worse than the baseline release: those that fell by more than the
    margin, then slices whose interval lies below zero."""
    fallen = [group.title for group in story.report.forgetting.fallen]
    slices = (
        f"slice '{gain.slice}'"
        for gain in story.gains
        if gain.slice and formatting.measures_quality(gain.metric)
        if formatting.is_finite(gain.high) and gain.high < 0
    )
    return list(dict.fromkeys([*fallen, *slices]))


def fall_sentences(story: ReleaseFacts) -> Iterator[str]:
    """A sentence for each label or slice that fell, how small a fall would have been seen, then one
    for slices that look worse."""
    report = story.report.forgetting
    yield from (_fall(group) for group in report.fallen)
    titles = {group.title for group in report.fallen}
    others = [part for part in worse_parts(story) if part not in titles]
    for group in report.groups:
        if group.kind == "all" and group.visible and not group.fell:
            yield (
                f"Of {group.name}, {group.visible} of {group.rows} rows would have to get worse "
                "for a fall below the release before it to be seen."
            )
    if others:
        yield f"It is worse than the release before it on {formatting.join_names(others)}."


def _line(score: BaselineScore) -> BaselineLine:
    measure = score.measure
    return BaselineLine(
        score.title,
        score.note,
        formatting.metric_name(measure.metric),
        formatting.with_interval(measure),
        formatting.with_interval(score.gain),
        measure.rows,
    )


def _fall(group: GroupReport) -> str:
    before, after = (
        formatting.format_measure(value, group.metric)
        for value in (group.baseline, group.candidate)
    )
    title = group.title[0].upper() + group.title[1:]
    return (
        f"{title} got worse than in the release before it: {formatting.metric_name(group.metric)} "
        f"{after} against {before} on {formatting.format_count(group.rows, 'row')}, of which "
        f"{len(group.got_worse)} got worse and {group.got_better} better."
    )
