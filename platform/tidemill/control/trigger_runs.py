"""The runs of decisions: which have to be launched, and what became of those that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill.adapters.ledger.assets import MaterialisationLedger
from tidemill.adapters.ledger.decisions import TriggerDecisionLedger
from tidemill.engine.run_verdict import ATTEMPTS, Attempt, Verdict, judge_run
from tidemill.pipeline.same_rows import SAME_ROWS_AS
from tidemill.records import SYNC_TRIGGER, TriggerDecision
from tidemill.spec.graph import upstream
from tidemill.spec.load import Project
from tidemill.spec.searches import search_inputs, searched_prompts

OFFSETS_TAG = "tidemill/offsets"
"""Tag of a run: the frozen offsets its datasets take feedback up to, as a JSON object."""
RECENT = 200
"""Records of a project among which those of a run that just ended are."""


@dataclass(frozen=True)
class Launch:
    """A run that has to be started for a decision."""

    decided: TriggerDecision
    assets: tuple[str, ...]
    """What to make, parents before children."""
    searches: tuple[str, ...] = ()
    """Prompts to search once that is made."""


def launches(decisions: TriggerDecisionLedger, project: Project) -> list[Launch]:
    """A run for each firing of a project's triggers that has none yet; Git sync starts its own."""
    return [
        _launch(decided, project)
        for decided in decisions.queued_decisions()
        if decided.project == project.name and decided.trigger != SYNC_TRIGGER
    ]


def _launch(decided: TriggerDecision, project: Project) -> Launch:
    searches = searched_prompts(project, decided.assets)
    before = [name for prompt in searches for name in search_inputs(project, prompt)]
    return Launch(decided, upstream(project, *decided.assets, *before), searches)


def run_outcome(
    materialisations: MaterialisationLedger,
    decided: TriggerDecision,
    run: str,
    searches: Sequence[str] = (),
) -> str:
    """Why a run that succeeded trained nothing, and what its prompt searches came to; empty where
    it built something new and searched nothing."""
    only_searched = len(searches) == len(decided.assets)
    trained = "" if only_searched else _why_nothing_trained(materialisations, decided, run)
    return "; ".join(filter(None, (trained, *searches)))


def _why_nothing_trained(
    materialisations: MaterialisationLedger, decided: TriggerDecision, run: str
) -> str:
    newest = materialisations.history(decided.project, limit=RECENT)
    built = [record for record in newest if record.run_id == run]
    if not built:
        return "nothing had changed: nothing was built"
    if all(SAME_ROWS_AS in record.facts for record in built):
        return "no row changed: nothing was trained"
    return ""


def update_decision(
    decisions: TriggerDecisionLedger,
    decided: TriggerDecision,
    attempts: Sequence[Attempt],
    now: datetime,
    *,
    failure: str = "",
    outcome: str = "",
) -> Verdict:
    """Carry what the orchestrator knows of a decision's runs, newest first, over to the decision.

    `failure` is why the newest one failed, `outcome` what came of one that did not. Gives the
    verdict: after `run again` and `given up` the run itself has to be ended.
    """
    verdict = judge_run(attempts)
    if verdict == "nothing yet":
        return verdict
    if decided.state == "queued":
        decisions.mark_started(decided.key, attempts[0].run, now)
    if verdict == "succeeded":
        decisions.mark_finished(decided.key, now, ok=True, message=outcome)
    elif verdict == "failed":
        decisions.mark_finished(decided.key, now, ok=False, message=failure)
    elif verdict == "run again":
        decisions.requeue(decided.key, now)
    elif verdict == "given up":
        message = give_up_reason(decided.project)
        decisions.mark_finished(decided.key, now, ok=False, message=message)
    return verdict


def give_up_reason(project: str) -> str:
    """Why a run is not started again after its process was killed too often."""
    return (
        f"the process of its run was killed {ATTEMPTS} times (is there enough memory?); "
        f"`tidemill run {project}` builds the same in the foreground"
    )
