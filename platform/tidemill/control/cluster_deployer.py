"""The deployer of rollouts with a cluster's driver, made from ledger and environment."""

from __future__ import annotations

import time

from tidemill.adapters.kserve.deployer import KServeDeployer, ManifestSource
from tidemill.adapters.kserve.kubernetes import connect
from tidemill.adapters.kserve.to_git import GitDeployer
from tidemill.adapters.ledger import Ledger
from tidemill.control.deployer_choice import NEEDS_CLUSTER, Elsewhere
from tidemill.errors import ServiceError
from tidemill.ports import Deployer
from tidemill.records import RolloutSpec
from tidemill.settings import Settings
from tidemill.spec.rollout import Rollout

FRESH = 60.0
"""Seconds after which the kubeconfig is read again: clusters come and go."""


def elsewhere(ledger: Ledger, settings: Settings) -> Elsewhere:
    """Picks the deployer of a spec: the cluster's API, or a folder of the repository."""

    connected: tuple[float, KServeDeployer | str] | None = None

    def pick(spec: RolloutSpec) -> Deployer | str:
        nonlocal connected
        rollout, now = spec.parse(), time.monotonic()
        if connected is None or now - connected[0] > FRESH:
            connected = (now, cluster_of(ledger, settings))
        cluster = connected[1]
        if rollout.apply.mode == "direct":
            return cluster
        observer = None if isinstance(cluster, str) else cluster
        return GitDeployer(settings, manifest_source(ledger), rollout.apply, observer)

    return pick


def cluster_of(ledger: Ledger, settings: Settings) -> KServeDeployer | str:
    """The cluster that is configured; why there is none where there is none."""
    try:
        api = connect(settings.kubeconfig, settings.namespace)
    except ServiceError as error:
        return str(error)
    return NEEDS_CLUSTER if api is None else KServeDeployer(api, manifest_source(ledger))


def manifest_source(ledger: Ledger) -> ManifestSource:
    """What a manifest needs of the ledger."""
    return ManifestSource(
        rollout_spec=lambda service: _rollout(ledger, service),
        find_release=ledger.materialisations.release,
        live_release=ledger.rollouts.live_release,
        health=ledger.service_metrics.release_health,
    )


def _rollout(ledger: Ledger, service: str) -> Rollout:
    """The spec of the rollout under way, else of the one that is live."""
    rollouts = [*ledger.rollouts.in_progress(service)[-1:], ledger.rollouts.live_rollout(service)]
    walking = next((rollout for rollout in rollouts if rollout is not None), None)
    if walking is None:
        raise ServiceError(f"'{service}' has no rollout; `tidemill run` makes a release")
    return walking.spec.parse()
