"""The part of KServe's InferenceService that we write, as a JSON Schema that refuses all else.

Written from the field list of `serving.kserve.io/v1beta1` in KServe 0.21 (Apache-2.0); a test
compares it with the models of the installed `kserve` package. What its admission webhook checks on
top (kserve#5672: canaries only in Standard mode, unique names, shares of 100 at most together, no
autoscaling of canaries) is checked in `problems`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill.adapters.kserve.inference_service import Canary, Manifest, Predictor

STANDARD, KNATIVE = "Standard", "Knative"
MODE = "serving.kserve.io/deploymentMode"
_NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
_TEXT = {"type": "string", "minLength": 1}
_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_AUTOSCALING = frozenset({"maxReplicas", "scaleTarget", "scaleMetric", "autoScaling"})


def _closed_object(properties: Mapping[str, object], *required: str) -> dict[str, object]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


_MODEL = _closed_object(
    {
        "modelFormat": _closed_object({"name": _TEXT, "version": _TEXT}, "name"),
        "protocolVersion": {"enum": ["v1", "v2"]},
        "runtime": _NAME,
        "storageUri": {"type": "string", "pattern": r"^[a-z][a-z0-9+]*://.+"},
        "resources": _closed_object({"requests": _STRINGS, "limits": _STRINGS}),
    },
    "modelFormat",
    "storageUri",
)
_PREDICTOR = _closed_object(
    {
        "name": _NAME,
        "annotations": _STRINGS,
        "labels": _STRINGS,
        "minReplicas": {"type": "integer", "minimum": 0},
        "maxReplicas": {"type": "integer", "minimum": 0},
        "canaryTrafficPercent": _PERCENT,
        "serviceAccountName": _NAME,
        "model": _MODEL,
    },
    "model",
)
SCHEMA: dict[str, Any] = _closed_object(
    {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": _closed_object(
            {"name": _NAME, "namespace": _NAME, "labels": _STRINGS, "annotations": _STRINGS}, "name"
        ),
        "spec": _closed_object(
            {
                "predictor": _PREDICTOR,
                "canary": {
                    "type": "array",
                    "items": _closed_object(
                        {
                            "trafficPercent": _PERCENT,
                            "predictor": {**_PREDICTOR, "required": ["name", "model"]},
                        },
                        "trafficPercent",
                        "predictor",
                    ),
                },
            },
            "predictor",
        ),
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)


def problems(manifest: Manifest) -> list[str]:
    """Everything wrong with a manifest, the fields its mode ignores included; empty when valid."""
    from jsonschema import Draft202012Validator

    faults = [
        f"{'.'.join(map(str, error.absolute_path)) or 'manifest'}: {error.message}"
        for error in Draft202012Validator(SCHEMA).iter_errors(manifest)
    ]
    return sorted(faults) or list(_ignored_fields(manifest))


def _ignored_fields(manifest: Manifest) -> Iterator[str]:
    mode = manifest["metadata"].get("annotations", {}).get(MODE)
    predictor, canaries = manifest["spec"]["predictor"], manifest["spec"].get("canary", [])
    if mode not in (STANDARD, KNATIVE):
        yield f"metadata.annotations.{MODE}: has to be {STANDARD} or {KNATIVE}; it is {mode}"
    if mode == STANDARD and "canaryTrafficPercent" in predictor:
        yield (
            "spec.predictor.canaryTrafficPercent: Standard mode silently ignores it "
            "(kserve#5335); use spec.canary"
        )
    if mode == KNATIVE and canaries:
        yield "spec.canary: only Standard mode knows it; use spec.predictor.canaryTrafficPercent"
    yield from _canaries(predictor, canaries)


def _canaries(predictor: Predictor, canaries: Sequence[Canary]) -> Iterator[str]:
    names = [canary["predictor"]["name"] for canary in canaries]
    names_in_use = [predictor.get("name"), *names]
    if len(set(names_in_use)) < len(names_in_use):
        yield f"spec.canary: predictor names have to differ; they are {names_in_use}"
    total = sum(canary["trafficPercent"] for canary in canaries)
    if total > 100:
        yield f"spec.canary: shares add up to {total} %, more than 100"
    for index, canary in enumerate(canaries):
        for key in sorted(_AUTOSCALING & canary["predictor"].keys()):
            yield f"spec.canary.{index}.predictor.{key}: a canary is not scaled automatically"
