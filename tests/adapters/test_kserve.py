"""What we write for KServe is what KServe's own models know, and nothing a mode would ignore."""

from __future__ import annotations

import importlib
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.records import release_record

from tidemill.adapters.kserve import ClusterConfig, render, render_steps
from tidemill.adapters.kserve.manifests import check
from tidemill.adapters.kserve.schema import SCHEMA
from tidemill.errors import ServiceError
from tidemill.spec.rollout import Rollout

LIVE = release_record(digest="sha256:" + "a" * 64, commit={"sha": "1" * 40})
NEW = release_record(digest="sha256:" + "b" * 64, commit={"sha": "2" * 40})
DRIVERS = ["kserve-standard", "kserve-knative"]
ROOT = Path(__file__).parents[2]


def rollout(driver: str = "kserve-standard", **fields: Any) -> Rollout:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Rollout",
        "name": "reply-rollout",
        "of": "reply",
        "judged_by": "check",
        "service": "support-chat",
        "driver": driver,
        "steps": [{"percent": p} for p in (0, 10, 50, 100)],
    }
    return Rollout.model_validate({**known, **fields})


@pytest.fixture(scope="module")
def models() -> Any:
    """KServe's own models; its package reads the command line when it is imported."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        return importlib.import_module("kserve.models")
    finally:
        sys.argv = arguments


def unknown(value: Any, kind: str, models: Any, where: str = "") -> list[str]:
    """Keys that KServe's model of this type does not have, and values of another JSON type."""
    if kind.startswith("list["):
        items = (unknown(v, kind[5:-1], models, f"{where}[{i}]") for i, v in enumerate(value))
        return [fault for faults in items for fault in faults]
    if kind.startswith("dict("):
        return [f"{where}.{k}" for k, v in value.items() if not isinstance(v, str)]
    plain = {"str": str, "int": int, "bool": bool, "object": object}
    if kind in plain:
        return [] if isinstance(value, plain[kind]) else [f"{where} is no {kind}"]
    model = getattr(models, kind, None)
    if model is None:
        return []  # a Kubernetes type, not KServe's
    keys = {wire: name for name, wire in model.attribute_map.items()}
    faults = [f"{where}.{key}" for key in value if key not in keys]
    for key in value.keys() & keys.keys():
        faults += unknown(value[key], model.openapi_types[keys[key]], models, f"{where}.{key}")
    return faults


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("live", [None, LIVE])
def test_every_step_is_what_kserves_models_know(driver: str, live: Any, models: Any) -> None:
    cluster = ClusterConfig(namespace="llm", service_account="reader")
    steps = render_steps(rollout(driver), NEW, live, cluster)

    assert [percent for percent, _ in steps] == ([0, 10, 50, 100] if live else [100])
    for _, manifest in steps:
        assert unknown(manifest, "V1beta1InferenceService", models) == []


def test_our_schema_names_only_fields_that_kserve_has(models: Any) -> None:
    predictor = SCHEMA["properties"]["spec"]["properties"]["predictor"]["properties"]
    known = set(models.V1beta1PredictorSpec.attribute_map.values())
    model = set(models.V1beta1ModelSpec.attribute_map.values())
    canary = SCHEMA["properties"]["spec"]["properties"]["canary"]["items"]["properties"]

    assert predictor.keys() <= known
    assert predictor["model"]["properties"].keys() <= model
    assert canary.keys() == set(models.V1beta1CanarySpec.attribute_map.values())


def test_standard_mode_puts_the_candidate_beside_the_live_release() -> None:
    spec = render(rollout(), 10, NEW, LIVE)["spec"]

    assert spec["predictor"]["name"] == "r-aaaaaaaaaa"
    assert [(c["trafficPercent"], c["predictor"]["name"]) for c in spec["canary"]] == [
        (10, "r-bbbbbbbbbb")
    ]
    assert "canaryTrafficPercent" not in spec["predictor"]


def test_zero_percent_is_a_dark_launch() -> None:
    assert render(rollout(), 0, NEW, LIVE)["spec"]["canary"][0]["trafficPercent"] == 0
    knative = render(rollout("kserve-knative"), 0, NEW, LIVE)
    assert knative["spec"]["predictor"]["canaryTrafficPercent"] == 0


