"""Output of `tidemill errors`: clusters as a table, one cluster with its rows, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from tidemill.answer import Answer
from tidemill.engine.failure import Failure
from tidemill.engine.failure_cluster import FailureCluster, WrongAnswer, answer_pair
from tidemill.engine.measurement import finite_record
from tidemill.engine.weekly_trend import WeeklyTrend
from tidemill.planning.failure_clusters import FailureClusters
from tidemill.terminal.amounts import format_count, format_value, strip_control

EXAMPLES = 2
"""Questions below each cluster."""
TOO_FEW = "too few to say"
_BARS = "▁▂▃▄▅▆▇█"


def table_lines(groups: FailureClusters) -> Iterator[str]:
    """The table: number, size, share, people by week, trend, name, mistake, examples."""
    yield from head_lines(groups)
    if not groups.clusters:
        return
    weeks = len(groups.source.weeks.answered)
    yield ""
    yield f"  #   size  share  {'weeks':<{max(weeks, 5)}}  change a week"
    for cluster in groups.clusters:
        yield from _cluster_lines(cluster, groups)
    first = groups.clusters[0].number
    verb = f"tidemill errors {groups.source.specs.service}"
    yield ""
    yield f"rows: {verb} --cluster {first} · an evaluation slice of them: add --open-pr"


def head_lines(groups: FailureClusters) -> Iterator[str]:
    """What was gathered, and what was left out."""
    source = groups.source
    tests = sum(failure.is_test_row for failure in source.failures)
    users = len(source.failures) - tests
    release = f" of release {source.release.digest[7:19]}" if source.release else ""
    yield (
        f"{source.specs.project.name}/{source.specs.service}: "
        f"{format_count(len(source.failures), 'failure')} since {source.since:%Y-%m-%d}: "
        f"{users:,} of users, {format_count(tests, 'test row')}{release}"
    )
    if source.failures:
        yield f"  compared by {groups.compared_by}"
    for reason, count in sorted(source.left_out.items()):
        yield f"  left out: {count:,} {reason}"
    yield from (f"  {strip_control(note)}" for note in source.notes)


def cluster_rows(groups: FailureClusters, cluster: FailureCluster) -> Iterator[str]:
    """One cluster with all of its rows."""
    yield from _cluster_lines(cluster, groups, examples=0)
    for failure in cluster.failures:
        moment = f"{failure.time:%Y-%m-%d %H:%M}" if failure.time else "evaluation"
        about = ", ".join(failure.reasons)
        yield f"  {moment}  {failure.id}  {about} · {failure.agreement}"
        yield f"      {format_value(failure.question)}"
        yield f"      {_mistake(failure)}"


def trend_text(trend: WeeklyTrend | None) -> str:
    """`+35% (+4% to +76%)`, or that there are too few to say."""
    if trend is None:
        return TOO_FEW
    if not isfinite(trend.high):
        return f"at least {trend.low - 1:+.0%}"
    middle, low, high = (f"{part - 1:+.0%}" for part in (trend.factor, trend.low, trend.high))
    return f"{middle} ({low} to {high})"


def sparkline(affected: Sequence[int], answered: Sequence[int]) -> str:
    """A bar for each week: its share of people, against the largest; a dot without traffic."""
    pairs = list(zip(affected, answered, strict=True))
    shares = [met / max(met, people) if people or met else None for met, people in pairs]
    most = max((share for share in shares if share is not None), default=0.0)
    return "".join("·" if share is None else _bar(share, most) for share in shares)


def clusters_to_dict(
    groups: FailureClusters, clusters: Sequence[FailureCluster], rows: int | None
) -> dict[str, object]:
    """The JSON form; `rows` is how many failures of each cluster are in it, None for all."""
    source = groups.source
    return {
        "project": source.specs.project.name,
        "service": source.specs.service,
        "since": source.since,
        "until": source.weeks.until,
        "release": source.release.digest if source.release else None,
        "failures": len(source.failures),
        "left_out": source.left_out,
        "notes": list(source.notes),
        "compared_by": groups.compared_by,
        "people_answered": list(source.weeks.answered),
        "clusters": [_cluster_to_dict(cluster, rows) for cluster in clusters],
    }


def _cluster_lines(
    cluster: FailureCluster, groups: FailureClusters, examples: int = EXAMPLES
) -> Iterator[str]:
    weeks = groups.source.weeks.answered
    number = str(cluster.number) if cluster.number else "–"
    bars = sparkline(cluster.weeks, weeks)
    yield (
        f"{number:>3}  {len(cluster.failures):>5}  {cluster.share:>4.0%}   "
        f"{bars:<{max(len(weeks), 5)}}  {trend_text(cluster.trend)}"
    )
    tests = f", {format_count(cluster.test_rows, 'test row')}" if cluster.test_rows else ""
    yield f"     {strip_control(cluster.name)} · {_people(cluster.people)}{tests}"
    mistake = cluster.mistake
    if mistake is not None:
        answered, expected = format_value(mistake.answered), format_value(mistake.expected)
        yield f"     answered '{answered}', wanted '{expected}': {mistake.count:,}"
    questions = dict.fromkeys(failure.question for failure in cluster.failures)
    yield from (f"     “{format_value(text)}”" for text in list(questions)[:examples])


def _cluster_to_dict(cluster: FailureCluster, rows: int | None) -> dict[str, object]:
    mistake, trend = cluster.mistake, cluster.trend
    return {
        "number": cluster.number,
        "name": cluster.name,
        "words": list(cluster.words),
        "size": len(cluster.failures),
        "share": round(cluster.share, 4),
        "people": cluster.people,
        "test_rows": cluster.test_rows,
        "weeks": list(cluster.weeks),
        "trend": finite_record(vars(trend)) if trend else None,
        "mistake": _mistake_to_dict(mistake) if mistake else None,
        "rows": [_failure_to_dict(failure) for failure in cluster.failures[:rows]],
    }


def _mistake_to_dict(mistake: WrongAnswer) -> dict[str, object]:
    answers = {"answered": mistake.answered, "wanted": mistake.expected}
    return {**answers, "count": mistake.count}


def _failure_to_dict(failure: Failure) -> dict[str, object]:
    return {
        "id": failure.id,
        "question": dict(failure.columns),
        "answered": _answer_to_dict(failure.answered),
        "wanted": _answer_to_dict(failure.expected) if failure.expected else None,
        "reasons": list(failure.reasons),
        "agreement": failure.agreement,
        "release": failure.release,
        "time": failure.time,
    }


def _answer_to_dict(answer: Answer) -> dict[str, str | None]:
    return {"label": answer.label, "text": answer.text}


def _mistake(failure: Failure) -> str:
    if failure.expected is None:
        text = failure.answered.label or failure.answered.text
        return f"answered '{format_value(text)}', nobody said what would be right"
    answered, expected = map(format_value, answer_pair(failure.answered, failure.expected))
    return f"answered '{answered}', wanted '{expected}'"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _bar(share: float, most: float) -> str:
    return _BARS[round(share / most * (len(_BARS) - 1))] if most else _BARS[0]
