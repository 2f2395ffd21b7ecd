"""`make bench`: every speed claim, measured here and now; a table, and `.tidemill/bench.json`."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Row = dict[str, object]
PARTS = ("start", "plan", "why", "ingest", "serving", "generation", "training", "memory")
REPORT = Path(".tidemill/bench.json")


def main(wanted: list[str]) -> int:
    """Run the named parts (all without names); 0 when every limit held."""
    rows: list[Row] = []
    for part in wanted or PARTS:
        print(f"── {part}", flush=True)
        found = measured(import_module(f"tests.bench.bench_{part}").run, part)
        print(table(found), flush=True)
        rows += found
    REPORT.parent.mkdir(exist_ok=True)
    fresh = REPORT.with_suffix(".json.fresh")
    fresh.write_text(json.dumps(rows, indent=1) + "\n")
    fresh.replace(REPORT)
    print(f"\n{table(rows)}\n\nwritten to {REPORT}")
    return 0 if all(row["ok"] for row in rows) else 2


def measured(run: Callable[[], list[Row]], part: str) -> list[Row]:
    """The rows of one part; a part that breaks is a row that is not ok."""
    try:
        return run()
    except Exception:  # noqa: BLE001 - one broken part must not hide the other figures
        traceback.print_exc()
        return [{"name": f"{part} broke", "value": None, "unit": "", "limit": "", "ok": False}]


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [f"{'measure':58} {'value':>12} {'unit':8} {'limit':>12}  ok"]
    for row in rows:
        value = row["value"]
        shown = f"{value:,.4g}" if isinstance(value, float) else str(value)
        ok = "yes" if row["ok"] else "NO"
        lines.append(f"{row['name']!s:58} {shown:>12} {row['unit']!s:8} {row['limit']!s:>12}  {ok}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
