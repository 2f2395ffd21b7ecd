"""The InferenceService of each step of a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidemill.adapters.kserve.inference_service import (
    Canary,
    InferenceServiceSpec,
    Manifest,
    Metadata,
    Predictor,
)
from tidemill.adapters.kserve.schema import KNATIVE, MODE, STANDARD, problems
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import ServiceError
from tidemill.spec.rollout import Rollout

Driver = Literal["kserve-standard", "kserve-knative"]


@dataclass(frozen=True)
class ClusterConfig:
    """Names and places in a cluster; see `infra/kserve`."""

    storage: str = "pvc://tidemill-releases"
    """URI of the release folders, one by digest: `<storage>/<64 hex digits>`."""
    namespace: str | None = None
    """None leaves it to `kubectl apply -n`."""
    runtime: str = "tidemill"
    """Name of the ServingRuntime that holds the model server."""
    service_account: str | None = None
    """May read the storage."""
    replicas: int = 1
    """Fewest replicas of the live release."""
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "1", "memory": "2Gi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "4Gi"})


def render_steps(
    rollout: Rollout,
    release: ReleaseRecord,
    live: ReleaseRecord | None = None,
    cluster: ClusterConfig | None = None,
    driver: Driver | None = None,
) -> list[tuple[int, Manifest]]:
    """The manifest of every step, by the candidate's share, in the order they are applied.

    `release` and `live` are release records (`digest`, `commit.sha`). Without a live release there
    is nobody to share traffic with and the candidate gets all of it at once. `driver` overrides the
    rollout's.
    """
    shares = [step.percent for step in rollout.steps] if live else [100]
    return [(share, render(rollout, share, release, live, cluster, driver)) for share in shares]


def render(
    rollout: Rollout,
    percent: int,
    release: ReleaseRecord,
    live: ReleaseRecord | None = None,
    cluster: ClusterConfig | None = None,
    driver: Driver | None = None,
) -> Manifest:
    """The InferenceService in which the candidate gets `percent` of the traffic.

    Raises ServiceError for a rollout the driver cannot do, with the way out.
    """
    driver = driver or _driver(rollout)
    cluster = cluster or ClusterConfig()
    if rollout.mode == "shadow":
        raise ServiceError(
            f"'{rollout.name}': KServe cannot mirror requests, so a shadow cannot be rendered; use "
            "`driver: local`, or a canary that begins at 0 percent"
        )
    alone = live is None or percent == 100 or live.digest == release.digest
    if driver == "kserve-standard":
        spec = _standard(cluster, release, live, percent, alone)
    else:
        spec = _knative(cluster, release, live, percent, alone)
    manifest: Manifest = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": _metadata(rollout, cluster, release, driver),
        "spec": spec,
    }
    check(manifest)
    return manifest


def check(manifest: Manifest) -> None:
    """Raise ServiceError, naming every fault, unless KServe would take the manifest as meant."""
    faults = problems(manifest)
    if faults:
        name = manifest.get("metadata", Metadata()).get("name", "manifest")
        raise ServiceError(f"InferenceService '{name}': " + "; ".join(faults))


def predictor_name(digest: str) -> str:
    """A release's own name within its service: `r-` and 10 digits of its digest."""
    return f"r-{digest.removeprefix('sha256:')[:10]}"


def _standard(
    cluster: ClusterConfig,
    release: ReleaseRecord,
    live: ReleaseRecord | None,
    percent: int,
    whole: bool,
) -> InferenceServiceSpec:
    """`spec.canary` beside the live predictor (KServe 0.20 and later, kserve#5672).

    The last step names the candidate's Deployment as the stable predictor: nothing restarts. A
    rollback is the manifest of 0 percent without its canary entry, that is, of the live release.
    """
    if whole or live is None:
        return {"predictor": _named_predictor(cluster, release)}
    canary = Canary(trafficPercent=percent, predictor=_named_predictor(cluster, release))
    return {"predictor": _named_predictor(cluster, live), "canary": [canary]}


def _knative(
    cluster: ClusterConfig,
    release: ReleaseRecord,
    live: ReleaseRecord | None,
    percent: int,
    whole: bool,
) -> InferenceServiceSpec:
    """`canaryTrafficPercent` against the last revision that had all traffic, which KServe keeps."""
    predictor = _predictor(cluster, release)
    if whole or live is None:
        return {"predictor": predictor}
    return {"predictor": {**predictor, "canaryTrafficPercent": percent}}


def _named_predictor(cluster: ClusterConfig, release: ReleaseRecord) -> Predictor:
    return {"name": predictor_name(release.digest), **_predictor(cluster, release)}


def _predictor(cluster: ClusterConfig, release: ReleaseRecord) -> Predictor:
    digest = release.digest.removeprefix("sha256:")
    predictor: Predictor = {
        "minReplicas": cluster.replicas,
        "labels": {"tidemill.dev/release": digest[:16]},
        "model": {
            "modelFormat": {"name": "tidemill"},
            "runtime": cluster.runtime,
            "protocolVersion": "v2",
            "storageUri": f"{cluster.storage.rstrip('/')}/{digest}",
            "resources": {"requests": dict(cluster.requests), "limits": dict(cluster.limits)},
        },
    }
    if cluster.service_account:
        predictor["serviceAccountName"] = cluster.service_account
    return predictor


def _metadata(
    rollout: Rollout, cluster: ClusterConfig, release: ReleaseRecord, driver: Driver
) -> Metadata:
    mode = STANDARD if driver == "kserve-standard" else KNATIVE
    annotations = {MODE: mode, "tidemill.dev/release": release.digest}
    if release.commit.sha:
        annotations["tidemill.dev/commit"] = release.commit.sha
    metadata: Metadata = {
        "name": rollout.service,
        "labels": {
            "app.kubernetes.io/managed-by": "tidemill",
            "tidemill.dev/rollout": rollout.name,
        },
        "annotations": annotations,
    }
    if cluster.namespace:
        metadata["namespace"] = cluster.namespace
    return metadata


def _driver(rollout: Rollout) -> Driver:
    if rollout.driver == "local":
        raise ServiceError(
            f"'{rollout.name}' has `driver: local`, which needs no manifest; "
            "name one with --driver kserve-standard or --driver kserve-knative"
        )
    return rollout.driver
