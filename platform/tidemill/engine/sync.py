"""Whether a commit may take effect, what it sets going, and which former release it brings back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.cost import Past, Wanted, estimate, excess
from tidemill.engine.plan import Item, Known, plan
from tidemill.engine.release_record import ReleaseRecord
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
    unsigned = [one for one in signatures or () if not one.good]
    if unsigned:
        told = [f"{one.commit[:10]} {one.reason}" for one in unsigned]
        count = f"{len(unsigned)} of {len(signatures or ())} new commits"
        return Judgement("unsigned", f"{count}: {_some(told)}")
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return Judgement("broken", f"{count}: {_some([str(one) for one in problems])}")
    if over:
        return Judgement("over-budget", _some(over))
    return Judgement()


def over_budget(
    items: Sequence[Item],
    wishes: Sequence[Wanted],
    past: Sequence[Past],
    price_per_hour: float | None = None,
) -> list[str]:
    """A sentence for each asset that would be made and whose past says it will cost more than its
    budget; one without a past has no figure and is not held back."""
    made = {item.key for item in items if item.runs}
    return [
        f"{one.project}/{one.name} will take about {one.expected:.2g} {one.what} by what such runs "
        f"took, its budget is {one.limit:g}; raise `budget.{one.what}` or make it smaller"
        for wish in wishes
        if f"{wish.project}/{wish.name}" in made
        for one in excess(wish, estimate(wish, past, price_per_hour))
    ]


def changes(
    wanted: Mapping[str, Known], built: Mapping[str, Known], unmet: Mapping[str, str]
) -> tuple[Item, ...]:
    """The plan of a commit against what is built; keys are `project/name`.

    `unmet` has assets whose own spec is built but whose inputs were made anew since (a run that
    ended halfway), each with the reason.
    """
    marked = {k: replace(one, digest="") if k in unmet else one for k, one in built.items()}
    return tuple(
        replace(item, state="stale", reason=unmet[item.key])
        if item.key in unmet and wanted[item.key].digest == built[item.key].digest
        else item
        for item in plan(wanted, marked)
    )


def targets(items: Sequence[Item], restored: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """What has to be made, by project and in the order of making; `restored` rollouts
    (`project/name`) have their release already."""
    found: dict[str, list[str]] = {}
    for item in items:
        if item.runs and item.kind not in QUIET_KINDS and item.key not in restored:
            found.setdefault(item.project, []).append(item.name)
    return {project: tuple(names) for project, names in found.items()}


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


def _some(told: Sequence[str]) -> str:
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return "; ".join(told[:SHOWN]) + more
