"""The arguments and the result of every builder of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.engine.measurement import Check as Check
from tidemill.engine.measurement import Measure as Measure
from tidemill.ports import Artefact, Clock, Store
from tidemill.progress import Progress, no_progress
from tidemill.spec.base import Spec


@dataclass(frozen=True)
class BuildResult:
    """An asset as it was built: its artefacts, measures and checks."""

    artefact: Artefact
    """The main artefact, the one the next asset takes."""
    steps: Mapping[str, Artefact] = field(default_factory=dict)
    """Other artefacts on the way, by step name (`merge`, `quantise`, `tensorrt-rtx`)."""
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    """Small JSON-able facts for the run record and the UI (rows, steps, seconds, tokens/s)."""
    charts: Mapping[str, bytes] = field(default_factory=dict)
    """PNG bytes by title, for the UI."""
    tables: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    """Small tables by title, for the UI (worst failures, hops)."""
    reused: bool = False


@dataclass(frozen=True)
class BuildContext:
    """What a builder gets: folders, the artefact store, the clock, and callbacks."""

    project_folder: Path
    """The project's folder; paths in specs are relative to it."""
    scratch: Path
    """A folder of this asset's own that survives a killed run (checkpoints live here)."""
    cache: Path
    """Shared downloads (wheels, converted base models)."""
    store: Store
    clock: Clock
    progress: Progress = no_progress
    read_feedback: Callable[..., Any] | None = None
    """Reads feedback rows for a Feedback source: (name, kinds, since, offsets) → rows and the
    frozen offset ranges; given by the ledger."""
    baseline_report: Callable[[str], Artefact | None] | None = None
    """The evaluation artefact of the live release of a service, or of a pinned digest."""
    specs: Mapping[str, Spec] = field(default_factory=dict)
    """All specs of the project by name."""
    subject_key: bytes | None = field(default=None, repr=False)
    """Keys the hash of user ids in rows."""