def test_the_last_standard_step_retargets_the_predictor_and_restarts_nothing() -> None:
    half, whole = (render(rollout(), percent, NEW, LIVE)["spec"] for percent in (50, 100))

    assert whole["predictor"] == half["canary"][0]["predictor"]
    assert "canary" not in whole


def test_a_rollback_in_standard_mode_takes_the_canary_away() -> None:
    back = render(rollout(), 100, LIVE, LIVE)["spec"]

    assert back["predictor"] == render(rollout(), 50, NEW, LIVE)["spec"]["predictor"]
    assert "canary" not in back


def test_knative_mode_uses_its_own_field_and_drops_it_at_the_end() -> None:
    half, whole = (render(rollout("kserve-knative"), p, NEW, LIVE)["spec"] for p in (50, 100))

    assert half["predictor"]["canaryTrafficPercent"] == 50
    assert "canaryTrafficPercent" not in whole["predictor"]
    assert "canary" not in half


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_manifest_says_which_release_and_commit_it_is(driver: str) -> None:
    manifest = render(rollout(driver), 100, NEW, LIVE)
    mode = {"kserve-standard": "Standard", "kserve-knative": "Knative"}[driver]

    assert manifest["metadata"]["annotations"] == {
        "serving.kserve.io/deploymentMode": mode,
        "tidemill.dev/release": NEW.digest,
        "tidemill.dev/commit": "2" * 40,
    }
    uri = manifest["spec"]["predictor"]["model"]["storageUri"]
    assert uri == f"pvc://tidemill-releases/{'b' * 64}"


def test_a_field_that_the_mode_would_ignore_is_refused() -> None:
    standard = deepcopy(render(rollout(), 100, NEW, LIVE))
    standard["spec"]["predictor"]["canaryTrafficPercent"] = 10
    knative = deepcopy(render(rollout("kserve-knative"), 10, NEW, LIVE))
    knative["spec"]["canary"] = render(rollout(), 10, NEW, LIVE)["spec"]["canary"]

    with pytest.raises(ServiceError, match="Standard mode silently ignores it"):
        check(standard)
    with pytest.raises(ServiceError, match="only Standard mode knows it"):
        check(knative)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["spec"].update(canaries=[]), "'canaries' was unexpected"),
        (lambda m: m["spec"]["canary"][0].update(trafficPercent=120), "120 is greater than"),
        (lambda m: m["spec"]["canary"][0]["predictor"].pop("name"), "'name' is a required"),
        (
            lambda m: m["spec"]["predictor"].update(name="r-bbbbbbbbbb"),
            "have to differ",
        ),
        (lambda m: m["spec"]["canary"][0]["predictor"].update(maxReplicas=3), "not scaled"),
        (lambda m: m["metadata"].update(annotations={}), "has to be Standard or Knative"),
        (lambda m: m["spec"]["canary"].append(_another(m)), "more than 100"),
    ],
)
def test_what_the_admission_webhook_would_refuse_is_refused_here(change: Any, said: str) -> None:
    manifest = deepcopy(render(rollout(), 60, NEW, LIVE))
    change(manifest)

    with pytest.raises(ServiceError, match=said):
        check(manifest)


def _another(manifest: dict[str, Any]) -> dict[str, Any]:
    canary = deepcopy(manifest["spec"]["canary"][0])
    canary["predictor"]["name"] = "third"
    return dict(canary)


def test_a_shadow_and_a_local_rollout_have_no_manifest() -> None:
    with pytest.raises(ServiceError, match="KServe cannot mirror requests"):
        render(rollout(mode="shadow"), 0, NEW, LIVE)
    with pytest.raises(ServiceError, match="--driver kserve-standard"):
        render(rollout("local"), 10, NEW, LIVE)
    assert render(rollout("local"), 10, NEW, LIVE, driver="kserve-knative")


def test_the_runtime_in_infra_is_the_one_manifests_name(models: Any) -> None:
    runtime = yaml.safe_load((ROOT / "infra/kserve/serving-runtime.yaml").read_text())
    model = render(rollout(), 100, NEW)["spec"]["predictor"]["model"]

    assert unknown(runtime, "V1alpha1ServingRuntime", models) == []
    assert runtime["metadata"]["name"] == model["runtime"]
    formats = [known["name"] for known in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


def test_kustomize_lists_files_that_exist() -> None:
    folder = ROOT / "infra/kserve"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]

    assert all((folder / name).is_file() for name in listed)
