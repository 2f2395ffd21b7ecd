"""What is really served, asked of whatever serves it; and the three sides of every service."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.control.cluster_deployer import cluster_of
from tidemill.control.deployer_choice import NEEDS_CLUSTER
from tidemill.control.drift_report import See, standings
from tidemill.engine.service_status import ObservedState, ServiceStatus
from tidemill.errors import ServiceError, TidemillError
from tidemill.home import Home
from tidemill.records import RolloutRecord
from tidemill.settings import Settings


@dataclass(frozen=True)
class ServiceStates:
    """The desired, recorded and observed state of every service."""

    statuses: tuple[ServiceStatus, ...] = ()
    error: str = ""
    """Why they cannot be read; empty where they can."""


def service_states(settings: Settings) -> ServiceStates:
    """The three states of every service, read from Git, the ledger and the traffic."""
    home = Home(settings)
    try:
        return ServiceStates(tuple(standings(home, seeing(home))))
    except TidemillError as error:
        return ServiceStates(error=str(error))


def seeing(home: Home) -> See:
    """Asks the local gateway, or the cluster where one is configured."""
    settings = home.settings
    gateway = f"http://{settings.host}:{settings.gateway_port}"
    local = LocalDeployer(settings.home, gateway)

    def see(service: str, live: RolloutRecord) -> ObservedState:
        if live.spec.driver != "local":
            return _on_cluster(home, service)
        try:
            shares = local.traffic_shares(service)
        except ServiceError:
            return ObservedState(None, f"the gateway at {gateway} does not answer")
        busy = [release for release, percent in shares.items() if percent > 0]
        return ObservedState(shares, stopped_releases=local.stopped_releases(service, busy))

    return see


def _on_cluster(home: Home, service: str) -> ObservedState:
    cluster = cluster_of(home.ledger, home.settings)
    if isinstance(cluster, str):
        return ObservedState(None, "not reachable from here: " + _why(cluster))
    try:
        return ObservedState(cluster.traffic_shares(service))
    except ServiceError as error:
        return ObservedState(None, str(error))


def _why(place: str) -> str:
    return "no KUBECONFIG" if place == NEEDS_CLUSTER else place
