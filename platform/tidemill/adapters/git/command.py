"""Runs `git` and turns what it says into errors a person can use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.git.refusals import without_credentials
from tidemill.errors import ServiceError

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
"""No question at a terminal nobody sits at, no lock for a look, messages we can read."""


def git(
    folder: Path,
    *arguments: str,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Standard output of `git -C folder …`; raises ServiceError with what Git said."""
    done = run(folder, *arguments, given=given, environment=environment)
    if done.returncode:
        said = without_credentials(done.stderr.decode(errors="replace").strip())
        raise ServiceError(f"git {' '.join(arguments[:2])} failed: {said}")
    return done.stdout


def attempt(folder: Path, *arguments: str) -> str | None:
    """Standard output as text, or None where Git is missing or says no."""
    if not shutil.which("git") or not folder.exists():
        return None
    done = run(folder, *arguments)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def run(
    folder: Path,
    *arguments: str,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """`git -C folder …` to its end, whatever that is; raises ServiceError where Git is missing."""
    if not shutil.which("git"):
        raise ServiceError("`git` is not installed; install it, or check the specs out by hand")
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=given,
        capture_output=True,
        check=False,
        env={**os.environ, **QUIET, **(environment or {})},
    )
