"""A sweep's outcome as something to merge: the lines that change, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.engine.search import answer_changes
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.search_report import AnswerChange, SearchReport, files_diff
from tidemill.pipeline.sweep import SweepResult, current_setting, describe_setting
from tidemill.spec.finetune import Sweep
from tidemill.spec.load import LoadedSpec, display_path
from tidemill.spec.positions import Path_
from tidemill.spec.rewrite import rewrite

SHOWN = 5


def changed_files(swept: SweepResult, loaded: LoadedSpec) -> dict[str, bytes | None]:
    """Path below the project's folder → new content; only the lines that change differ."""
    if swept.leader is None:
        return {}
    changes: dict[Path_, Any] = {}
    for name, value in changed_values(swept).items():
        head, _, field = name.partition(".")
        if (head,) in loaded.lines:
            changes[head, field] = value
        else:
            changes.setdefault((head,), {})[field] = value
    return {loaded.path.name: rewrite(loaded.path.read_bytes(), changes, display_path(loaded.path))}


def sweep_report(
    swept: SweepResult,
    search: Sweep,
    project: str,
    loaded: LoadedSpec,
    changed: Mapping[str, bytes | None],
    command: str,
    stale: Sequence[str],
) -> SearchReport:
    """The report of a sweep."""
    ranked, decided = swept.rows
    better, worse = _flips(search.metric, swept.before, swept.after)
    hours = swept.limits.seconds
    limit = f" of at most {hours / 60:.0f}" if hours is not None else ""
    return SearchReport(
        title=f"{project}/{swept.spec.name}",
        subject="fine-tune",
        model=f"'{swept.spec.name}', retrained for each trial",
        metric=search.metric,
        method=f"Seed {swept.seed}",
        ranked_on=f"{ranked} rows of validation",
        decided_on=f"the other {decided} rows of validation",
        trials=tuple((describe_setting(trial.candidate), trial.value) for trial in swept.trials),
        leader=describe_setting(changed_values(swept)) if swept.leader else "",
        decision=swept.decision,
        improved=better[:SHOWN],
        worsened=worse[:SHOWN],
        flipped=(len(better), len(worse)),
        cost=(
            f"trainings: {swept.spent.calls}, {swept.spent_now.calls} of them in this run",
            f"machine minutes: {swept.spent.seconds / 60:.1f}{limit}",
        ),
        stop_reason=swept.stop_reason,
        command=command,
        stale_assets=tuple(stale),
        diff=files_diff({loaded.path.name: loaded.path.read_bytes()}, changed),
    )


def changed_values(swept: SweepResult) -> dict[str, object]:
    """The values of the leader that are not the present ones."""
    now = current_setting(swept.spec, swept.spec.sweep) if swept.spec.sweep else {}
    return {name: value for name, value in (swept.leader or {}).items() if now.get(name) != value}


def _flips(
    metric: str, before: Sequence[EvaluatedRow], after: Sequence[EvaluatedRow]
) -> tuple[tuple[AnswerChange, ...], tuple[AnswerChange, ...]]:
    apart = answer_changes(
        metric, [answer.metric_row for answer in before], [answer.metric_row for answer in after]
    )

    def at(index: int) -> AnswerChange:
        answer = before[index]
        return AnswerChange(
            _question(answer), answer.reference.text, answer.output, after[index].output
        )

    return tuple(map(at, apart.better)), tuple(map(at, apart.worse))


def _question(answer: EvaluatedRow) -> str:
    row = answer.row
    answer_texts = {answer.reference.text, answer.reference.label}
    texts = [
        v for k, v in row.items() if isinstance(v, str) and v not in answer_texts and k != "id"
    ]
    return max(texts, key=len, default="")
