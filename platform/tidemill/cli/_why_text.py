"""Terminal output of `why`: one item per line, long texts truncated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

SHOWN = 12
"""Most artefacts or releases that are listed; the others are counted."""
LINES = 3
"""Most lines of a spec that are listed, those written last."""
STEPS = 4
MARKS = {True: "✓", False: "✗", None: " "}
Row = Mapping[str, Any]


def upstream_lines(found: Row) -> Iterator[str]:
    """The trail, nearest first."""
    steps = [link for link in found["links"] if link["what"] == "rollout step"]
    hidden = {id(link) for link in _visible_steps(steps)}
    for link in found["links"]:
        if id(link) in hidden:
            continue
        yield link_line(link)
        yield from _detail_lines(link)
    if hidden:
        yield f"  {'rollout step':13} … {len(hidden)} more decisions are in --json"
    yield from _notes(found)


def downstream_lines(found: Row) -> Iterator[str]:
    """Lines of the downstream view: rows, artefacts, releases, answers."""
    target = found["target"]
    yield f"  {target['what']:13} {target['id']}"
    given = found["facts"].get("answers_given")
    if given is not None:
        yield f"  {'subject ids':13} {given:,}"
    yield from _list_lines("row", found["rows"], _row, len(found["rows"]))
    kinds, releases = found["counts"]["artefacts"], found["counts"]["releases"]
    counts = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items())
    yield f"  {'artefacts':13} {sum(kinds.values()):,}{f': {counts}' if counts else ''}"
    yield from _list_lines("", found["artefacts"], _artefact, sum(kinds.values()))
    yield f"  {'releases':13} {releases:,}"
    yield from _list_lines("", found["releases"], _release, releases)
    yield f"  {'answers':13} {found['answers']['count']:,}"
    for one in found["answers"]["newest"]:
        yield f"    {answer_line(one)}"
    more = found["answers"]["count"] - len(found["answers"]["newest"])
    if more > 0:
        yield f"    … {more:,} more; `--all` lists them"
    yield from _notes(found)


def link_line(link: Row) -> str:
    """Line of one link of the upstream view."""
    mark = "–" if link.get("problem") and link["bytes_match"] is None else ""
    digest = (link["digest"] or "").removeprefix("sha256:")[:12]
    said = truncate(_fact_text(link["what"], link["facts"]), 110)
    name = truncate(link["name"], 36)
    shown = mark or MARKS[link["bytes_match"]]
    return f"{shown} {link['what']:13} {name:28} {digest:13} {said}".rstrip()


def answer_line(one: Row) -> str:
    """Line of one answer."""
    when, label = format_time(one["time"]), one["label"] or ""
    said = truncate(one["output"], 50)
    return f"{one['response_id']}  {when}  {one['release'][7:19]}  {label:16} {said!r}"


def truncate(text: Any, length: int) -> str:
    """A text in one line of at most `length` characters; nothing in it drives the terminal."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def format_time(when: Any) -> str:
    """A time to the second, in UTC."""
    return when.strftime("%Y-%m-%d %H:%M:%S") if isinstance(when, datetime) else str(when)[:19]


def _visible_steps(steps: Sequence[Row]) -> list[Row]:
    """Earlier decisions that are hidden: all but the last few and the one in force."""
    return [one for one in steps[:-STEPS] if not one["facts"].get("in_force")]


def _detail_lines(link: Row) -> Iterator[str]:
    if link.get("problem"):
        yield f"    {truncate(link['problem'], 160)}"
    lines = link["facts"].get("lines", ()) if link["what"] == "spec" else ()
    for one in sorted(lines, key=lambda one: (one["when"], -one["line"]), reverse=True)[:LINES]:
        where = f"{one['path']}:{one['line']}"
        said = f"{one['field']}: {truncate(one['value'], 30)}"
        yield f"    {where:44} {truncate(said, 44):44} {one['commit'][:10]} {one['author']}"
    if len(lines) > LINES:
        yield f"    … {len(lines) - LINES} more lines in --json"


def _notes(found: Row) -> Iterator[str]:
    for note in found["notes"]:
        yield f"! {note}"


def _list_lines(title: str, items: Sequence[Row], say: Any, count: int) -> Iterator[str]:
    for item in items[:SHOWN]:
        yield f"  {title:13} {say(item)}" if title else f"    {say(item)}"
    if count > SHOWN:
        yield f"    … {count - SHOWN:,} more in --json"


def _row(row: Row) -> str:
    where = f"in {row['dataset'][7:19]} ({row['split']})"
    return f"{row['id']}  {where:34} {_origin(row)}"


def _artefact(item: Row) -> str:
    name = f"{item['project']}/{item['name']}" if item["name"] else ""
    return f"{item['digest'][7:19]}  {item['kind']:9} {truncate(name, 40):40} {format_time(item['created'])}"


def _release(item: Row) -> str:
    live = "live" if item["live"] else ""
    count = f"{item['answers']:,} answers"
    named = f"{item['digest'][7:19]}  {truncate(item['service'], 24):24}"
    return f"{named} {format_time(item['created'])}  {count:>16} {live}".rstrip()


def _origin(row: Row) -> str:
    if row.get("event"):
        return f"{row['source']} event {row['event']} at {row.get('place') or 'an unknown offset'}"
    line = f":{row['line']}" if row.get("line") else ""
    return f"{row['source']}{line}"


def _fact_text(what: str, facts: Row) -> str:
    """The facts of a link worth a person's line."""
    if what == "answer":
        latency = f"{facts.get('latency', 0):.2f} s"
        return (
            f"{format_time(facts.get('time', ''))} in {latency}: {str(facts.get('output', ''))!r}"
        )
    if what == "commit":
        dirty = ", with uncommitted changes" if facts.get("dirty") else ""
        return f"“{facts.get('subject', '')}” by {facts.get('author', '')}{dirty}"
    if what == "base model":
        return f"sha256 {facts['sha256']}"
    if what == "rollout step":
        force = "in force: " if facts.get("in_force") else ""
        return f"{force}{facts['decision']}: {facts['reason']}"
    if what in ("release", "approval"):
        return " ".join(f"{name} {value}" for name, value in facts.items() if name != "by")
    return _of_data(what, facts)


def _of_data(what: str, facts: Row) -> str:
    if what == "dataset" and "offsets" in facts:
        spans = ", ".join(f"{key} up to {offset}" for key, offset in facts["offsets"].items())
        return f"{facts['rows']} {spans}".strip()
    if what == "evaluation":
        parts = [
            f"{m['metric']} {m['value']:.3g} ({m['low']:.3g}–{m['high']:.3g})"
            for m in facts["measures"]
        ]
        return "; ".join(parts)
    if what == "row":
        alike = f"{facts['similarity']:.2f} alike " if "similarity" in facts else ""
        split = f"{facts['split']} " if "split" in facts else ""
        text = f": {facts['text']!r}" if "text" in facts else ""
        return f"{alike}{split}{_origin(facts)}{text}"
    if what == "feedback" and "event" in facts:
        return f"{facts.get('place') or 'an unknown offset'} became row {facts['row']}"
    return f"{facts['bytes'] / 1e6:.1f} MB" if facts.get("bytes") is not None else ""
