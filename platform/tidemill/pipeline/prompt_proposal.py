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


def changed_files(result: PromptSearchResult, loaded: LoadedSpec) -> dict[str, bytes | None]:
    """Path below the project's folder → new content; only the lines that change differ."""
    if result.leader is None:
        return {}
    changes = candidates.candidate_changes(result.spec, result.leader, result.encoder)
    text = rewrite(loaded.path.read_bytes(), changes, display_path(loaded.path))
    written: dict[str, bytes | None] = {loaded.path.name: text}
    chosen = candidates.examples_file(result.spec, result.leader)
    if chosen is not None:
        written[candidates.examples_path(result.spec)] = chosen
    return written


def search_report(
    result: PromptSearchResult,
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
        f"{result.row_sets.excluded} train rows were excluded: a held-out row has the same question"
    ]
    comment_notes = [f"{result.comments} user comments were used"] if result.comments else []
    return SearchReport(
        title=f"{project}/{result.spec.name}",
        subject="prompt",
        model=f"'{result.model}'",
        metric=search.metric,
        method=f"Method {result.method}, seed {result.seed}",
        ranked_on=f"{len(result.row_sets.ranking)} rows of {search.train}",
        decided_on=f"{len(result.row_sets.deciding)} rows of {search.validate_on}",
        trials=tuple(
            (describe_candidate(result, trial.candidate), trial.value) for trial in result.trials
        ),
        leader=describe_candidate(result, result.leader) if result.leader else "",
        decision=result.decision,
        improved=result.improved,
        worsened=result.worsened,
        flipped=result.flipped,
        cost=cost_lines(result.spent, result.spent_now, result.limits, priced),
        stop_reason=result.stop_reason,
        command=command,
        stale_assets=tuple(stale),
        notes=(*(notes if result.row_sets.excluded else ()), *comment_notes),
        diff=files_diff({str(PurePosixPath(p)): old for p, old in before.items()}, changed),
    )


def describe_candidate(result: PromptSearchResult, candidate: Candidate) -> str:
    """A candidate in a few words."""
    start = result.trials[0].candidate if result.trials else None
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
