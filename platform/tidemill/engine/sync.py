"""Whether a commit may take effect, what it rebuilds, and which former release it brings back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.cost import BudgetExcess, BuildCost, Workload, budget_excess, estimate
from tidemill.engine.plan import PlanEntry, built_entry, plan, with_blocked
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import Staleness
from tidemill.errors import Problem

SHOWN = 3
"""Problems and signatures that a reason names; the rest is counted."""
KINDS_WITHOUT_RUN = frozenset({"Feedback", "Trigger"})
"""Kinds that build nothing: they act from the specs as they stand."""
NOT_RESTORABLE_STATES = frozenset({"rolled_back", "failed", "ended"})
"""States of a rollout whose release is not brought back."""

Refusal = Literal["unsigned", "broken", "over-budget"]
SignatureVerdict = Literal["good", "unsigned", "bad", "unknown", "expired", "revoked"]


@dataclass(frozen=True)
class CommitSignature:
    """The signature of one commit, as it was checked."""

    commit: str
    verdict: SignatureVerdict
    signer: str = ""
    """The principal of the allowed-signers file, or the OpenPGP user id."""
    key: str = ""
    """Fingerprint of the key."""
    reason: str = ""
    """Why it is not good."""

    @property
    def is_good(self) -> bool:
        """True where a known key made it."""
        return self.verdict == "good"


@dataclass(frozen=True)
class CommitVerdict:
    """Apply a commit, or refuse it and say why."""

    refusal: Refusal | None = None
    """None: it is applied."""
    reason: str = ""


def validate_commit(
    *,
    signatures: Sequence[CommitSignature] | None = None,
    problems: Sequence[Problem] = (),
    over: Sequence[str] = (),
) -> CommitVerdict:
    """Refuse for the first of: a signature that is not good, a problem of the specs, a budget.

    `signatures` has every commit that is new, oldest first; None where the policy asks for none.
    All of them count, not only the newest: one signature at the tip must not carry in what others
    pushed below it.
    """
    unsigned = [signature for signature in signatures or () if not signature.is_good]
    if unsigned:
        reasons = [f"{signature.commit[:10]} {signature.reason}" for signature in unsigned]
        count = f"{len(unsigned)} of {len(signatures or ())} new commits"
        return CommitVerdict("unsigned", f"{count}: {_first(reasons)}")
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return CommitVerdict("broken", f"{count}: {_first([str(p) for p in problems])}")
    if over:
        return CommitVerdict("over-budget", _first(over))
    return CommitVerdict()


def over_budget(
    entries: Sequence[PlanEntry],
    workloads: Sequence[Workload],
    history: Sequence[BuildCost],
    price_per_hour: float | None = None,
) -> list[str]:
    """A sentence for each asset that would be rebuilt and whose earlier builds say that it will
    cost more than its budget; one without earlier builds has no estimate and is not refused."""
    rebuilt = {entry.key for entry in entries if entry.is_rebuilt}
    excesses = [
        excess
        for workload in workloads
        if f"{workload.project}/{workload.name}" in rebuilt
        for excess in budget_excess(workload, estimate(workload, history, price_per_hour))
    ]
    return [_excess_sentence(excess) for excess in excesses]


def _excess_sentence(excess: BudgetExcess) -> str:
    return (
        f"{excess.project}/{excess.name} will take about {excess.expected:.2g} {excess.budget} by "
        f"what earlier builds took, its budget is {excess.limit:g}; raise "
        f"`budget.{excess.budget}` or make it smaller"
    )


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
    rebuilt = [e.key for e in entries if e.is_rebuilt and e.state != "missing_artefact"]
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


def assets_to_build(
    entries: Sequence[PlanEntry], restored: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Names by project, in the order of building; `restored` rollouts (`project/name`) have their
    release already."""
    names: dict[str, list[str]] = {}
    for entry in entries:
        runs = entry.is_rebuilt and entry.kind not in KINDS_WITHOUT_RUN
        if runs and entry.key not in restored:
            names.setdefault(entry.project, []).append(entry.name)
    return {project: tuple(assets) for project, assets in names.items()}


def release_of_same_specs(
    releases: Sequence[ReleaseRecord],
    spec_digests: Mapping[str, str],
    rollout_states: Mapping[str, str],
) -> ReleaseRecord | None:
    """The newest release that was made by the very same specs; None where there is none, or where
    it was rolled back or failed.

    `releases` are a service's records, oldest first; `spec_digests` name → digest of everything
    behind a rollout; `rollout_states` the newest state of each release's rollout, by digest.
    """
    for record in reversed(releases):
        state = rollout_states.get(record.digest, "failed")
        if record.specs == dict(spec_digests) and state not in NOT_RESTORABLE_STATES:
            return record
    return None


def _first(reasons: Sequence[str]) -> str:
    rest = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return "; ".join(reasons[:SHOWN]) + rest
