"""Which deployer brings a rollout out, and why a rollout has to wait where none can."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidemill.ports import Deployer
from tidemill.records import RolloutRecord, RolloutSpec

NEEDS_CLUSTER = "needs a cluster: set KUBECONFIG, or `driver: local`"
Elsewhere = Callable[[RolloutSpec], Deployer | str]
"""The deployer of a Rollout spec whose driver is not local, or why there is none."""


def no_cluster(_spec: RolloutSpec) -> Deployer | str:
    """What a home without a cluster says."""
    return NEEDS_CLUSTER


def mismatch(walking: RolloutRecord, live: RolloutRecord | None) -> str | None:
    """Why a candidate cannot share traffic with what is live; None where it can."""
    if live is None or walking.spec.driver == live.spec.driver:
        return None
    return (
        f"the live release is served by driver {live.spec.driver}, which cannot share traffic with "
        f"{walking.spec.driver}; give this rollout a service of its own, or go back to "
        f"`driver: {live.spec.driver}`"
    )


def rollback_targets(
    live: RolloutRecord | None, retired: Sequence[RolloutRecord]
) -> list[RolloutRecord]:
    """Former releases that stay ready, newest first: as many as the live rollout keeps.

    A release that is live again, or was retired twice, counts once.
    """
    if live is None:
        return []
    first = {walking.release: walking for walking in reversed(retired)}
    targets = [w for w in retired if first[w.release] is w and w.release != live.release]
    return targets[: live.spec.keep_versions]


def retired_limit(live: RolloutRecord | None) -> int:
    """How many retired rollouts the ledger has to give for `kept` to find all it keeps, also where
    releases were live more than once."""
    return 100 + (live.spec.keep_versions if live else 0)
