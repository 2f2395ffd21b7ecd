"""Where the demo plays: a fresh Git repository, a home, the services, a stopwatch."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil

from tidemill import entry_points
from tidemill.errors import ServiceError, TidemillError
from tidemill.home import Home
from tidemill.pipeline.context import Say
from tidemill.settings import Settings

AUTHOR = ("-c", "user.name=Demo", "-c", "user.email=demo@example.invalid")


@dataclass
class Stage:
    """One demo: its folders, its settings, and what has happened so far."""

    folder: Path
    settings: Settings
    say: Say
    steps: list[dict[str, Any]] = field(default_factory=list)
    peak_bytes: int = 0

    @classmethod
    def build(cls, source: Path, folder: Path, say: Say) -> Stage:
        """A fresh stage from the specs in `source`; an older demo in `folder` is removed."""
        if not (source / "support-chat").is_dir():
            raise TidemillError(
                f"{source} holds no project 'support-chat'; run the demo in a checkout of Tidemill "
                "or name its specs with --specs"
            )
        mine = Settings.read()
        cache = mine.cache if "cache" in mine.model_fields_set else folder.parent / "cache"
        shutil.rmtree(folder, ignore_errors=True)
        repository = folder / "repository"
        shutil.copytree(source, repository / "specs")
        environment = {
            **os.environ,
            "TIDEMILL_SPECS": str(repository / "specs"),
            "TIDEMILL_HOME": str(folder / "home"),
            "TIDEMILL_CACHE": str(cache),
            "TIDEMILL_SUBJECT_KEY": secrets.token_hex(32),
        }
        os.environ.update(environment)
        stage = cls(folder, Settings.read(environment), say)
        stage.git("init", "--quiet", "--initial-branch=main")
        stage.git("add", "specs")
        stage.git("commit", "--quiet", "--message", "Describe the shop's support chat")
        return stage

    @cached_property
    def home(self) -> Home:
        """The home; its processes write to the same ledger."""
        return Home(self.settings)

    def git(self, *arguments: str) -> None:
        """Run Git in the demo's repository."""
        if not shutil.which("git"):
            raise ServiceError("`git` is not installed and the demo needs it; install git")
        where = ["git", "-C", str(self.folder / "repository"), *AUTHOR]
        subprocess.run([*where, *arguments], check=True)

    def tidemill(self, *arguments: str) -> None:
        """Run a command of ours as a person would; raises what its exit code says."""
        done = subprocess.run([sys.executable, "-m", entry_points.CLI, *arguments], check=False)
        if done.returncode:
            raise TidemillError(
                f"`tidemill {' '.join(arguments)}` ended with exit code {done.returncode}"
            )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the story."""
        self.say(f"── {name}")
        start = time.monotonic()
        try:
            yield
        finally:
            self.steps.append({"name": name, "seconds": round(time.monotonic() - start, 1)})

    def wait(self, what: str, ready: Any, *, seconds: float, hint: str) -> Any:
        """Ask `ready()` until it gives something; raises ServiceError with the hint after that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = ready()
            if found:
                return found
            time.sleep(0.3)
        raise ServiceError(f"waited {seconds:g} s for {what}; {hint}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the largest resident memory of the demo's processes, sampled every second."""
        done = Event()

        def sample() -> None:
            while not done.wait(1.0):
                self.peak_bytes = max(self.peak_bytes, resident(self.settings.home))

        thread = Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def resident(home: Path) -> int:
    """Proportional memory, in bytes, of this process, its children, and the services of a home."""
    mine = psutil.Process()
    found = {process.pid: process for process in (mine, *mine.children(recursive=True))}
    for process in psutil.process_iter():
        with_home = _environment(process).get("TIDEMILL_HOME")
        if with_home == str(home):
            found[process.pid] = process
    return sum(map(_memory, found.values()))


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except (psutil.Error, OSError):
        return 0
