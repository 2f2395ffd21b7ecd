"""Runs `git` and turns what it says into errors a person can use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidemill.adapters.git.push_errors import redact_credentials
from tidemill.errors import ServiceError

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
"""No question at a terminal nobody sits at, no lock for a look, messages we can read."""

_SETTINGS = (
    "log.showSignature=false",  # else a line before each signed commit
    "log.follow=false",
    "log.diffMerges=separate",
    "diff.relative=false",
    "status.showUntrackedFiles=normal",  # a new spec counts, whatever its author likes to see
    "core.quotePath=false",
)
PLAIN_CONFIG = tuple(word for setting in _SETTINGS for word in ("-c", setting))
"""A person's own settings of these change what Git says, and we read what it says."""

GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Set by Git for its hooks, and about another folder than the one we ask for."""


def git(
    folder: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> bytes:
    """Standard output of `git -C folder …`; raises ServiceError with what Git said, or after
    `timeout` seconds."""
    done = run(folder, *arguments, stdin=stdin, environment=environment, timeout=timeout)
    if done.returncode:
        message = redact_credentials(done.stderr.decode(errors="replace").strip())
        raise ServiceError(f"git {' '.join(arguments[:2])} failed: {message}")
    return done.stdout


def try_git(folder: Path, *arguments: str) -> str | None:
    """Standard output as text, or None where Git is missing or says no."""
    if not shutil.which("git") or not folder.exists():
        return None
    done = run(folder, *arguments)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def run(
    folder: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """`git -C folder …` to its end, whatever that is; raises ServiceError where Git is missing, or
    does not end within `timeout` seconds."""
    if not shutil.which("git"):
        raise ServiceError("`git` is not installed; install it, or check the specs out by hand")
    command = ["git", "-C", str(folder), *PLAIN_CONFIG, *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**inherited, **QUIET, **(environment or {})},
        start_new_session=timeout is not None,  # its helpers (ssh, https) end with it
    ) as process:
        try:
            output, messages = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise ServiceError(
                f"git {arguments[0]} did not end within {timeout:g} s; it was stopped"
            ) from None
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, messages)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop Git and, where it leads a group of its own, everything it started."""
    with suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
