"""A rollout's steps as commits: the InferenceService in a folder that Argo CD or Flux applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

import yaml

from tidemill.adapters.git.branches import commit_and_push, commit_on_checkout, push, remote_tip
from tidemill.adapters.git.command import try_git
from tidemill.adapters.kserve.deployer import ManifestSource
from tidemill.adapters.kserve.manifests import ClusterConfig
from tidemill.engine.config_drift import short_digest
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth
from tidemill.settings import Settings
from tidemill.spec.rollout import RenderToGit

HEADER = "# Written by `tidemill`, step by step: {said}. Change the Rollout spec instead.\n"


class TrafficReader(Protocol):
    """A cluster that can be asked whether the commit arrived."""

    def traffic_shares(self, service: str) -> Mapping[str, float]:
        """Percent by release as the cluster reports it."""


@dataclass
class GitDeployer:
    """Commits what another tool applies; the same step again is no commit."""

    settings: Settings
    source: ManifestSource
    apply: RenderToGit
    cluster_reader: TrafficReader | None = None
    """Reads the split back; None where no cluster can be reached from here."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def start(self, service: str, release: str, folder: Path) -> Arm:  # noqa: ARG002 - the port's
        """Nothing runs before a commit says so; the first share is a commit of its own."""
        return Arm(release, 0.0)

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Commit and push the shares, then, where a cluster can be reached, see that they came."""
        if shadow:
            raise ServiceError(f"{service}: KServe cannot mirror requests; use `driver: local`")
        manifest = self.source.manifest(service, arms, self.cluster)
        shares = " and ".join(f"{short_digest(arm.release)} at {arm.percent:g} %" for arm in arms)
        body = yaml.safe_dump(manifest, sort_keys=False, width=100)
        message = f"Rollout of {service}: {shares}"
        self._commit(f"{service}.yaml", (HEADER.format(said=shares) + body).encode(), message)
        if self.cluster_reader is None:
            return
        desired = {arm.release: float(arm.percent) for arm in arms if arm.percent > 0}
        observed = {
            release: p
            for release, p in self.cluster_reader.traffic_shares(service).items()
            if p > 0
        }
        if observed != desired:
            raise ServiceError(
                f"{service}: committed, and the cluster has other shares still; Argo CD or Flux "
                f"has to apply '{self.apply.path}'"
            )

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """Health by release since a moment, from inference events."""
        return self.source.health(service, since)

    def stop(self, service: str, release: str) -> None:
        """A commit without the release takes it down."""

    def _commit(self, name: str, content: bytes, message: str) -> None:
        specs = self.settings.specs
        top = try_git(specs, "rev-parse", "--show-toplevel")
        if top is None:
            raise ServiceError(
                f"{specs} is in no Git repository; `apply: {{mode: render-to-git}}` commits to it"
            )
        root = Path(top.strip())
        path = PurePosixPath(self.apply.path) / name
        if (root / path).resolve().is_relative_to(specs.resolve()):
            raise ServiceError(
                f"'path: {self.apply.path}' lies among the specs, where a manifest is no spec; "
                "choose a folder beside them"
            )
        checked_out = (try_git(specs, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()
        branch = self.apply.branch or checked_out
        remote = self.settings.forge.remote
        is_known = try_git(root, "remote", "get-url", remote) is not None
        if branch and branch == checked_out:
            commit_on_checkout(root, {root / path: content}, message)
            if is_known:
                push(root, branch, remote)
        elif branch and is_known:
            tip = remote_tip(root, remote, branch) or "HEAD"
            commit_and_push(root, remote, tip, branch, {str(path): content}, message)
        else:
            raise ServiceError(
                f"no branch to commit '{path}' to; name one: "
                "`apply: {mode: render-to-git, branch: …}`, and a remote (TIDEMILL_REMOTE)"
            )
