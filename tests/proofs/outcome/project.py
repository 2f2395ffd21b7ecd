"""The project of a new user: `tidemill init` on a file, with nothing edited but waiting times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.proofs.banking77 import free_ports
from tests.proofs.cli import Person
from tests.proofs.outcome.questions import Question, write
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.settings import Settings

SERVICE = "desk"
_TIMES = re.compile(r"\b(hold|quiet|max_wait|cooldown|initial_delay): \d+(s|m|h|d)\b")
_WAITS = re.compile(r"\b(ratings_within|after): \d+(s|m|h|d)\b")
_DAILY = re.compile(r"\bdaily_limit: \d+")


class Desk:
    """A project, its home and its services on ports of their own."""

    def __init__(self, folder: Path) -> None:
        self.person = Person(folder / "specs", folder / "home")
        self.folder, self.ports = folder, free_ports()

    @property
    def specs(self) -> Path:
        """The project's folder."""
        return self.folder / "specs" / SERVICE

    @property
    def settings(self) -> Settings:
        """The settings of its processes."""
        return Settings.read({**self.person.environment, **self.ports})

    def home(self) -> Home:
        """Its home, opened anew."""
        return Home(self.settings)

    def types(self, *words: str) -> str:
        """Run a command; gives its output, raises TidemillError with its messages."""
        done = self.person.types(*words, **self.ports)
        if done.returncode:
            raise TidemillError(f"`tidemill {' '.join(words)}`: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def begin(self, rows: Sequence[Question]) -> None:
        """Write a file of texts and labels, and let `init` do the rest."""
        file = self.folder / "intents.csv"
        write(file, rows)
        self.begin_with(file)

    def begin_with(self, file: Path) -> None:
        """A project for this file as `init` writes it, with shortened waiting times."""
        self.types("init", SERVICE, "--data", str(file), "--yes")
        for spec in sorted(self.specs.glob("*.yaml")):
            shortened = _WAITS.sub(r"\1: 60s", _TIMES.sub(r"\1: 2s", spec.read_text()))
            spec.write_text(_DAILY.sub("daily_limit: 100", shortened))
