"""Which columns a cleaning step works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidemill.data.rows import METADATA_COLUMNS, PREFIX
from tidemill.rows import MutableRow


def map_columns(
    rows: Sequence[MutableRow], columns: tuple[str, ...], to: Callable[[str], str]
) -> list[MutableRow]:
    """Rows with the text of the named columns changed; of every text column without names."""
    return [
        {k: to(v) if isinstance(v, str) and is_selected(k, columns) else v for k, v in row.items()}
        for row in rows
    ]


def is_selected(name: str, columns: tuple[str, ...]) -> bool:
    """Whether a step that names these columns works on this one."""
    if columns:
        return name in columns
    return not name.startswith(PREFIX) and name not in METADATA_COLUMNS
