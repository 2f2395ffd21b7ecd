"""How quickly a plan comes: cold (nothing kept anywhere) and warm, at 100, 1,000 and 10,000 specs.

One learning rate is edited, as on a usual pull request; `all edited` is the worst case, in which
every project has to be read on both sides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.bench import thousand

Row = dict[str, object]
SIZES = (100, 1_000, 10_000)
WHO = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}
LIMITS = {"cold": 5.0, "warm": 1.0}
MEMORY = 500


def run() -> list[Row]:
    """Wall-clock seconds, interpreter start included, and the memory of all processes together."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = [row for size in SIZES for row in _of(root / str(size), size)]
        whole = root / str(SIZES[-1])
        _edit(whole, whole.glob("specs/*/finetune-*.yaml"))
        seconds, memory = _plan(whole, cold=True)
        name = f"plan {SIZES[-1]:,} specs cold, all edited"
        return [*found, _row(name, seconds, "s"), _row(f"{name}: memory", memory, "MiB")]


def _of(root: Path, size: int) -> list[Row]:
    thousand.write(root / "specs", size)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        subprocess.run(["git", "-C", str(root), *command], check=True, env={**os.environ, **WHO})
    _edit(root, [root / "specs" / "project-0" / "finetune-3.yaml"])
    cold = [_plan(root, cold=True) for _ in range(3)]
    warm = [_plan(root, cold=False) for _ in range(3)]
    judged = size == SIZES[-1]
    name = f"plan {size:,} specs"
    return [
        _row(f"{name} cold", min(cold)[0], "s", LIMITS["cold"] if judged else None),
        _row(f"{name} warm", min(warm)[0], "s", LIMITS["warm"] if judged else None),
        _row(f"{name}: memory", max(m for _, m in cold), "MiB", MEMORY if judged else None),
    ]


def _edit(root: Path, paths: object) -> None:
    for path in paths:  # type: ignore[attr-defined]
        path.write_text(path.read_text().replace("0.0005", "0.0007"))


def _plan(root: Path, *, cold: bool) -> tuple[float, float]:
    """Seconds of one plan, and the most MiB its processes held together."""
    home = root / ".home"
    if cold:
        shutil.rmtree(home, ignore_errors=True)
    settings = {"TIDEMILL_SPECS": str(root / "specs"), "TIDEMILL_HOME": str(home)}
    return _measured([sys.executable, "-m", "tidemill", "plan"], settings)


def _measured(command: list[str], settings: Mapping[str, str]) -> tuple[float, float]:
    start, most = time.perf_counter(), 0.0
    process = psutil.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, _held(process))
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    assert process.returncode == 2, "the edit was not planned"
    return seconds, most


def _held(process: psutil.Popen) -> float:
    """MiB of a process and its children; shared pages count once for each."""
    try:
        every = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in every) / (1 << 20)
    except psutil.Error:
        return 0.0


def _row(name: str, value: float, unit: str, limit: float | None = None) -> Row:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "limit": "" if limit is None else f"<= {limit:g}",
        "ok": limit is None or value <= limit,
    }
