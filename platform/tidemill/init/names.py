"""Names and values as specs and templates can hold them."""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections.abc import Collection
from typing import Any

import yaml

from tidemill.data.rows import METADATA_COLUMNS
from tidemill.spec.positions import parse

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*\Z")


def slug(text: str, separator: str = "-") -> str:
    """Lower-case ASCII letters and digits, with separators between: a spec's name or a variable."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", separator, plain).strip(separator)[:40].strip(separator)


def variable(column: str, used: Collection[str] = ()) -> str:
    """A name that a template can use for a column; its own where that is one already.

    Columns that mean something to a dataset (`weight`, `id`, …) get another name.
    """
    name = column
    if not (column.isascii() and column.isidentifier()):
        name = slug(column, "_") or "column"
    if not name.isidentifier() or keyword.iskeyword(name):
        name = f"column_{name}"
    reserved = {*METADATA_COLUMNS, *_TEMPLATE, *used}
    while name in reserved:
        name = f"{name}_text"
    return name


_TEMPLATE = ("examples", "passages", "context", "loop", "true", "false", "none", "range", "dict")


def yaml_inline(value: Any) -> str:
    """A value as it stands in a YAML file, quoted where it has to be; never breaks a line."""
    if isinstance(value, str):
        if _PLAIN.match(value) and _reads_as_text(value):
            return value
        text: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf)
        return text.strip()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_inline, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _reads_as_text(text: str) -> bool:
    from pathlib import Path

    return bool(parse(f"a: {text}\n".encode(), Path("a")).value == {"a": text})
