"""Memory of the whole demo, read from the report of the newest `make demo`."""

from __future__ import annotations

import json
from pathlib import Path

REPORT = Path(".tidemill/demo/report.json")


def run() -> list[dict[str, object]]:
    """Peak of the proportional memory of all the demo's processes, sampled once a second."""
    if not REPORT.exists():
        raise FileNotFoundError(f"{REPORT} is not there; run `make demo` first")
    report = json.loads(REPORT.read_text())
    peak = report["peak_bytes"] / 2**30
    return [
        {
            "name": "the demo's peak memory",
            "value": peak,
            "unit": "GiB",
            "limit": "<= 8",
            "ok": peak <= 8,
        },
        {
            "name": "the demo's time",
            "value": report["seconds"],
            "unit": "s",
            "limit": "<= 480",
            "ok": report["seconds"] <= 480,
        },
    ]
