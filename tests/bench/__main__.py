"""`make bench`: every speed claim, measured here and now; a table, and `.tidemill/bench.json`.

Each part has a process of its own: what one leaves in memory slows the next one down.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.bench.part import Row, measured

PARTS = ("start", "plan", "why", "ingest", "serving", "generation", "training", "memory")
REPORT = Path(".tidemill/bench.json")


def main(wanted: list[str]) -> int:
    """Run the named parts (all without names); 0 when every limit held."""
    rows: list[Row] = []
    for part in wanted or PARTS:
        print(f"── {part}", flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            found = alone.submit(measured, part).result()
        print(table(found), flush=True)
        rows += found
    REPORT.parent.mkdir(exist_ok=True)
    fresh = REPORT.with_suffix(".json.fresh")
    fresh.write_text(json.dumps(rows, indent=1) + "\n")
    fresh.replace(REPORT)
    print(f"\n{table(rows)}\n\nwritten to {REPORT}")
    return 0 if all(row["ok"] for row in rows) else 2


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
