"""Which turns of a service a trigger has to reckon with: of other triggers, commits and people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tidemill.engine.turns import OtherTurns, Turn
from tidemill.home import Home
from tidemill.ports import TriggerDecisionStore
from tidemill.records import SYNC_TRIGGER, TriggerDecision
from tidemill.spec.feedback import Feedback
from tidemill.spec.graph import downstream, upstream
from tidemill.spec.load import Project
from tidemill.spec.rollout import Rollout
from tidemill.spec.searches import ENDING, searched_prompts
from tidemill.spec.trigger import Trigger

RECENT = 5
"""Decisions of another trigger that are looked at; older ones were used by the same turns."""


def other_turns(home: Home, project: Project, trigger: Trigger, now: datetime) -> OtherTurns:
    """The turns beside a trigger's own, and what else has to end before it fires."""
    turns = turns_beside(home.ledger.trigger_decisions, project, trigger)
    return OtherTurns(
        turns, _rollout(home, project, trigger) or _build(home, project, trigger, now)
    )


def _rollout(home: Home, project: Project, trigger: Trigger) -> str:
    for service in sorted(services_of(project, trigger.run, trigger.of)):
        for rollout in home.ledger.rollouts.in_progress(service):
            return f"release {rollout.release[7:19]} of '{service}' is being rolled out"
    return ""


def _build(home: Home, project: Project, trigger: Trigger, now: datetime) -> str:
    prefix = f"make:{project.name}/"
    leases = home.ledger.leases.with_prefix(prefix, now)
    names = {lease.name.removeprefix(prefix) for lease in leases}
    for name in sorted(names & _targets(project, trigger.run)):
        prompt = name.removesuffix(ENDING)
        work = f"building '{name}'" if prompt == name else f"searching a prompt for '{prompt}'"
        return f"a run is {work}"
    return ""


def turns_beside(
    decisions: TriggerDecisionStore, project: Project, trigger: Trigger
) -> tuple[Turn, ...]:
    """The turns that other triggers of the project and commits gave the services of a trigger."""
    services = services_of(project, trigger.run, trigger.of)
    built = _targets(project, trigger.run)
    turns = []
    for decision in _decisions_beside(decisions, project, trigger):
        assets = [name for name in decision.assets if name in project.specs]
        if services & services_of(project, assets, _stream(project, decision.trigger)):
            by_commit = decision.trigger == SYNC_TRIGGER
            targets = set(upstream(project, *assets)) if by_commit else _targets(project, assets)
            turns.append(_turn(decision, built <= targets))
    return tuple(turns)


def _targets(project: Project, run: Sequence[str]) -> set[str]:
    """Everything that a trigger's run builds or searches."""
    searches = {f"{name}{ENDING}" for name in searched_prompts(project, run)}
    return searches.union(upstream(project, *run))


def services_of(project: Project, assets: Iterable[str], stream: str | None) -> set[str]:
    """The services that get a release of these assets, and the one whose stream it is."""
    services = {
        spec.service
        for name in downstream(project, *assets)
        if isinstance(spec := project.specs[name].spec, Rollout)
    }
    return services | ({project.spec(stream, Feedback).service} if stream else set())


def _stream(project: Project, name: str) -> str | None:
    loaded = project.specs.get(name)
    return loaded.spec.of if loaded and isinstance(loaded.spec, Trigger) else None


def _decisions_beside(
    decisions: TriggerDecisionStore, project: Project, trigger: Trigger
) -> Iterator[TriggerDecision]:
    for loaded in project.specs.values():
        if isinstance(loaded.spec, Trigger) and loaded.spec.name != trigger.name:
            yield from decisions.history(project.name, loaded.spec.name, limit=RECENT)
    for decision in (*decisions.queued_decisions(), *decisions.running_decisions()):
        if decision.project == project.name and decision.trigger not in project.specs:
            yield decision


def _turn(decision: TriggerDecision, builds_all: bool) -> Turn:
    by_commit = decision.trigger == SYNC_TRIGGER
    name = "the run that a commit asked for" if by_commit else f"the run of '{decision.trigger}'"
    return Turn(name, decision.state, decision.decided_at, decision.offsets, builds_all)
