"""Runs `tidemill sync` and kills itself: `python -m tests.sync.killed STEP before|after|during`.

STEP is `module:attribute` (a dotted attribute of a class will do); `during` is for the start of a
process, which goes on alone.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from importlib import import_module
from typing import Any

from tidemill.cli import main


def kill_at(step: str, when: str) -> None:
    """Replace a function by one that ends this process as a power cut would."""
    module, _, path = step.partition(":")
    holder: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    real = getattr(holder, name)

    @functools.wraps(real)
    def dying(*args: Any, **options: Any) -> Any:
        if when == "during":
            subprocess.Popen(args[0], env=options["env"])
        if when == "after":
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, dying)


if __name__ == "__main__":
    kill_at(*sys.argv[1:3])
    main(["sync", "--once", "--json"])
