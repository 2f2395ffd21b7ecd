"""Every error Tidemill raises, in one tree.

TidemillError                 exit 1
├── SettingsError             environment variables that cannot be used; carries all of them
├── SpecError                 specs that cannot be used; carries every `Problem` at once
├── UnknownName               a name nothing answers to, with the nearest ones
├── AmbiguousName             a name that several things answer to
├── MissingExtra              an optional package is not installed
├── DataError                 rows or files that cannot become a dataset
├── ArtefactError             something is wrong with bytes on disk
│   ├── MissingArtefact       the digest is known, its bytes are not here
│   ├── TamperedArtefact      the bytes do not match their digest
│   ├── HashMismatch          a download does not match the sha256 in its spec
│   ├── UnsafeFormat          a pickle, or code that was not pinned
│   └── PromptTooLong         a conversation that does not fit the model
├── TrainingError             a training run cannot go on
│   └── Diverged              the watchdog stopped a loss that ran away
├── EventError                an event that breaks its contract
├── ServiceError              a process or a network peer is not usable
│   ├── PortTaken             another process listens there
│   ├── Overtaken             another ingest process read on from here
│   ├── Overloaded            too many requests wait already
│   ├── AnswerLost            a question was sent, and no answer came: it may have to be paid
│   └── BrokerDown            no Kafka-protocol broker answers
├── BadRequest                a request to a service that cannot be answered as it stands
├── StorageError              no space, or no permission to write
├── GateFailed                an evaluation's gates said no; exit 2
├── CandidateRejected         the same specs and rows were rolled back before; exit 2
├── EquivalenceBroken         a transformation changed the answers too much; exit 2
├── NeedsApproval             a person has to agree first; exit 3
└── OverBudget                more than the spec allows; exit 3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Protocol


class TidemillError(Exception):
    """Base of all errors meant for a person; the message says what is wrong and the way out."""

    exit_code: ClassVar[int] = 1


_LONGEST = 500
"""Characters of a cause that are shown: what a file says may be a megabyte on one line."""
_MOST_NAMES = 30
"""Names that a message lists."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with one line of one file."""

    path: Path
    line: int
    cause: str
    way_out: str = ""

    def __str__(self) -> str:
        tail = f"; {self.way_out}" if self.way_out else ""
        cause = self.cause if len(self.cause) <= _LONGEST else f"{self.cause[:_LONGEST]}…"
        text = f"{self.path}:{self.line}: {cause}{tail}"
        # One problem is one line, and what a file says never drives the terminal.
        return "".join(c if c.isprintable() else " " for c in text)


class SettingsError(TidemillError):
    """Environment variables that cannot be used; `problems` has a sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class SpecError(TidemillError):
    """Specs that cannot be used; `problems` holds all of them, sorted by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UnknownName(TidemillError):
    """A name nothing answers to."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(f"no {what} is called '{name}'; {suggest(name, known)}")


class AmbiguousName(TidemillError):
    """A name that several things answer to."""

    def __init__(self, what: str, name: str, found: Sequence[str]) -> None:
        self.what, self.name, self.found = what, name, tuple(found)
        super().__init__(
            f"several projects have a {what} called '{name}'; name one: {_list(found)}"
        )


def suggest(name: str, known: Sequence[str]) -> str:
    """The nearest known name as a question, or the list (30 at most) when nothing is near."""
    near = get_close_matches(name[:_LONGEST], known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are: {_list(known)}" if known else "there are none yet"


def _list(names: Sequence[str]) -> str:
    different = sorted(set(names))
    rest = len(different) - _MOST_NAMES
    return ", ".join(different[:_MOST_NAMES]) + (f", … and {rest} more" if rest > 0 else "")


class MissingExtra(TidemillError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"'{package}' is not installed; pip install 'tidemill[{extra}]'")


class DataError(TidemillError):
    """Rows or files that cannot become a dataset."""


class ArtefactError(TidemillError):
    """Something is wrong with bytes on disk."""


class MissingArtefact(ArtefactError):
    """The digest is known, its bytes are not here."""


class TamperedArtefact(ArtefactError):
    """The bytes do not match their digest."""


class HashMismatch(ArtefactError):
    """A download does not match the sha256 in its spec."""


class UnsafeFormat(ArtefactError):
    """A pickle, or code that was not pinned."""


class PromptTooLong(ArtefactError):
    """A conversation that does not fit the model."""


class TrainingError(TidemillError):
    """A training run cannot go on."""


class Diverged(TrainingError):
    """The watchdog stopped a loss that ran away."""


class EventError(TidemillError):
    """An event that breaks its contract; it belongs in quarantine."""


class ServiceError(TidemillError):
    """A process or a network peer is not usable."""


class PortTaken(ServiceError):
    """Another process listens there."""


class Overloaded(ServiceError):
    """Too many requests wait already."""


class AnswerLost(ServiceError):
    """A question was sent and no answer came; it may have to be paid all the same."""


class Overtaken(ServiceError):
    """Another ingest process read on from here."""


class BrokerDown(ServiceError):
    """No Kafka-protocol broker answers."""


class BadRequest(TidemillError):
    """A request to a service that cannot be answered as it stands."""


class StorageError(TidemillError):
    """No space, or no permission to write."""


class GateFailed(TidemillError):
    """An evaluation's gates said no."""

    exit_code = 2


class CandidateRejected(TidemillError):
    """A candidate of the same specs and rows was rolled back before."""

    exit_code = 2


class HasDigest(Protocol):
    """What the store has under a digest."""

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits."""


class EquivalenceBroken(TidemillError):
    """A transformation changed the answers too much; the message names the hop."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        hops: Sequence[Any] = (),
        artefacts: Mapping[str, HasDigest] | None = None,
    ) -> None:
        self.hops = tuple(hops)
        """Every hop up to the broken one (`tidemill.engine.equivalence.Hop`)."""
        self.artefacts = dict(artefacts or {})
        """What was made up to there, by step; kept in the store."""
        super().__init__(message)


class NeedsApproval(TidemillError):
    """A person has to agree first."""

    exit_code = 3


class OverBudget(TidemillError):
    """More than the spec allows."""

    exit_code = 3
