"""Change a few values of a spec's YAML and leave every other byte as a person wrote it.

Only the lines of what changes are touched: comments, order, quotes and blank lines elsewhere stay.
The result is read again and compared with what was wanted, so that a text this module does not
understand is refused, never written half right.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tidemill.errors import TidemillError
from tidemill.spec.positions import Path_, parse

REMOVE = object()
"""Marker value: remove the key."""
APPEND = "[+]"
"""Last part of a path: the value becomes the last item of the list before it."""
_STEP = 2


def rewrite(content: bytes, changes: Mapping[Path_, Any], display: Path) -> bytes:
    """The text with each path's value replaced, added or (`REMOVE`) taken away.

    Paths lead through mappings, and to a list's end with `APPEND`; a new key's parent has to be
    there. Raises SpecError where the text is no spec, and TidemillError where it cannot be changed
    in place.
    """
    expected = parse(content, display).value
    text = content.decode("utf-8")
    for path, value in changes.items():
        expected = _set(expected, path, value)
        text = _change(text, path, value, expected)
    if parse(text.encode(), display).value != expected:
        raise TidemillError(
            f"{display}: cannot be changed in place; write the new values in by hand"
        )
    return text.encode()


@dataclass
class _Node:
    """A value in the text: where it starts and ends, and what lies in it."""

    start: int
    end: int
    flow: bool = True
    keys: dict[str | int, tuple[int, _Node]] = field(default_factory=dict)
    """Start offset and value node of each key."""


def _set(values: Any, path: Path_, value: Any) -> Any:
    changed = copy.deepcopy(values)
    holder = changed
    for part in path[:-1]:
        holder = holder[part]
    if path[-1] == APPEND:
        holder.append(value)
    elif value is REMOVE:
        holder.pop(path[-1], None)
    else:
        holder[path[-1]] = value
    return changed


def _change(text: str, path: Path_, value: Any, expected: Any) -> str:
    node = _read(text)
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if node.flow and depth:  # one line holds all of it: write the line anew
            return _put(text, node, _inline(_value_at(expected, path[:depth])))
        if part == APPEND:
            return _append(text, node, value)
        if part not in node.keys:
            return text if value is REMOVE else _add(text, node, str(part), value)
        start, child = node.keys[part]
        if last and value is REMOVE:
            return text[: _line_start(text, start)] + text[_line_end(text, child.end) :]
        if last:
            return _put(text, child, _render_value(value, _column(text, start)), between=start)
        node = child
    return text


def _put(text: str, node: _Node, new: str, between: int | None = None) -> str:
    start = node.start
    if between is not None and "\n" in text[between:start]:  # the value began on a line below
        start = text.index(":", between) + 1
        new = new if new.startswith("\n") else f" {new}"
    elif new.startswith("\n"):
        start = len(text[:start].rstrip(" "))
    end = node.end
    head, _, below = new.partition("\n")
    if below:  # a comment behind the old value stays behind the key
        end = _line_end(text, node.end)
        tail = text[node.end : end].rstrip("\n")
        new = f"{head}{tail}\n{below}" + ("\n" if text[:end].endswith("\n") else "")
    return text[:start] + new + text[end:]


def _add(text: str, node: _Node, key: str, value: Any) -> str:
    start, last = list(node.keys.values())[-1]
    column = _column(text, start)
    end = _line_end(text, last.end)
    written = _render_value(value, column)
    gap = "" if written.startswith("\n") else " "
    line = f"{' ' * column}{key}:{gap}{written}\n"
    return text[:end] + ("" if text[:end].endswith("\n") else "\n") + line + text[end:]


def _append(text: str, node: _Node, value: Any) -> str:
    items = [child for _, child in node.keys.values()]
    dash = text.rindex("-", 0, items[0].start)
    end = _line_end(text, items[-1].end)
    line = f"{' ' * _column(text, dash)}- {_inline(value)}\n"
    return text[:end] + ("" if text[:end].endswith("\n") else "\n") + line + text[end:]


def _render_value(value: Any, column: int) -> str:
    """The value as it stands after `key:`."""
    inside = " " * (column + _STEP)
    if isinstance(value, dict) and value:
        parts = []
        for key, item in value.items():
            below = _render_value(item, column + _STEP)
            parts.append(f"\n{inside}{key}:{'' if below[:1] == chr(10) else ' '}{below}")
        return "".join(parts)
    if isinstance(value, str) and _literal(value):
        lines = (f"{inside}{line}" if line else "" for line in value.split("\n"))
        return "|-\n" + "\n".join(lines)
    return _inline(value)


def _literal(text: str) -> bool:
    """Whether a literal block gives exactly this text back."""
    lines = text.split("\n")
    plain = all(line == line.rstrip() and line.isprintable() for line in lines)
    return len(lines) > 1 and plain and bool(lines[0] and lines[-1]) and lines[0][0] != " "


def _inline(value: Any, inside: bool = False) -> str:
    """The value on one line; `inside` brackets more needs quotes."""
    if isinstance(value, dict):
        pairs = (f"{_inline(k, True)}: {_inline(v, True)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(item, True) for item in value)}]"
    if isinstance(value, str) and "\n" in value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return repr(value)
    document = [value] if inside else value
    text: str = yaml.safe_dump(
        document, default_flow_style=True, allow_unicode=True, width=1 << 30
    ).removesuffix("...\n")
    text = text.strip(" \n")  # a no-break space is content
    return text[1:-1] if inside else text


def _value_at(values: Any, path: Path_) -> Any:
    for part in path:
        values = values[part]
    return values


def _column(text: str, offset: int) -> int:
    return offset - _line_start(text, offset)


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    newline = text.find("\n", offset)
    return len(text) if newline < 0 else newline + 1


def _read(text: str) -> _Node:
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    while not isinstance(next(events), yaml.DocumentStartEvent):
        pass
    return _node(next(events), events, text)


def _node(event: Any, events: Iterator[Any], text: str) -> _Node:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, yaml.ScalarEvent):
        return _Node(start, start + len(text[start:end].rstrip(" \t\r\n")))
    node = _Node(start, end, flow=bool(event.flow_style))
    mapping = isinstance(event, yaml.MappingStartEvent)
    while not isinstance(event := next(events), yaml.MappingEndEvent | yaml.SequenceEndEvent):
        key, start_index = (event.value, event.start_mark.index) if mapping else (len(node.keys), 0)
        child = _node(next(events) if mapping else event, events, text)
        node.keys[key] = (start_index or child.start, child)
        node.end = child.end
    last: Any = event
    if node.flow:
        node.end = last.end_mark.index
    return node
