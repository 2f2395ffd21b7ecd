"""How quickly Tidemill starts, validates, and fills a Dagster code location."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import thousand

Row = dict[str, object]


def run() -> list[Row]:
    """Wall-clock seconds, interpreter start included; the best of three for the short ones."""
    with tempfile.TemporaryDirectory() as folder:
        specs = thousand.write(Path(folder) / "specs", 1000)
        environment = {**os.environ, "TIDEMILL_SPECS": str(specs), "TIDEMILL_HOME": folder}
        definitions = "from tidemill_assets.definitions import defs; defs().get_repository_def()"
        return [
            row("import tidemill", best("-c", "import tidemill"), 0.4),
            row("tidemill --help", best("-m", "tidemill", "--help"), 0.4),
            row("validate 1,000 specs", best("-m", "tidemill", "validate", str(specs)), 2.0),
            row("definitions of 1,000 specs", best("-c", definitions, env=environment, n=1), 8.0),
        ]


def row(name: str, seconds: float, limit: float) -> Row:
    """One row of the table."""
    return {
        "name": name,
        "value": seconds,
        "unit": "s",
        "limit": f"<= {limit}",
        "ok": seconds <= limit,
    }


def best(*arguments: str, env: dict[str, str] | None = None, n: int = 3) -> float:
    """Seconds of the quickest of n runs of Python."""
    found = []
    for _ in range(n):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, env=env, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - start)
    return min(found)
