"""Releases as InferenceServices of a cluster: applied whole, waited for, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tidemill.adapters.kserve.inference_service import Manifest
from tidemill.adapters.kserve.kubernetes import InferenceServices
from tidemill.adapters.kserve.manifests import ClusterConfig, predictor_name, render
from tidemill.adapters.kserve.state import InferenceServiceStatus, read_status
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth
from tidemill.spec.rollout import Rollout


@dataclass(frozen=True)
class ManifestSource:
    """Reads from the ledger what a manifest is made of."""

    rollout_spec: Callable[[str], Rollout]
    """The Rollout spec of a service."""
    find_release: Callable[[str], ReleaseRecord | None]
    """A release's record by its digest."""
    live_release: Callable[[str], str | None]
    """Digest of a service's live release."""
    health: Callable[[str, datetime], Mapping[str, ArmHealth]]
    """Health of each release since a moment, from the inference events."""

    def release_record(self, digest: str) -> ReleaseRecord:
        """A release's record; raises ServiceError where the ledger has none."""
        record = self.find_release(digest)
        if record is None:
            raise ServiceError(f"the ledger has no record of release {digest[:19]}; run it again")
        return record

    def manifest(self, service: str, arms: Sequence[Arm], cluster: ClusterConfig) -> Manifest:
        """The InferenceService in which the arms have their shares; the first one is live."""
        rollout = self.rollout_spec(service)
        if len(arms) > 2:
            raise ServiceError(
                f"{service}: KServe splits traffic between two releases, not {len(arms)}"
            )
        live = self.release_record(arms[0].release)
        if len(arms) == 1:
            return render(rollout, 100, live, None, cluster)
        percent = round(arms[1].percent)
        return render(rollout, percent, self.release_record(arms[1].release), live, cluster)


@dataclass
class KServeDeployer:
    """Walks one InferenceService a service by server-side apply; every call may be repeated."""

    api: InferenceServices
    source: ManifestSource
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    ready_timeout: float = 600.0
    """Seconds a release may take to come up: its weights are fetched first."""
    settle_timeout: float = 2.0
    """Seconds a split waits for the cluster; the controller asks again at its next tick."""
    poll_interval: float = 1.0

    def start(self, service: str, release: str, folder: Path) -> Arm:  # noqa: ARG002 - the port's
        """Bring a release up at 0 % beside what is live and wait until it is ready.

        Without a live release it gets the service. One that runs already stays as it is, whatever
        its share. Raises ServiceError.
        """
        live = self.source.live_release(service)
        existing = self.api.get(service)
        if existing is None or not read_status(existing).has_release(
            predictor_name(release), release
        ):
            arms = [Arm(release, 100.0)]
            if live is not None and live != release and existing is not None:
                arms = [Arm(live, 100.0), Arm(release, 0.0)]
            self.api.apply(self.source.manifest(service, arms, self.cluster))
        settled = self._wait(service, lambda status: status.ready, self.ready_timeout)
        return Arm(release, 0.0, settled.url)

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Apply the shares, wait until the cluster is ready, and read them back."""
        if shadow:
            raise ServiceError(f"{service}: KServe cannot mirror requests; use `driver: local`")
        self.api.apply(self.source.manifest(service, arms, self.cluster))
        candidate = arms[1] if len(arms) > 1 and 0 <= arms[1].percent < 100 else None
        percent = round(candidate.percent) if candidate else None

        def is_settled(status: InferenceServiceStatus) -> bool:
            return status.ready and status.canary_percent == percent

        self._wait(service, is_settled, self.settle_timeout)

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """Health by release since a moment, from inference events: a cluster's answers pass no
        gateway of ours."""
        return self.source.health(service, since)

    def stop(self, service: str, release: str) -> None:
        """Nothing is left to stop: a manifest without the release takes it down. Raises
        ServiceError while it has traffic."""
        if self.traffic_shares(service).get(release, 0.0) > 0:
            raise ServiceError(
                f"{service}: release {release} still has traffic; move the traffic first"
            )

    def traffic_shares(self, service: str) -> dict[str, float]:
        """Percent by release as the cluster reports it."""
        existing = self.api.get(service)
        if existing is None:
            return {}
        status, live = read_status(existing), self.source.live_release(service)
        if status.canary_percent is None:
            return {status.release: 100.0} if status.release else {}
        shares = {status.release: float(status.canary_percent)} if status.release else {}
        return {**({live: 100.0 - status.canary_percent} if live else {}), **shares}

    def _wait(
        self, service: str, condition: Callable[[InferenceServiceStatus], bool], seconds: float
    ) -> InferenceServiceStatus:
        until = time.monotonic() + seconds
        while True:
            existing = self.api.get(service)
            status = read_status(existing) if existing is not None else InferenceServiceStatus()
            if condition(status):
                return status
            if time.monotonic() >= until:
                raise ServiceError(
                    f"InferenceService '{service}' is not there yet: {status.message}"
                )
            time.sleep(self.poll_interval)
