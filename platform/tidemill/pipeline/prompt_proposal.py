"""A search's outcome as something to merge: the files that change, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tidemill.pipeline import candidates
from tidemill.pipeline.optimise import Found
from tidemill.pipeline.search_report import Report, costs, difference
from tidemill.search import Candidate
from tidemill.spec.load import Loaded, shown
from tidemill.spec.prompt import Optimise
from tidemill.spec.rewrite import rewrite


def files(found: Found, loaded: Loaded) -> dict[str, bytes | None]:
    """Path below the project's folder → new content; only the lines that change differ."""
    if found.leader is None:
        return {}
    changes = candidates.changes(found.spec, found.leader, found.encoder)
    text = rewrite(loaded.path.read_bytes(), changes, shown(loaded.path))
    written: dict[str, bytes | None] = {loaded.path.name: text}
    chosen = candidates.lines(found.spec, found.leader)
    if chosen is not None:
        written[candidates.file_of(found.spec)] = chosen
    return written


def report(
    found: Found,
    search: Optimise,
    project: str,
    folder: Path,
    changed: Mapping[str, bytes | None],
    command: str,
    stale: Sequence[str],
    *,
    priced: bool,
) -> Report:
    """What is told of a search, whatever came of it."""
    before = {path: (folder / path).read_bytes() for path in changed if (folder / path).is_file()}
    notes = [f"{found.parts.excluded} train rows took no part: a held-out row asks the same"]
    told = [f"{found.remarks} remarks of users were read"] if found.remarks else []
    return Report(
        title=f"{project}/{found.spec.name}",
        what="prompt",
        model=f"'{found.model}'",
        metric=search.metric,
        how=f"Method {found.method}, seed {found.seed}",
        ranked_on=f"{len(found.parts.ranking)} rows of {search.train}",
        decided_on=f"{len(found.parts.deciding)} rows of {search.validate_on}",
        trials=tuple((said(found, trial.candidate), trial.value) for trial in found.trials),
        leader=said(found, found.leader) if found.leader else "",
        decision=found.decision,
        better=found.better,
        worse=found.worse,
        flipped=found.flipped,
        cost=costs(found.spent, found.fresh, found.limits, priced),
        ended=found.ended,
        command=command,
        stale=tuple(stale),
        notes=(*(notes if found.parts.excluded else ()), *told),
        diff=difference({str(PurePosixPath(p)): old for p, old in before.items()}, changed),
    )


def said(found: Found, candidate: Candidate) -> str:
    """A candidate in a few words."""
    start = found.trials[0].candidate if found.trials else None
    if candidate == start:
        return "as it is now"
    parts = []
    if start is None or candidate.system != start.system:
        first = " ".join(candidate.system.split())
        parts.append(f"“{first if len(first) <= 80 else first[:79] + '…'}”")
    if candidate.k:
        kind = "chosen" if candidate.examples is not None else candidate.selection
        parts.append(f"{candidate.k} {kind} example{'s' if candidate.k > 1 else ''}")
    return ", ".join(parts) or "no examples"
