"""One part of the bench, run in a process of its own."""

from __future__ import annotations

import traceback
from importlib import import_module

Row = dict[str, object]


def measured(part: str) -> list[Row]:
    """The rows of one part; a part that breaks is a row that is not ok."""
    try:
        rows: list[Row] = import_module(f"tests.bench.bench_{part}").run()
        return rows
    except Exception:  # noqa: BLE001 - one broken part must not hide the other figures
        traceback.print_exc()
        return [{"name": f"{part} broke", "value": None, "unit": "", "limit": "", "ok": False}]
