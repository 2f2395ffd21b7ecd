"""The status of an InferenceService: ready or not, and its real traffic shares."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.adapters.kserve.inference_service import (
    ComponentStatus,
    Condition,
    InferenceServiceSpec,
    InferenceServiceState,
    Manifest,
    Metadata,
    Predictor,
)
from tidemill.adapters.kserve.schema import KNATIVE, MODE

RELEASE = "tidemill.dev/release"


@dataclass(frozen=True)
class InferenceServiceStatus:
    """One InferenceService as the cluster reports it."""

    ready: bool = False
    """True where the controller has seen the last change and everything in it is ready."""
    canary_percent: int | None = None
    """Percent of the traffic that the candidate really gets; None without a candidate."""
    release: str = ""
    """The release that was applied last: the candidate, or the only one."""
    predictor_names: frozenset[str] = frozenset()
    """Names and release labels of its predictors."""
    url: str = ""
    message: str = "it does not exist"
    """The condition it waits for, in a line."""

    def has_release(self, name: str, release: str) -> bool:
        """True where a release is one of its predictors; Knative keeps the former one unnamed."""
        label = release.removeprefix("sha256:")[:16]
        former = self.canary_percent is not None and "" in self.predictor_names
        return bool({name, label} & self.predictor_names) or (former and release != self.release)


def read_status(service: Manifest) -> InferenceServiceStatus:
    """The state of an InferenceService; see `status` in `serving.kserve.io/v1beta1`."""
    spec = service.get("spec") or InferenceServiceSpec()
    status = service.get("status") or InferenceServiceState()
    metadata = service.get("metadata") or Metadata()
    marks = metadata.get("annotations") or {}
    knative = marks.get(MODE) == KNATIVE
    canary = _knative(spec, status) if knative else _standard(spec, status)
    waits = _waits(metadata, spec, status)
    shares = "no traffic split" if canary is None else f"the candidate has {canary} %"
    return InferenceServiceStatus(
        ready=not waits,
        canary_percent=canary,
        release=marks.get(RELEASE, ""),
        predictor_names=_names(
            spec, knative and "canaryTrafficPercent" in (spec.get("predictor") or Predictor())
        ),
        url=_url(status),
        message=waits or f"ready; {shares}",
    )


def _names(spec: InferenceServiceSpec, former: bool) -> frozenset[str]:
    predictors = [spec.get("predictor") or Predictor()]
    predictors += [canary.get("predictor") or Predictor() for canary in spec.get("canary") or ()]
    labels = [(predictor.get("labels") or {}).get(RELEASE) for predictor in predictors]
    names = {name for name in (*labels, *(item.get("name") for item in predictors)) if name}
    return frozenset(names | ({""} if former else set()))


def _waits(metadata: Metadata, spec: InferenceServiceSpec, status: InferenceServiceState) -> str:
    """The condition that is not ready; empty where all are. An older status does not count."""
    if int(status.get("observedGeneration", 0)) < int(metadata.get("generation", 0)):
        return "KServe has not processed the last change yet"
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    types = ["Ready", *(["CanaryReady"] if spec.get("canary") else [])]
    for name in types:
        condition = conditions.get(name) or Condition()
        if condition.get("status") != "True":
            cause = condition.get("message") or condition.get("reason")
            cause = cause or "no condition gives a reason"
            return f"{name} is {condition.get('status', 'unknown')} ({cause})"
    return ""


def _standard(spec: InferenceServiceSpec, status: InferenceServiceState) -> int | None:
    """Standard mode: `status.canaryStatuses`, one a canary (kserve#5912)."""
    statuses = {
        canary_status["name"]: canary_status for canary_status in status.get("canaryStatuses") or ()
    }
    names = [canary["predictor"]["name"] for canary in spec.get("canary") or ()]
    if not names:
        return None
    return sum(int(statuses[name].get("trafficPercent", 0)) for name in names if name in statuses)


def _knative(spec: InferenceServiceSpec, status: InferenceServiceState) -> int | None:
    """Knative mode: the traffic of the newest revision; the rest is on the one before."""
    if (spec.get("predictor") or Predictor()).get("canaryTrafficPercent") is None:
        return None
    predictor = (status.get("components") or {}).get("predictor") or ComponentStatus()
    newest = predictor.get("latestReadyRevision")
    return sum(
        int(share.get("percent") or 0)
        for share in predictor.get("traffic") or ()
        if share.get("latestRevision") or share.get("revisionName") == newest
    )


def _url(status: InferenceServiceState) -> str:
    url = status.get("url") or ""
    return url if isinstance(url, str) else ""
