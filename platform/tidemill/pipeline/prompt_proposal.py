"""A search's outcome as something to merge: the files that change, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tidemill.pipeline import candidates
from tidemill.pipeline.optimise import PromptSearchResult
from tidemill.pipeline.search_report import SearchReport, cost_lines, files_diff
from tidemill.search import Candidate
from tidemill.spec.load import LoadedSpec, display_path
from tidemill.spec.prompt import Optimise
from tidemill.spec.rewrite import rewrite


def changed_files(found: PromptSearchResult, loaded: LoadedSpec) -> dict[str, bytes | None]:
    """Path below the project's folder → new content; only the lines that change differ."""
    if found.leader is None:
        return {}
    changes = candidates.candidate_changes(found.spec, found.leader, found.encoder)
    text = rewrite(loaded.path.read_bytes(), changes, display_path(loaded.path))
    written: dict[str, bytes | None] = {loaded.path.name: text}
    chosen = candidates.examples_file(found.spec, found.leader)
    if chosen is not None:
        written[candidates.examples_path(found.spec)] = chosen
    return written


def search_report(
    found: PromptSearchResult,
    search: Optimise,
    project: str,
    folder: Path,
    changed: Mapping[str, bytes | None],
    command: str,
    stale: Sequence[str],
    *,
    priced: bool,
) -> SearchReport:
    """The report of a prompt search."""
    before = {path: (folder / path).read_bytes() for path in changed if (folder / path).is_file()}
    notes = [
        f"{found.row_sets.left_out} train rows were excluded: a held-out row has the same question"
    ]
    told = [f"{found.comments} user comments were used"] if found.comments else []
    return SearchReport(
        title=f"{project}/{found.spec.name}",
        subject="prompt",
        model=f"'{found.model}'",
        metric=search.metric,
        method=f"Method {found.method}, seed {found.seed}",
        ranked_on=f"{len(found.row_sets.dev)} rows of {search.train}",
        decided_on=f"{len(found.row_sets.deciding)} rows of {search.validate_on}",
        trials=tuple(
            (describe_candidate(found, trial.candidate), trial.value) for trial in found.trials
        ),
        leader=describe_candidate(found, found.leader) if found.leader else "",
        decision=found.decision,
        improved=found.improved,
        worsened=found.worsened,
        flipped=found.flipped,
        cost=cost_lines(found.spent, found.spent_now, found.limits, priced),
        stop_reason=found.stop_reason,
        command=command,
        stale_assets=tuple(stale),
        notes=(*(notes if found.row_sets.left_out else ()), *told),
        diff=files_diff({str(PurePosixPath(p)): old for p, old in before.items()}, changed),
    )


def describe_candidate(found: PromptSearchResult, candidate: Candidate) -> str:
    """A candidate in a few words."""
    start = found.trials[0].candidate if found.trials else None
    if candidate == start:
        return "current prompt"
    parts = []
    if start is None or candidate.system != start.system:
        first = " ".join(candidate.system.split())
        parts.append(f"“{first if len(first) <= 80 else first[:79] + '…'}”")
    if candidate.k:
        kind = "chosen" if candidate.examples is not None else candidate.selection
        parts.append(f"{candidate.k} {kind} example{'s' if candidate.k > 1 else ''}")
    return ", ".join(parts) or "no examples"
