"""Run the command line as a person would, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tidemill.settings import Settings


@dataclass(frozen=True)
class Person:
    """Somebody with a folder of specs and a home."""

    specs: Path
    home: Path

    def types(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """`tidemill …`; its exit code, output and messages. Progress goes to the terminal too."""
        done = subprocess.run(
            [sys.executable, "-m", "tidemill", *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"$ tidemill {' '.join(arguments)}  → {done.returncode}", flush=True)
        return done

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this person's shell."""
        return {
            **os.environ,
            "TIDEMILL_SPECS": str(self.specs),
            "TIDEMILL_HOME": str(self.home),
            "TIDEMILL_CACHE": str(Settings.read().cache),
            "TIDEMILL_SUBJECT_KEY": "proof",
        }
