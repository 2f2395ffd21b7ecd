"""The demo ends well on every machine: with AVX2 alone, with one thread, beside a load of eight.

    python -m tests.proofs.demo_anywhere                              every setting, twice
    python -m tests.proofs.demo_anywhere --setting avx2 --runs 1

Each run is `tidemill demo` in a folder and on ports of its own; its output is kept beside it.
Ends with 0 where every run ended with `ok: true`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tidemill.adapters.local.processes import free_port

SHIM = Path(__file__).with_name("avx2_only.c")
LOAD = 8
"""Busy processes of the setting `loaded`."""
_BURN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"
"""Calculates for nothing until whoever started it is gone."""
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Setting:
    """How a machine is made smaller than it is."""

    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    """What the demo is started with."""
    load: int = 0
    """Busy processes beside it."""


def settings(folder: Path) -> dict[str, Setting]:
    """All settings by name."""
    pinned = ("taskset", "-c", str(min(os.sched_getaffinity(0)))) if shutil.which("taskset") else ()
    return {
        "plain": Setting(),
        "avx2": Setting({**AVX2, **hidden(folder)}),
        "one-thread": Setting(ONE_THREAD, pinned),
        "loaded": Setting(load=LOAD),
    }


def hidden(folder: Path) -> dict[str, str]:
    """LD_PRELOAD of the shim that hides AVX-512 from ONNX Runtime, which has no switch of its own;
    nothing without a compiler or where CPUID cannot trap."""
    compiler = shutil.which("cc")
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if compiler is None or "cpuid_fault" not in flags:
        print("avx2: ONNX Runtime keeps its own choice (no compiler, or CPUID does not trap)")
        return {}
    library = folder.resolve() / "avx2_only.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SHIM], check=True)
    return {"LD_PRELOAD": str(library)}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that calculate for nothing, until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", _BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def play(setting: Setting, folder: Path, cache: Path) -> dict[str, Any]:
    """One demo; gives what the table shows of it."""
    names = ("GATEWAY", "DAGSTER", "BROKER")
    ports = {f"TIDEMILL_{name}_PORT": str(free_port()) for name in names}
    words = [*setting.command, sys.executable, "-m", "tidemill", "demo", "--folder", str(folder)]
    environment = {**os.environ, **ports, **setting.environment, "TIDEMILL_CACHE": str(cache)}
    started, output = time.monotonic(), folder.with_suffix(".txt")
    output.parent.mkdir(parents=True, exist_ok=True)
    with busy(setting.load), output.open("w") as stream:
        code = subprocess.call(words, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    found: dict[str, Any] = {"ok": False, "seconds": round(time.monotonic() - started)}
    report = folder / "report.json"
    if report.exists():
        told = json.loads(report.read_text())
        before, after = told["quality_before"], told["quality_after"]
        found |= {"before": before["value"], "after": after["value"]}
        found |= {"ok": code == 0 and told["ok"]}
    return {**found, "said": output.read_text().strip().splitlines()[-1]}


def row(name: str, number: int, found: Mapping[str, Any]) -> str:
    """One line of the table."""
    accuracy = (
        f"{found['before']:>6.0%} {found['after']:>6.0%}" if "before" in found else "     –      –"
    )
    said = "" if found["ok"] else f"  {found['said']}"
    return f"{name:<11} {number:>3}  {found['ok']!s:<5} {found['seconds']:>7} {accuracy}{said}"


@click.command()
@click.option("--setting", "chosen", multiple=True, help="One of them; may be given again.")
@click.option("--runs", default=2, show_default=True, help="Demos in each setting.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".tidemill/anywhere"))
def main(chosen: tuple[str, ...], runs: int, folder: Path) -> None:
    """Play the demo in each setting."""
    known = settings(folder)
    ok, lines = True, [f"{'setting':<11} run  ok    seconds before  after"]
    for name in chosen or tuple(known):
        for number in range(1, runs + 1):
            found = play(known[name], folder.resolve() / f"{name}-{number}", folder.resolve())
            lines.append(row(name, number, found))
            print(lines[-1], flush=True)
            ok = ok and found["ok"]
    print("\n".join(["", *lines]))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
