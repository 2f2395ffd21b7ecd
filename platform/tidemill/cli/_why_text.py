"""Terminal output of `why`: one item per line, long texts truncated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tidemill.engine.provenance import Facts
    from tidemill.lineage.result import (
        DownstreamArtefact,
        DownstreamLineage,
        DownstreamRelease,
        UpstreamLineage,
        VerifiedLink,
    )

SHOWN = 12
"""Most artefacts or releases that are listed; the others are counted."""
LINES = 3
"""Most lines of a spec that are listed, those written last."""
STEPS = 4
TIMES = ("created", "approved_at")
"""Facts that are a time."""
Item = TypeVar("Item")
MARKS = {True: "✓", False: "✗", None: " "}


def upstream_lines(lineage: UpstreamLineage) -> Iterator[str]:
    """The trail, nearest first."""
    steps = [item for item in lineage.links if item.link.kind == "rollout step"]
    hidden = {id(item) for item in _earlier_steps(steps)}
    for item in lineage.links:
        if id(item) in hidden:
            continue
        yield link_line(item)
        yield from _detail_lines(item)
    if hidden:
        yield f"  {'rollout step':13} … {len(hidden)} more decisions are in --json"
    yield from _note_lines(lineage.notes)


def downstream_lines(lineage: DownstreamLineage) -> Iterator[str]:
    """Lines of the downstream view: rows, artefacts, releases, answers."""
    yield f"  {lineage.target.kind:13} {lineage.target.id}"
    answers_given = lineage.facts.get("answers_given")
    if answers_given is not None:
        yield f"  {'subject ids':13} {answers_given:,}"
    yield from _list_lines("row", lineage.rows, _row, len(lineage.rows))
    kinds, releases = lineage.artefact_counts, len(lineage.releases)
    counts = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items())
    yield f"  {'artefacts':13} {sum(kinds.values()):,}{f': {counts}' if counts else ''}"
    yield from _list_lines("", lineage.artefacts, _artefact, sum(kinds.values()))
    yield f"  {'releases':13} {releases:,}"
    yield from _list_lines("", lineage.releases, _release, releases)
    yield f"  {'answers':13} {lineage.answer_count:,}"
    for record in lineage.newest_answers:
        yield f"    {answer_line(record)}"
    remaining = lineage.answer_count - len(lineage.newest_answers)
    if remaining > 0:
        yield f"    … {remaining:,} more; `--all` lists them"
    yield from _note_lines(lineage.notes)


def link_line(item: VerifiedLink) -> str:
    """Line of one link of the upstream view."""
    link = item.link
    mark = "–" if item.problem and item.bytes_match is None else ""
    digest = (link.digest or "").removeprefix("sha256:")[:12]
    facts = truncate(_fact_text(link.kind, link.facts), 110)
    name = truncate(link.name, 36)
    mark_text = mark or MARKS[item.bytes_match]
    return f"{mark_text} {link.kind:13} {name:28} {digest:13} {facts}".rstrip()


def answer_line(record: Facts) -> str:
    """Line of one answer."""
    when, label = format_time(record["time"]), record["label"] or ""
    output = truncate(record["output"], 50)
    return f"{record['response_id']}  {when}  {record['release'][7:19]}  {label:16} {output!r}"


def truncate(text: Any, length: int) -> str:
    """A text in one line of at most `length` characters; nothing in it drives the terminal."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def format_time(when: Any) -> str:
    """A time to the second, in UTC."""
    return when.strftime("%Y-%m-%d %H:%M:%S") if isinstance(when, datetime) else str(when)[:19]


def _earlier_steps(steps: Sequence[VerifiedLink]) -> list[VerifiedLink]:
    """Earlier decisions that are hidden: all but the last few and the one in force."""
    return [step for step in steps[:-STEPS] if not step.link.facts.get("in_force")]


