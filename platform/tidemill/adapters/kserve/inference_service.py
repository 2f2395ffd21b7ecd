"""The fields of an InferenceService, and of an API error's `Status`, that we write or read.

The names are those of `serving.kserve.io/v1beta1` in KServe 0.21 and of the Kubernetes API. A real
object has more fields; a controller that has not got to one leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict


class Metadata(TypedDict, total=False):
    """Name, labels and annotations of an object."""

    name: str
    namespace: str
    generation: int
    """Counts the changes of `spec`."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class ModelFormat(TypedDict):
    """Which model servers can load the model."""

    name: str


class Resources(TypedDict):
    """CPU and memory of a container, by name."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


class Model(TypedDict):
    """The model of a predictor and the runtime that serves it."""

    modelFormat: ModelFormat
    runtime: str
    protocolVersion: str
    storageUri: str
    resources: Resources


class Predictor(TypedDict, total=False):
    """One model server with its replicas."""

    name: str
    """Standard mode alone."""
    minReplicas: int
    labels: Mapping[str, str]
    model: Model
    serviceAccountName: str
    canaryTrafficPercent: int
    """Knative mode alone: the share of the newest revision."""


class Canary(TypedDict):
    """A second predictor and its share of the traffic; Standard mode alone (kserve#5672)."""

    trafficPercent: int
    predictor: Predictor


class InferenceServiceSpec(TypedDict, total=False):
    """What should run."""

    predictor: Predictor
    canary: Sequence[Canary]


class Condition(TypedDict, total=False):
    """One condition, such as `Ready`."""

    type: str
    status: str
    """`True`, `False` or `Unknown`."""
    reason: str
    message: str


class CanaryStatus(TypedDict, total=False):
    """The real share of a canary (kserve#5912)."""

    name: str
    trafficPercent: int


class RevisionTraffic(TypedDict, total=False):
    """The real share of a Knative revision."""

    revisionName: str
    latestRevision: bool
    percent: int


class ComponentStatus(TypedDict, total=False):
    """The revisions of one component in Knative mode."""

    latestReadyRevision: str
    traffic: Sequence[RevisionTraffic]


class InferenceServiceState(TypedDict, total=False):
    """The `status` of an InferenceService."""

    observedGeneration: int
    """The newest generation that the controller has processed."""
    conditions: Sequence[Condition]
    canaryStatuses: Sequence[CanaryStatus]
    components: Mapping[str, ComponentStatus]
    url: str


class Manifest(TypedDict, total=False):
    """An InferenceService, as it is applied and as the Kubernetes API returns it."""

    apiVersion: str
    kind: str
    metadata: Metadata
    spec: InferenceServiceSpec
    status: InferenceServiceState


class StatusDetails(TypedDict, total=False):
    """The object that a `Status` is about."""

    name: str


class ApiStatus(TypedDict, total=False):
    """The `Status` object in the body of an API error."""

    message: str
    reason: str
    details: StatusDetails
