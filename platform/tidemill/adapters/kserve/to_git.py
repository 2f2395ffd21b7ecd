"""A rollout's steps as commits: the InferenceService in a folder that Argo CD or Flux applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

import yaml

from tidemill.adapters.git.branches import publish, push, remote_tip
from tidemill.adapters.git.checkout_commit import commit_here
from tidemill.adapters.git.command import attempt
from tidemill.adapters.kserve.deployer import Known
from tidemill.adapters.kserve.manifests import Cluster
from tidemill.engine.config_drift import short_digest
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth
from tidemill.settings import Settings
from tidemill.spec.rollout import RenderToGit

HEADER = "# Written by `tidemill`, step by step: {said}. Change the Rollout spec instead.\n"


class Look(Protocol):
    """A cluster that can be asked whether the commit arrived."""

    def serving(self, service: str) -> Mapping[str, float]:
        """Percent by release as the cluster reports it."""


@dataclass
class GitDeployer:
    """Commits what another tool applies; the same step again is no commit."""

    settings: Settings
    known: Known
    apply: RenderToGit
    look: Look | None = None
    """Reads the split back; None where no cluster can be reached from here."""
    cluster: Cluster = field(default_factory=Cluster)

    def start(self, service: str, release: str, folder: Path) -> Arm:  # noqa: ARG002 - the port's
        """Nothing runs before a commit says so; the first share is a commit of its own."""
        return Arm(release, 0.0)

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Commit and push the shares, then, where a cluster can be reached, see that they came."""
        if shadow:
            raise ServiceError(f"{service}: KServe does not copy requests; use `driver: local`")
        manifest = self.known.manifest(service, arms, self.cluster)
        said = " and ".join(f"{short_digest(arm.release)} at {arm.percent:g} %" for arm in arms)
        body = yaml.safe_dump(manifest, sort_keys=False, width=100)
        message = f"Rollout of {service}: {said}"
        self._commit(f"{service}.yaml", (HEADER.format(said=said) + body).encode(), message)
        if self.look is None:
            return
        wanted = {arm.release: float(arm.percent) for arm in arms if arm.percent > 0}
        seen = {release: p for release, p in self.look.serving(service).items() if p > 0}
        if seen != wanted:
            raise ServiceError(
                f"{service}: committed, and the cluster has other shares still; Argo CD or Flux "
                f"has to apply '{self.apply.path}'"
            )

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """What the model servers' inference events say."""
        return self.known.health(service, since)

    def stop(self, service: str, release: str) -> None:
        """A commit without the release takes it down."""

    def _commit(self, name: str, content: bytes, message: str) -> None:
        specs = self.settings.specs
        top = attempt(specs, "rev-parse", "--show-toplevel")
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
        here = (attempt(specs, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()
        branch = self.apply.branch or here
        remote = self.settings.forge.remote
        known = attempt(root, "remote", "get-url", remote) is not None
        if branch and branch == here:
            commit_here(root, {root / path: content}, message)
            if known:
                push(root, branch, remote)
        elif branch and known:
            tip = remote_tip(root, remote, branch) or "HEAD"
            publish(root, remote, tip, branch, {str(path): content}, message)
        else:
            raise ServiceError(
                f"no branch to commit '{path}' to; name one: "
                "`apply: {mode: render-to-git, branch: …}`, and a remote (TIDEMILL_REMOTE)"
            )