def _detail_lines(item: VerifiedLink) -> Iterator[str]:
    if item.problem:
        yield f"    {truncate(item.problem, 160)}"
    lines = item.link.facts.get("lines", ()) if item.link.kind == "spec" else ()
    for spec_line in sorted(
        lines, key=lambda spec_line: (spec_line["when"], -spec_line["line"]), reverse=True
    )[:LINES]:
        location = f"{spec_line['path']}:{spec_line['line']}"
        setting = f"{spec_line['field']}: {truncate(spec_line['value'], 30)}"
        change = f"{spec_line['commit'][:10]} {spec_line['author']}"
        yield f"    {location:44} {truncate(setting, 44):44} {change}"
    if len(lines) > LINES:
        yield f"    … {len(lines) - LINES} more lines in --json"


def _note_lines(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield f"! {note}"


def _list_lines(
    title: str, items: Sequence[Item], line: Callable[[Item], str], count: int
) -> Iterator[str]:
    for item in items[:SHOWN]:
        yield f"  {title:13} {line(item)}" if title else f"    {line(item)}"
    if count > SHOWN:
        yield f"    … {count - SHOWN:,} more in --json"


def _row(row: Facts) -> str:
    dataset = f"in {row['dataset'][7:19]} ({row['split']})"
    return f"{row['id']}  {dataset:34} {_origin(row)}"


def _artefact(item: DownstreamArtefact) -> str:
    name = f"{item.project}/{item.name}" if item.name else ""
    created = format_time(item.created)
    return f"{item.digest[7:19]}  {item.kind:9} {truncate(name, 40):40} {created}"


def _release(item: DownstreamRelease) -> str:
    live = "live" if item.live else ""
    count = f"{item.answers:,} answers"
    named = f"{item.digest[7:19]}  {truncate(item.service, 24):24}"
    return f"{named} {format_time(item.created)}  {count:>16} {live}".rstrip()


def _origin(row: Facts) -> str:
    if row.get("event"):
        return f"{row['source']} event {row['event']} at {row.get('place') or 'an unknown offset'}"
    line = f":{row['line']}" if row.get("line") else ""
    return f"{row['source']}{line}"


def _fact_text(kind: str, facts: Facts) -> str:
    """The facts of a link worth a person's line."""
    if kind == "answer":
        latency = f"{facts.get('latency', 0):.2f} s"
        return (
            f"{format_time(facts.get('time', ''))} in {latency}: {str(facts.get('output', ''))!r}"
        )
    if kind == "commit":
        dirty = ", with uncommitted changes" if facts.get("dirty") else ""
        return f"“{facts.get('subject', '')}” by {facts.get('author', '')}{dirty}"
    if kind == "base model":
        return f"sha256 {facts['sha256']}"
    if kind == "rollout step":
        force = "in force: " if facts.get("in_force") else ""
        return f"{force}{facts['decision']}: {facts['reason']}"
    if kind in ("release", "approval"):
        return " ".join(
            f"{name} {format_time(value) if name in TIMES else value}"
            for name, value in facts.items()
            if name != "by"
        )
    return _of_data(kind, facts)


def _of_data(kind: str, facts: Facts) -> str:
    if kind == "dataset" and "offsets" in facts:
        spans = ", ".join(f"{key} up to {offset}" for key, offset in facts["offsets"].items())
        counts = ", ".join(f"{count} {split}" for split, count in facts["rows"].items())
        return f"rows: {counts}; {spans}".rstrip("; ")
    if kind == "evaluation":
        parts = [
            f"{m['metric']} {m['value']:.3g} ({m['low']:.3g}–{m['high']:.3g})"
            for m in facts["measures"]
        ]
        return "; ".join(parts)
    if kind == "row":
        alike = f"similarity {facts['similarity']:.2f} " if "similarity" in facts else ""
        split = f"{facts['split']} " if "split" in facts else ""
        text = f": {facts['text']!r}" if "text" in facts else ""
        return f"{alike}{split}{_origin(facts)}{text}"
    if kind == "feedback" and "event" in facts:
        return f"{facts.get('place') or 'an unknown offset'} became row {facts['row']}"
    return f"{facts['bytes'] / 1e6:.1f} MB" if facts.get("bytes") is not None else ""
