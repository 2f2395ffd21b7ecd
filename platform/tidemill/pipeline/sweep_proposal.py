"""A sweep's outcome as something to merge: the lines that change, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.engine.search import answer_changes
from tidemill.pipeline.answers import Answered
from tidemill.pipeline.search_report import Flip, Report, difference
from tidemill.pipeline.sweep import Swept, present, said
from tidemill.spec.finetune import Sweep
from tidemill.spec.load import Loaded, shown
from tidemill.spec.positions import Path_
from tidemill.spec.rewrite import rewrite

SHOWN = 5


def files(swept: Swept, loaded: Loaded) -> dict[str, bytes | None]:
    """Path below the project's folder → new content; only the lines that change differ."""
    if swept.leader is None:
        return {}
    changes: dict[Path_, Any] = {}
    for name, value in apart(swept).items():
        head, _, field = name.partition(".")
        if (head,) in loaded.lines:
            changes[head, field] = value
        else:
            changes.setdefault((head,), {})[field] = value
    return {loaded.path.name: rewrite(loaded.path.read_bytes(), changes, shown(loaded.path))}


def report(
    swept: Swept,
    search: Sweep,
    project: str,
    loaded: Loaded,
    changed: Mapping[str, bytes | None],
    command: str,
    stale: Sequence[str],
) -> Report:
    """What is told of a sweep, whatever came of it."""
    ranked, decided = swept.rows
    better, worse = _flips(search.metric, swept.before, swept.after)
    hours = swept.limits.seconds
    limit = f" of at most {hours / 60:.0f}" if hours is not None else ""
    return Report(
        title=f"{project}/{swept.spec.name}",
        what="fine-tune",
        model=f"'{swept.spec.name}', trained anew for each trial",
        metric=search.metric,
        how=f"Seed {swept.seed}",
        ranked_on=f"{ranked} rows of validation",
        decided_on=f"the other {decided} rows of validation",
        trials=tuple((said(trial.candidate), trial.value) for trial in swept.trials),
        leader=said(apart(swept)) if swept.leader else "",
        decision=swept.decision,
        better=better[:SHOWN],
        worse=worse[:SHOWN],
        flipped=(len(better), len(worse)),
        cost=(
            f"trainings: {swept.spent.calls}, {swept.fresh.calls} of them in this run",
            f"machine minutes: {swept.spent.seconds / 60:.1f}{limit}",
        ),
        ended=swept.ended,
        command=command,
        stale=tuple(stale),
        diff=difference({loaded.path.name: loaded.path.read_bytes()}, changed),
    )


def apart(swept: Swept) -> dict[str, Any]:
    """The values of the leader that are not the present ones."""
    now = present(swept.spec, swept.spec.sweep) if swept.spec.sweep else {}
    return {name: value for name, value in (swept.leader or {}).items() if now.get(name) != value}


def _flips(
    metric: str, before: Sequence[Answered], after: Sequence[Answered]
) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    apart = answer_changes(metric, [one.scored for one in before], [one.scored for one in after])

    def at(place: int) -> Flip:
        one = before[place]
        return Flip(_asked(one), one.reference.text, one.output, after[place].output)

    return tuple(map(at, apart.better)), tuple(map(at, apart.worse))


def _asked(one: Answered) -> str:
    row = one.row
    known = {one.reference.text, one.reference.label}
    texts = [v for k, v in row.items() if isinstance(v, str) and v not in known and k != "id"]
    return max(texts, key=len, default="")
