"""Runs a verb of `tidemill` that ends, or is held up, at a step, as its own process.

    python -m tests.halted STEP before|after|during|hold|count VERB…

STEP is `module:attribute` (a dotted attribute of a class will do), with `#2` behind it for the
second call. The first three kill the process as a power cut would; `during` is for the start of
a process, which goes on alone. `hold` waits at the step and `count` only counts the calls: see
`Gate`.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tidemill.cli import main

ROOT = Path(__file__).parents[1]
GATE = "HALTED_GATE"


@dataclass(frozen=True)
class Gate:
    """A folder through which a test and a process that it started speak."""

    folder: Path

    @property
    def calls(self) -> int:
        """How often the step was reached."""
        path = self.folder / "calls"
        return path.stat().st_size if path.exists() else 0

    def reached(self) -> None:
        """The process has come to the step."""
        with (self.folder / "calls").open("a") as file:
            file.write(".")

    def open(self) -> None:
        """Let the process go on."""
        (self.folder / "open").touch()

    def pass_through(self) -> None:
        """Wait until the gate is open."""
        until((self.folder / "open").exists)


def until(true: Callable[[], bool], seconds: float = 200.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.02)


def environment(**more: str) -> dict[str, str]:
    """For processes of a test: the packages of this one, and its tests."""
    path = os.pathsep.join([str(ROOT), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "", **more}


def halt(step: str, when: str) -> None:
    """Replace a function by one that halts this process."""
    step, _, number = step.partition("#")
    module, _, path = step.partition(":")
    holder: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    real = getattr(holder, name)
    left = [int(number or 1)]

    @functools.wraps(real)
    def halting(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if when in ("hold", "count"):
            gate = Gate(Path(os.environ[GATE]))
            gate.reached()
            if when == "hold":
                gate.pass_through()
            return real(*args, **options)
        if left[0]:
            return real(*args, **options)
        if when == "during":
            subprocess.Popen(args[0], env=options["env"])
        if when == "after":
            real(*args, **options)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, halting)


if __name__ == "__main__":
    halt(*sys.argv[1:3])
    main(sys.argv[3:])
