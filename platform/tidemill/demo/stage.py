"""Where the demo plays: a fresh Git repository, a home, the services, a stopwatch."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypedDict

import psutil

from tidemill import entry_points
from tidemill.demo.pulse import signs
from tidemill.engine.standstill import Signs, Standstill
from tidemill.errors import ServiceError, TidemillError
from tidemill.home import Home
from tidemill.progress import Progress
from tidemill.settings import Settings

PROJECT = SERVICE = "support-chat"
STILL = 300.0
"""Seconds without any progress after which the demo stops waiting."""
AUTHOR = ("-c", "user.name=Demo", "-c", "user.email=demo@example.invalid")


class StepTime(TypedDict):
    """How long one step of the story took."""

    name: str
    seconds: float


@dataclass
class Stage:
    """One demo: its folders, its settings, and what has happened so far."""

    folder: Path
    settings: Settings
    say: Progress
    steps: list[StepTime] = field(default_factory=list)
    peak_bytes: int = 0

    @classmethod
    def build(cls, source: Path, folder: Path, say: Progress) -> Stage:
        """A fresh stage from the specs in `source`; an older demo in `folder` is removed."""
        if not (source / PROJECT).is_dir():
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
        command = ["git", "-C", str(self.folder / "repository"), *AUTHOR]
        subprocess.run([*command, *arguments], check=True)

    def tidemill(self, *arguments: str) -> None:
        """Run a command of ours as a person would; raises TidemillError with its last words."""
        command = [sys.executable, "-m", entry_points.CLI, *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            last = ""
            for line in map(str.strip, process.stderr):
                if line:
                    last = line
                    self.say(line)
        if process.returncode:
            ended = f"`tidemill {' '.join(arguments)}` ended with exit code {process.returncode}"
            raise TidemillError(last or ended)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the story."""
        self.say(f"── {name}")
        start = time.monotonic()
        try:
            yield
        finally:
            self.steps.append({"name": name, "seconds": round(time.monotonic() - start, 1)})

    def wait(self, what: str, ready: Callable[[], Any]) -> Any:
        """Ask `ready()` until it gives something; raises ServiceError when nothing moves any more.

        A run that moves is waited for, however slow the machine is; see `demo.pulse`.
        """
        pulse = self.pulse(what)
        while not (value := ready()):
            pulse.check()
            time.sleep(0.5)
        return value

    def pulse(self, what: str) -> Pulse:
        """Watches for progress from now on."""
        return Pulse(what, self.signs)

    def signs(self) -> Signs:
        """What has been done so far."""
        return signs(self.home, PROJECT, SERVICE)

    @contextmanager
    def track_memory(self) -> Iterator[None]:
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


class Pulse:
    """Raises ServiceError once nothing has moved for STILL seconds."""

    def __init__(self, what: str, signs: Callable[[], Signs]) -> None:
        self.what, self.signs = what, signs
        self.still = Standstill(time.monotonic(), signs(), STILL)
        self.looked = time.monotonic()

    def check(self) -> None:
        """Look again, once a second at most."""
        if time.monotonic() - self.looked < 1:
            return
        self.looked = time.monotonic()
        self.still = self.still.look(self.signs(), self.looked)
        if self.still.over(time.monotonic()):
            raise ServiceError(
                f"waiting for {self.what}: nothing has moved for {STILL:g} s, no record, no run "
                "and no model server"
            )


def resident(home: Path) -> int:
    """Proportional memory, in bytes, of this process, its children, and the services of a home."""
    mine = psutil.Process()
    processes = {process.pid: process for process in (mine, *mine.children(recursive=True))}
    for process in psutil.process_iter():
        with_home = _environment(process).get("TIDEMILL_HOME")
        if with_home == str(home):
            processes[process.pid] = process
    return sum(map(_memory, processes.values()))


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
