"""A first look at a data file: its columns, what they hold, and what is wrong with it.

Made for files that a project keeps in Git: anything larger is refused before it is read.
"""

from __future__ import annotations

import csv
import io
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tidemill.data.pii import FINDERS
from tidemill.data.rows import columns_of
from tidemill.data.sources import read_file
from tidemill.errors import DataError, MissingExtra
from tidemill.rows import DatasetRow

MAX_BYTES = 50_000_000
"""Larger files do not belong into Git."""
MIN_ROWS = 20
"""Rows below which no split leaves anything to judge on."""
MAX_PROFILED_ROWS = 2000
"""Rows that personal data and language are looked for in."""
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_ENDINGS = (".csv", ".jsonl", ".ndjson")

Kind = Literal["text", "number", "truth", "nested", "mixed", "empty"]


@dataclass(frozen=True)
class ColumnProfile:
    """The name, kind and value counts of one column."""

    name: str
    kind: Kind
    filled: int
    """Rows that have a value."""
    words: float
    """Words of a value, on average."""
    counts: Mapping[Any, int]
    """Rows of each value, most first; empty for nested values."""

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(self.counts)


@dataclass(frozen=True)
class FileProfile:
    """The rows and column profiles of one data file."""

    path: Path
    bytes: int
    rows: tuple[DatasetRow, ...]
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """One column by its name."""
        return next(column for column in self.columns if column.name == name)

    def complete_rows(self, *names: str) -> list[DatasetRow]:
        """Rows that have a value in each of these columns."""
        return [row for row in self.rows if all(has_value(row, name) for name in names)]


def profile_file(path: Path) -> FileProfile:
    """Read a CSV or JSONL file; raises DataError with the line and the way out."""
    size = _size(path)
    _bytes(path)
    rows, bad = read_file(path, name=str(path))
    if bad:
        reason = bad[0][1].removeprefix("unreadable: ")
        others = f" (and {len(bad) - 1} more lines)" if len(bad) > 1 else ""
        raise DataError(f"{reason}{others}; mend or delete the line")
    plain = tuple(columns_of(row) for row in rows)
    if not plain:
        raise DataError(f"{path}: there are no rows below the header; name a file with data")
    columns = tuple(_column(name, plain) for name in dict.fromkeys(n for row in plain for n in row))
    _enough(path, plain, columns)
    return FileProfile(path, size, plain, columns)


def has_value(row: DatasetRow, name: str) -> bool:
    """True where a row has a value in a column; blanks are none."""
    value = row.get(name)
    return bool(value.strip()) if isinstance(value, str) else value is not None


def personal_data(look: FileProfile) -> tuple[dict[str, int], tuple[str, ...]]:
    """Rows that seem to hold personal data, by kind, and the kinds that could not be looked for."""
    counts: dict[str, int] = {}
    unknown: list[str] = []
    texts = [_row_text(row) for row in look.rows[:MAX_PROFILED_ROWS]]
    for kind, finder in FINDERS.items():
        try:
            count = sum(any(True for _ in finder(text)) for text in texts)
        except MissingExtra:
            unknown.append(kind)
            continue
        if count:
            counts[kind] = count
    return counts, tuple(unknown)


def _row_text(row: DatasetRow) -> str:
    return "\n".join(value for value in row.values() if isinstance(value, str))


def _size(path: Path) -> int:
    ending = path.suffix.lower()
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: there is no such file; name a .csv or .jsonl file") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
        raise DataError(f"{path} is {kind}; name a .csv or .jsonl file")
    if status.st_size > MAX_BYTES:
        raise DataError(
            f"{path} is {status.st_size / 1e6:,.0f} MB, and Git should hold {MAX_BYTES // 10**6} "
            f"at most; begin with a part (`head -n 20000 {path.name} > part{ending}`) and add the "
            "whole file later with `dvc add` and a source of 'type: dvc'"
        )
    if status.st_size == 0:
        raise DataError(f"{path} is empty; name a file with rows")
    return status.st_size


def _bytes(path: Path) -> None:
    """Refuse a file whose bytes are no UTF-8 CSV or JSONL; raises DataError with the way out."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    ending = path.suffix.lower()
    if content.startswith(_WORKBOOKS) or ending in (".xlsx", ".xls", ".ods"):
        raise DataError(
            f"{path} is a spreadsheet; save it as 'CSV UTF-8' in the program that made it "
            "(File, Save as), and name that file"
        )
    if ending == ".json":
        raise DataError(
            f"{path}: a line has to be a row; `jq -c '.[]' {path.name} > {path.stem}.jsonl` makes "
            "one line of each object"
        )
    if ending not in _ENDINGS:
        raise DataError(f"{path}: rows come from .csv or .jsonl files, not '{ending}'")
    _utf8(path, content)
    if ending == ".csv":
        _commas(path, content)


def _utf8(path: Path, content: bytes) -> None:
    if content.startswith(_WIDE):
        way_out = f"`iconv -f UTF-16 -t UTF-8 {path.name} > utf8{path.suffix}`"
        raise DataError(f"{path}:1: the file is UTF-16, not UTF-8; {way_out}")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        way_out = f"`iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}`"
        cause = f"{path}:{line}: the file is not UTF-8"
        raise DataError(f"{cause}; if it is from Windows, {way_out}") from None


def _commas(path: Path, content: bytes) -> None:
    names = _header(content)
    if not names:
        raise DataError(f"{path}:1: the first line is empty; it has to name the columns")
    for sign, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and len(_header(content, sign)) > 1:
            raise DataError(
                f"{path}:1: the columns are divided by {called}; save it with commas, as CSV"
            )
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise DataError(
                f"{path}:1: column {number} of {len(names)} has no name; give it one in the first "
                "line"
            )


def _header(content: bytes, sign: str = ",") -> list[str]:
    """The first row's cells; what is no CSV is found where the rows are read."""
    text = content.decode("utf-8-sig")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=sign), [])
    except csv.Error:
        return [text.partition("\n")[0]]


def _enough(path: Path, rows: Sequence[DatasetRow], columns: Sequence[ColumnProfile]) -> None:
    if len(columns) < 2:
        only = columns[0].name if columns else ""
        raise DataError(
            f"{path} has one column, '{only}'; a model learns from two: what it is given and what "
            "it should answer"
        )
    if len(rows) < MIN_ROWS:
        raise DataError(
            f"{path} has {len(rows)} rows; {MIN_ROWS} are the fewest that leave something to judge "
            "on, a few hundred are a start"
        )
    for column in columns:
        if not _encodes(column.name):
            raise DataError(f"{path}: a column's name is no text; rename it")


def _column(name: str, rows: Sequence[DatasetRow]) -> ColumnProfile:
    values = [row[name] for row in rows if has_value(row, name)]
    kinds = {_kind(value) for value in values}
    kind: Kind = "empty" if not kinds else kinds.pop() if len(kinds) == 1 else "mixed"
    words = sum(len(str(value).split()) for value in values) / max(1, len(values))
    if kind in ("nested", "mixed"):
        return ColumnProfile(name, kind, len(values), words, {})
    return ColumnProfile(name, kind, len(values), words, dict(Counter(values).most_common()))


def _kind(value: Any) -> Kind:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "nested"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return text.isprintable()
