"""YAML with positions: a strict subset read into plain values, with the line of every path.

Strict means: one UTF-8 document of mappings, lists and scalars; no anchors, aliases, merge keys,
tags or repeated keys. Scalars follow the core schema of YAML 1.2, as editors do (`no` is a word,
`1e-4` a number, `12:30` no base-60 integer); libyaml's events are read directly, which is twice as
fast as composing nodes and keeps the depth bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tidemill.errors import Problem, SpecError

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # a PyYAML built without libyaml: the same events, twenty times slower

    class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):  # type: ignore[no-redef]
        def __init__(self, stream: bytes) -> None:
            yaml.reader.Reader.__init__(self, stream)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)


Path_ = tuple[str | int, ...]
"""Path of a value in its document: keys and list indices."""

MAX_BYTES = 1 << 20
TOO_LARGE = "the file is larger than 1 MiB"
MAX_DEPTH = 50
MAX_VALUES = 50_000
"""Keys and list items of a document; each costs a kilobyte once something is wrong with it."""
MAX_KEY = 200
MAX_PROBLEMS = 50
"""Maximum number of problems reported for one file."""
_CONFLICT = re.compile(rb"^(<{7}|>{7})( |$)", re.MULTILINE)
_FORBIDDEN = re.compile(
    "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]"
)
_WIDEST = 2**63 - 1
"""Largest supported integer (signed 64 bits)."""
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class YamlDocument:
    """A document's values, and the line on which each key or list item stands."""

    value: Any
    lines: Mapping[Path_, int]

    def line(self, *path: str | int) -> int:
        """The line of a path, or of the nearest thing around it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(content: bytes, display: Path) -> YamlDocument:
    """The document in these bytes; raises `SpecError` with every problem found."""
    reader = _Reader(content, display)
    value: Any = None
    with suppress(_Stop):
        value = reader.read()
    if reader.problems:
        raise SpecError(reader.problems)
    return YamlDocument(value, reader.lines)


class _Stop(Exception):
    pass


@dataclass
class _Reader:
    content: bytes
    display_path: Path
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    parser: Any = None

    def problem(self, line: int, cause: str, way_out: str) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop
        self.problems.append(Problem(self.display_path, line, cause, way_out))

    def stop(self, line: int, cause: str, way_out: str) -> _Stop:
        self.problem(line, cause, way_out)
        return _Stop()

    def read(self) -> Any:
        """The document's value; what cannot be parsed becomes a problem."""
        self.check_bytes()
        try:
            return self.document()
        except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
            self.syntax(error)
            return None

    def check_bytes(self) -> None:
        """Raises for bytes that make the file unreadable: wrong encoding, control characters."""
        if len(self.content) > MAX_BYTES:
            raise self.stop(1, TOO_LARGE, "keep data in files it names")
        try:
            self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            raise self.stop(line, "the file is not UTF-8", "save it as UTF-8") from None
        conflict = _CONFLICT.search(self.content)
        if conflict:
            line = self.content.count(b"\n", 0, conflict.start()) + 1
            raise self.stop(line, "an unresolved merge conflict", "keep one side, drop the markers")
        self.parser = _Parser(self.content.removeprefix(b"\xef\xbb\xbf"))

    def document(self) -> Any:
        self.parser.get_event()  # the stream's start
        event = self.parser.get_event()
        if isinstance(event, yaml.StreamEndEvent):
            raise self.stop(1, "the file is empty", "write a spec or delete the file")
        value = self.node(self.parser.get_event(), (), 0)
        self.parser.get_event()  # the document's end
        event = self.parser.get_event()
        if not isinstance(event, yaml.StreamEndEvent):
            line = event.start_mark.line + 1
            raise self.stop(line, "a second document", "keep one document in each file")
        return value

    def node(self, event: Any, path: Path_, depth: int) -> Any:
        """The value that starts with this event."""
        line = event.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(self.lines) > MAX_VALUES:
            raise self.stop(line, f"more than {MAX_VALUES:,} values", "keep data in files it names")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.AliasEvent):
            self.problem(line, f"'*{event.anchor}' is an alias", "write the value out")
            return None
        if depth >= MAX_DEPTH:
            raise self.stop(line, f"nested more than {MAX_DEPTH} levels deep", "flatten it")
        self.plain(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    def plain(self, event: Any) -> None:
        """Refuse an anchor or a tag on a value."""
        line = event.start_mark.line + 1
        if event.anchor is not None:
            self.problem(
                line, f"'&{event.anchor}' is an anchor", "write the value where it is used"
            )
        if event.tag is not None and event.tag != "!":
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(
                line, f"'{tag}' is a YAML tag", "write a plain value; quotes make a string"
            )

    def sequence(self, path: Path_, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self.parser.get_event(), yaml.SequenceEndEvent):
            values.append(self.node(event, (*path, len(values)), depth + 1))
        return values

    def mapping(self, path: Path_, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := self.parser.get_event(), yaml.MappingEndEvent):
            key, line = self.key(event), event.start_mark.line + 1
            if key in values:
                first = self.lines[(*path, key)]
                self.problem(line, f"'{key}' is given twice", f"line {first} has it already")
            else:
                self.lines[(*path, key)] = line
            value = self.node(self.parser.get_event(), (*path, key), depth + 1)
            values.setdefault(key, value)
        return values

    def key(self, event: Any) -> str:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise self.stop(line, "a key that is not a word", "write `key: value`")
        if len(event.value) > MAX_KEY:
            raise self.stop(line, f"a key of {len(event.value):,} characters", "look for a ':'")
        self.plain(event)
        if event.value == "<<" and not event.style:
            self.problem(line, "'<<' is a merge key", "write the keys out")
        return str(event.value)

    def scalar(self, event: Any) -> Any:
        self.plain(event)
        text = event.value
        if event.style or event.tag is not None:  # libyaml says "" where PyYAML says None
            return text
        try:
            value = _resolve(text)
        except ValueError:
            value = math.inf
        wide = isinstance(value, int) and not -_WIDEST - 1 <= value <= _WIDEST
        if wide or (isinstance(value, float) and not math.isfinite(value)):
            excerpt = text if len(text) < 30 else f"{text[:20]}…"
            cause = "has more than 64 bits" if wide else "is no finite number"
            line = event.start_mark.line + 1
            self.problem(line, f"'{excerpt}' {cause}", "write one, or quote it")
        return value

    def syntax(self, error: yaml.YAMLError) -> None:
        """The parser's own complaint, in a person's words where we know them."""
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is None:
            text = self.content.decode("utf-8")
            match = _FORBIDDEN.search(text)
            line = text.count("\n", 0, match.start()) + 1 if match else 1
            self.problem(line, "a control character", "delete it, or write an escape in quotes")
            return
        lines = self.content.split(b"\n")
        before = lines[min(mark.line, len(lines) - 1)]
        if b"\t" in before[: len(before) - len(before.lstrip())]:
            self.problem(mark.line + 1, "a tab in the indentation", "use spaces")
            return
        cause = getattr(error, "problem", None) or str(error)
        opened = getattr(error, "context_mark", None)
        if "end of stream" in cause and opened is not None:
            mark = opened  # a quote that is never closed: where it was opened
        self.problem(mark.line + 1, f"this is no YAML: {cause}", _way_out(cause))


def _way_out(cause: str) -> str:
    if "mapping values are not allowed" in cause:
        return "put a value that holds ': ' in quotes, or fix the indentation"
    if "cannot start any token" in cause:
        return "put the value in quotes"
    return "look for a missing quote or bracket, or wrong indentation, on this line or above"


def _resolve(text: str) -> Any:
    """A plain scalar's value by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return math.nan if _ENDLESS.match(text) else text
