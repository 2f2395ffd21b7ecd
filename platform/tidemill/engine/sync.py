"""Whether a commit may take effect, what it sets going, and which former release it brings back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.cost import BuildCost, Workload, budget_excess, estimate
from tidemill.engine.plan import PlanEntry, built_entry, plan, with_blocked
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import Staleness
from tidemill.errors import Problem

SHOWN = 3
"""Problems and signatures that one reason names; the rest is counted."""
QUIET_KINDS = frozenset({"Feedback", "Trigger"})
"""Kinds that make nothing: they act from the specs as they stand."""
GIVEN_UP = frozenset({"rolled_back", "failed", "ended"})
"""States of a rollout whose release nobody wants back."""

Refusal = Literal["unsigned", "broken", "over-budget"]
SignatureVerdict = Literal["good", "unsigned", "bad", "unknown", "expired", "revoked"]


@dataclass(frozen=True)
class Signature:
    """What was found out about the signature of one commit."""

    commit: str
    verdict: SignatureVerdict
    signer: str = ""
    """The principal of the allowed-signers file, or the OpenPGP user id."""
    key: str = ""
    """Fingerprint of the key."""
    reason: str = ""
    """Why it is not good."""

    @property
    def good(self) -> bool:
        """True where a known key made it."""
        return self.verdict == "good"


@dataclass(frozen=True)
class Judgement:
    """Apply a commit, or refuse it and say why."""

    refusal: Refusal | None = None
    """None: it is applied."""
    reason: str = ""


def judge_commit(
    *,
    signatures: Sequence[Signature] | None = None,
    problems: Sequence[Problem] = (),
    over: Sequence[str] = (),
) -> Judgement:
    """Refuse for the first of: a signature that is not good, a problem of the specs, a budget.

    `signatures` has every commit that is new, oldest first; None where the policy asks for none.
    All of them count, not only the newest: one signature at the tip must not carry in what others
    pushed below it.
    """
    unsigned = [signature for signature in signatures or () if not signature.good]
    if unsigned:
        bad_signatures = [f"{signature.commit[:10]} {signature.reason}" for signature in unsigned]
        count = f"{len(unsigned)} of {len(signatures or ())} new commits"
        return Judgement("unsigned", f"{count}: {_some(bad_signatures)}")
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return Judgement("broken", f"{count}: {_some([str(problem) for problem in problems])}")
    if over:
        return Judgement("over-budget", _some(over))
    return Judgement()


def over_budget(
    entries: Sequence[PlanEntry],
    workloads: Sequence[Workload],
    history: Sequence[BuildCost],
    price_per_hour: float | None = None,
) -> list[str]:
    """A sentence for each asset that would be rebuilt and whose earlier builds say that it will
    cost more than its budget; one without earlier builds has no estimate and is not refused."""
    rebuilt = {entry.key for entry in entries if entry.is_rebuilt}
    return [
        f"{excess.project}/{excess.name} will take about {excess.expected:.2g} {excess.budget} by "
        f"what earlier builds took, its budget is {excess.limit:g}; raise "
        f"`budget.{excess.budget}` or make it smaller"
        for workload in workloads
        if f"{workload.project}/{workload.name}" in rebuilt
        for excess in budget_excess(workload, estimate(workload, history, price_per_hour))
    ]


def changes(
    desired: Mapping[str, SpecSnapshot],
    former: Mapping[str, SpecSnapshot],
    built: Mapping[str, Staleness],
    failed: Collection[str] = (),
) -> tuple[PlanEntry, ...]:
    """The plan of a commit; keys are `project/name`, `failed` as in `with_blocked`.

    An asset counts by what is built here, whatever `former`, the specs of the commit that was
    applied last, says of it; specs that only steer count by `former` alone. Missing files alone
    are no reason to build: they are built again where something that is rebuilt needs them.
    """
    entries = [
        built_entry(_unchanged(entry), built[entry.key]) if entry.key in built else entry
        for entry in plan(desired, former)
    ]
    entries = list(with_blocked(entries, desired, failed))
    rebuilt = [item.key for item in entries if item.is_rebuilt and item.state != "missing_artefact"]
    needed = _upstream(desired, rebuilt)
    return tuple(
        replace(entry, state="reused")
        if entry.state == "missing_artefact" and entry.key not in needed
        else entry
        for entry in entries
    )


def _unchanged(entry: PlanEntry) -> PlanEntry:
    return entry if entry.state == "cosmetic" else replace(entry, state="reused", fields=())


def _upstream(specs: Mapping[str, SpecSnapshot], keys: Iterable[str]) -> set[str]:
    """Keys of everything that these are built from, directly or not."""
    upstream: set[str] = set()
    waiting = [key for key in keys if key in specs]
    while waiting:
        spec = specs[waiting.pop()]
        inputs = {f"{spec.project}/{name}" for name in spec.inputs} & specs.keys() - upstream
        upstream |= inputs
        waiting += inputs
    return upstream


def targets(
    items: Sequence[PlanEntry], restored: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """What has to be made, by project and in the order of making; `restored` rollouts
    (`project/name`) have their release already."""
    names_by_project: dict[str, list[str]] = {}
    for item in items:
        if item.is_rebuilt and item.kind not in QUIET_KINDS and item.key not in restored:
            names_by_project.setdefault(item.project, []).append(item.name)
    return {project: tuple(names) for project, names in names_by_project.items()}


def former(
    releases: Sequence[ReleaseRecord],
    specs: Mapping[str, str],
    states: Mapping[str, str],
) -> ReleaseRecord | None:
    """The newest release that the very same specs made; None where there is none, or where it was
    rolled back or failed.

    `releases` are a service's records, oldest first; `specs` name → digest of everything behind a
    rollout; `states` the newest state of each release's rollout, by digest.
    """
    return next(
        (
            record
            for record in reversed(releases)
            if record.specs == dict(specs) and states.get(record.digest, "failed") not in GIVEN_UP
        ),
        None,
    )


def _some(sentences: Sequence[str]) -> str:
    rest = f"; and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
    return "; ".join(sentences[:SHOWN]) + rest
