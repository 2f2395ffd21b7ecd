"""What a reader should not expect of a release: sentences drawn from its own numbers."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.report import formatting
from tidemill.report.build_facts import CompressionHop
from tidemill.report.comparisons import baseline_sentence, beaten_by, fall_sentences
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.verdict import headline

FEW_ROWS = 100
"""Test rows below which an interval is named as wide."""
FEW_IN_SLICE = 30
FEW_PER_LABEL = 5


def limits(story: ReleaseFacts) -> list[str]:
    """Sentences, the most important first; never empty: what was not looked at is a limit too."""
    return [
        *_comparisons(story),
        *_rows(story),
        *_slices(story),
        *_clusters(story),
        *_answers(story),
        *_build_limits(story),
    ]


def _comparisons(story: ReleaseFacts) -> Iterator[str]:
    """What it does worse than others do: trivial baselines, and the release before it."""
    if beaten_by(story):
        yield baseline_sentence(story)
    yield from fall_sentences(story)


def _rows(story: ReleaseFacts) -> Iterator[str]:
    measure = headline(story)
    if measure and measure.rows < FEW_ROWS and formatting.interval(measure):
        rows = formatting.format_count(measure.rows, "row")
        yield (
            f"The test split has {rows}, so {formatting.metric_name(measure.metric)} is known only "
            f"to lie between {formatting.interval(measure).replace('–', ' and ')}."
        )
    rare = [
        label for label, count in story.data.labels.get("test", {}).items() if count < FEW_PER_LABEL
    ]
    if rare:
        labels = (
            formatting.join_names(rare[:4])
            if len(rare) <= 4
            else f"{', '.join(rare[:4])} and others"
        )
        yield f"Fewer than {FEW_PER_LABEL} test rows each have the label {labels}."


def _slices(story: ReleaseFacts) -> Iterator[str]:
    overall = headline(story)
    if overall is None:
        return
    name = formatting.metric_name(overall.metric)
    parts = [
        measure for measure in story.measures if measure.slice and measure.metric == overall.metric
    ]
    if not parts:
        yield "No slices were measured: performance for user groups is unknown."
        return
    finite = [measure for measure in parts if formatting.is_finite(measure.value)]
    sign = -1 if formatting.lower_is_better(overall.metric) else 1
    worst = min(finite, key=lambda measure: sign * measure.value, default=None)
    if worst and sign * worst.value < sign * overall.value:
        yield (
            f"It does worst on '{worst.slice}': {name} {formatting.with_interval(worst)} on "
            f"{formatting.format_count(worst.rows, 'row')}, "
            f"against {formatting.format_measure(overall.value)} on all."
        )
    small = [
        f"'{measure.slice}' ({measure.rows})" for measure in parts if measure.rows < FEW_IN_SLICE
    ]
    if small:
        yield f"Too few rows to judge a slice by itself: {formatting.join_names(small)}."


def _clusters(story: ReleaseFacts) -> Iterator[str]:
    groups = [group for group in story.failures.groups if group.rows > 1]
    for group in groups[:3]:
        rows = formatting.format_count(group.rows, "test row")
        if group.expected:
            yield f"It answers '{group.answered}' where '{group.expected}' is right ({rows})."
        else:
            yield f"It fails on a group of {rows} around: {group.words}."


def _answers(story: ReleaseFacts) -> Iterator[str]:
    report = story.report
    for count, problem in (
        (report.unreadable, "did not match the prompt's output format"),
        (report.cut_off, "were cut off at the longest allowed length"),
    ):
        if count:
            yield f"{count} of {report.rows} answers {problem}."
    if not story.gains:
        yield "It was not compared with another release: there was no baseline."
    if story.missing:
        yield "Some evidence is missing."


def _build_limits(story: ReleaseFacts) -> Iterator[str]:
    for name, making in story.materialisations_of("FineTune").items():
        for key, problem in (
            ("rows_truncated", "lost the beginning of their prompt"),
            ("rows_too_long", "were left out because their answer is too long"),
            ("rows_unscored", "of validation were left out: no training row has their label"),
        ):
            count = making.facts.get(key) or 0
            if count:
                yield f"In training '{name}', {formatting.format_count(count, 'row')} {problem}."
    yield from (sentence for hop in story.hops for sentence in _changed_answers(hop))
    yield from (f"'{hop.step}': {hop.note}." for hop in story.hops if hop.note)


def _changed_answers(hop: CompressionHop) -> Iterator[str]:
    if not formatting.is_finite(hop.agreement) or hop.agreement >= 1:
        return
    share = formatting.percent(1 - hop.agreement)
    subject = {"label": "the labels", "answer": "the answers"}.get(
        hop.basis, formatting.metric_name(hop.basis)
    )
    yield f"'{hop.step}' changed {share} of {subject} on {hop.rows} compared rows."
