"""The runs of decisions: which have to be launched, and what became of those that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill.adapters.ledger.decisions import SYNC, Decided, DecisionLedger
from tidemill.engine.run_verdict import ATTEMPTS, Attempt, Verdict, judge_run
from tidemill.spec.graph import upstream
from tidemill.spec.load import Project


@dataclass(frozen=True)
class Launch:
    """A run that has to be started for a decision."""

    decided: Decided
    assets: tuple[str, ...]
    """What to make, parents before children."""


def launches(decisions: DecisionLedger, project: Project) -> list[Launch]:
    """A run for each firing of a project's triggers that has none yet; Git sync starts its own."""
    return [
        Launch(decided, tuple(upstream(project, *decided.targets)))
        for decided in decisions.pending()
        if decided.project == project.name and decided.trigger != SYNC
    ]


def update_decision(
    decisions: DecisionLedger,
    decided: Decided,
    attempts: Sequence[Attempt],
    now: datetime,
    *,
    failure: str = "",
) -> Verdict:
    """Carry what the orchestrator knows of a decision's runs, newest first, over to the decision.

    `failure` is why the newest one failed. Gives the verdict: after `run again` and `given up` the
    run itself has to be ended.
    """
    verdict = judge_run(attempts)
    if verdict == "nothing yet":
        return verdict
    if decided.state == "decided":
        decisions.started(decided.key, attempts[0].run, now)
    if verdict == "succeeded":
        decisions.finished(decided.key, now, ok=True)
    elif verdict == "failed":
        decisions.finished(decided.key, now, ok=False, message=failure)
    elif verdict == "run again":
        decisions.relaunch(decided.key, now)
    elif verdict == "given up":
        message = f"its run was killed {ATTEMPTS} times"
        decisions.finished(decided.key, now, ok=False, message=message)
    return verdict
